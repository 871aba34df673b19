package cli

import (
	"context"
	"fmt"

	"k8s.io/client-go/rest"

	"argocd-image-updater/internal/argo/kube"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/credential/env"
	secrets "argocd-image-updater/internal/credential/kube"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
)

// clusterLogins finds credentials in a cluster, and in the variables that a
// reference names.
type clusterLogins struct {
	*secrets.Source
	machine *env.Source
}

func newClusterLogins(access *kube.Connection, argoCD string, machine *env.Source) (*clusterLogins, error) {
	transport, err := rest.TransportFor(access.Config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	server, _, err := rest.DefaultServerUrlFor(access.Config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	return &clusterLogins{machine: machine, Source: secrets.New(secrets.Options{
		Server: server, Transport: transport, Namespace: access.Namespace, ArgoCD: argoCD,
	})}, nil
}

// Registry implements update.Credentials.
func (l *clusterLogins) Registry(ctx context.Context, q update.LoginQuestion) (login credential.Registry, err error) {
	names := q.Endpoint.LoginNames()
	switch q.Reference.Kind {
	case credential.Secret, credential.PullSecret:
		login, err = l.Source.Registry(ctx, q.Namespace, q.Reference, names...)
	default:
		login, err = l.machine.Resolve(q.Reference, names...)
	}
	if err != nil {
		return login, err
	}
	login.CA, err = l.Authority(ctx, q.Endpoint.Registry.API)
	return login, err
}

// bareLogins finds credentials where there is neither a cluster nor a manifest:
// in variables and files of the machine.
type bareLogins struct {
	machine *env.Source
	own     func(url string, login credential.Git) (credential.Git, error)
}

const noKubernetes = "there is no Kubernetes API to read it from: set --kubeconfig"

// Registry implements update.Credentials.
func (l bareLogins) Registry(_ context.Context, q update.LoginQuestion) (credential.Registry, error) {
	if q.Reference.Kind == credential.Secret || q.Reference.Kind == credential.PullSecret {
		return credential.Registry{}, fmt.Errorf("credential %s: %s, or name a variable with env:<NAME>", q.Reference, noKubernetes)
	}
	return l.machine.Resolve(q.Reference, q.Endpoint.LoginNames()...)
}

// Git implements update.Credentials.
func (l bareLogins) Git(_ context.Context, at plan.Location) (credential.Git, error) {
	login, err := l.own(at.URL, credential.Git{})
	if err != nil || login.From != "" {
		return login, err
	}
	const instead = "GIT_USERNAME and GIT_PASSWORD for HTTPS, or --git-ssh-key"
	if at.Credential.Kind == credential.Secret {
		return login, fmt.Errorf("credential %s: %s, or set %s", at.Credential, noKubernetes, instead)
	}
	return login, fmt.Errorf("credential repocreds: Argo CD's Secrets are in its cluster, and %s and write-back-method git:secret:<namespace>/<name>, or set %s", noKubernetes, instead)
}
