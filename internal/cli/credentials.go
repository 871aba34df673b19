package cli

import (
	"context"
	"fmt"
	"slices"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/kube"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/credential/env"
	secrets "argocd-image-updater/internal/credential/kube"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
)

// credentials are where the Applications are: in a cluster, or among manifests;
// and what the user has where it is asked for. forget belongs at the end of a
// cycle.
func (w *world) credentials(sh shell, src source) (all update.Credentials, forget func(), err error) {
	own := user{env: sh.env, sshKey: w.sshKey}
	config := w.dockerConfig
	if src.access != nil && !w.source.alone && !w.set.Changed("docker-config") && sh.env("DOCKER_CONFIG") == "" {
		config = "" // the one in the home folder just happens to be there
	}
	own.machine = env.New(env.Options{Lookup: sh.lookup, DockerConfig: config})
	switch {
	case src.files != nil:
		return &logins{user: own, files: src.files, namespace: w.source.namespace}, func() {}, nil
	case src.access == nil:
		return remoteLogins{user: own, namespaces: []string{w.source.namespace}}, func() {}, nil
	}
	cluster, err := w.secrets(src.access)
	if err != nil {
		return nil, nil, err
	}
	return clusterLogins{
		user: own, cluster: cluster, alone: w.source.alone, namespaces: []string{w.source.namespace, src.access.Namespace},
	}, cluster.Forget, nil
}

func (w *world) secrets(access *kube.Connection) (*secrets.Source, error) {
	for _, flag := range []string{"git-ssh-key", "git-known-hosts"} {
		if w.set.Changed(flag) {
			return nil, &exit{exitUsage, fmt.Errorf("--%s: with a cluster, SSH keys come from Secrets and known hosts from the ConfigMap argocd-ssh-known-hosts-cm: put yours there", flag)}
		}
	}
	server, transport, err := access.Transport()
	if err != nil {
		return nil, err
	}
	return secrets.New(secrets.Options{Server: server, Transport: transport, Namespace: access.Namespace, ArgoCD: w.source.namespace}), nil
}

// clusterLogins finds credentials in a cluster. Of the machine it takes for
// registries what somebody named, and for repositories nothing: whoever can
// write an Application says where logins are sent.
type clusterLogins struct {
	user
	cluster *secrets.Source
	alone   bool // the cluster may be out of reach as long as no Secret is named
	// namespaces of Argo CD and the updater.
	namespaces []string
}

// variable is an error if an Application that is in none of our namespaces names
// a variable of ours: whoever can write one also says to which registry the login
// is sent. As with a Secret, it has to be the Application's own.
func variable(q update.LoginQuestion, namespaces []string) error {
	if q.Reference.Kind != credential.Env || q.Namespace == "" || slices.Contains(namespaces, q.Namespace) {
		return nil
	}
	return fmt.Errorf("credential %s: variables of the updater are not for Applications of namespace %s: put the login into a Secret there and name that, or give it to the registry in registries.conf: %w",
		q.Reference, q.Namespace, fault.ErrDenied)
}

// Registry implements update.Credentials.
func (l clusterLogins) Registry(ctx context.Context, q update.LoginQuestion) (login credential.Registry, err error) {
	if err := variable(q, l.namespaces); err != nil {
		return login, err
	}
	if q.Reference.IsSecret() {
		login, err = l.cluster.Registry(ctx, q.Namespace, q.Reference, q.Endpoint.LoginNames()...)
	} else {
		login, err = l.machine.Resolve(q.Reference, q.Endpoint.LoginNames()...)
	}
	if err != nil || l.alone && !q.Reference.IsSecret() {
		return login, err
	}
	login.CA, err = l.cluster.Authority(ctx, q.Endpoint.Registry.API)
	return login, err
}

// Git implements update.Credentials.
func (l clusterLogins) Git(ctx context.Context, at plan.Location) (credential.Git, error) {
	return l.cluster.Git(ctx, at)
}

// remoteLogins finds credentials where the Applications come from an Argo CD
// API server, which gives none, and there is no access to Kubernetes.
type remoteLogins struct {
	user
	namespaces []string // of Argo CD
}

// Registry implements update.Credentials.
func (l remoteLogins) Registry(_ context.Context, q update.LoginQuestion) (credential.Registry, error) {
	if err := variable(q, l.namespaces); err != nil {
		return credential.Registry{}, err
	}
	if q.Reference.IsSecret() {
		return credential.Registry{}, fmt.Errorf("credential %s: Secrets cannot be read without access to Kubernetes: give access to it, or use env:<VARIABLE> or a docker config file", q.Reference)
	}
	return l.machine.Resolve(q.Reference, q.Endpoint.LoginNames()...)
}

// withoutKubernetes is what can be done.
const withoutKubernetes = "give access to it, or set GIT_USERNAME and GIT_PASSWORD for HTTPS, --git-ssh-key for SSH"

// Git implements update.Credentials.
func (l remoteLogins) Git(_ context.Context, at plan.Location) (credential.Git, error) {
	if at.Credential.IsSecret() {
		return credential.Git{}, fmt.Errorf("credential %s: Secrets cannot be read without access to Kubernetes: %s, with write-back-method: git", at.Credential, withoutKubernetes)
	}
	login, err := l.git(at.URL, credential.Git{})
	if err != nil {
		return credential.Git{}, err
	}
	if protocol := argo.ParseAddress(at.URL).Protocol; login.From == "" && (protocol == "https" || protocol == "ssh") {
		return credential.Git{}, fmt.Errorf("credential %s: Argo CD's own, as those of git:secret:<name>, cannot be read without access to Kubernetes: %s", at.Credential, withoutKubernetes)
	}
	return login, nil
}
