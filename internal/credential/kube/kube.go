// Package kube finds credentials in a Kubernetes cluster: the Secrets that
// somebody names, Argo CD's own Secrets for repositories, and in Argo CD's
// ConfigMaps whom to trust.
//
// What is asked for is read from the API server once, however many ask for it,
// and kept until Forget; the Secrets of all repositories come in one request.
// An answer is whole or an error. Which Secrets may be named depends on who
// names them: an Application those of its own namespace, process-wide
// configuration those of the updater's and of Argo CD's.
//
// The package refuses what is not the cluster's: it looks into no variable and
// no file, so that nothing that happens to lie on the machine is sent anywhere.
package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
)

// Options say where to read. All but Timeout have to be set.
type Options struct {
	Server    *url.URL          // base URL of the API server
	Transport http.RoundTripper // logs in to it
	Namespace string            // the updater's own
	ArgoCD    string            // Argo CD's namespace
	Timeout   time.Duration     // of each request; 0 is 30 s
}

// Source finds credentials. It is safe for use by many goroutines.
type Source struct {
	options Options
	api     api

	mu    sync.Mutex
	known *known
}

// known is what was read since the last Forget.
type known struct {
	secrets      memo[argo.Key, credential.Object]
	configMaps   memo[argo.Key, map[string]string]
	repositories memo[string, credential.Repositories] // by namespace
}

// New makes a Source. It asks the server nothing.
func New(o Options) *Source {
	return &Source{options: o, api: newAPI(o), known: &known{}}
}

// Forget drops all that was read, so that what is asked next is read anew. It
// belongs at the beginning of each cycle, and at the end if secrets are not to
// stay in memory in between.
func (s *Source) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = &known{}
}

func (s *Source) memory() *known {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

// Registry gives the login of a registry that a reference to a Secret means.
// The namespace is that of the Application whose own reference it is, or "" for
// one of process-wide configuration; the names are those of
// credential.DockerConfig.Lookup. Other references than those to Secrets are
// errors, as is a Secret that is out of reach, cannot be read, or holds no
// login for the names.
func (s *Source) Registry(ctx context.Context, namespace string, ref credential.Reference, names ...string) (credential.Registry, error) {
	o, err := s.named(ctx, namespace, ref)
	if err != nil {
		return credential.Registry{}, err
	}
	return credential.FromSecret(o.Data, ref, names...)
}

// Git gives the login of a repository, and whom to trust there. The login is
// that of the Secret that at names; else the one that Argo CD has for the
// repository; else the one of the Secret git-creds in the updater's namespace;
// else none, which is no error.
//
// A server is trusted by Argo CD's ConfigMaps unless the Secret says insecure:
// an SSH server if its key is in argocd-ssh-known-hosts-cm, and a web server by
// the authority that argocd-tls-certs-cm has for its host besides the system's.
func (s *Source) Git(ctx context.Context, at plan.Location) (credential.Git, error) {
	login, err := s.login(ctx, at)
	if err != nil {
		return credential.Git{}, err
	}
	return s.trust(ctx, at.URL, login)
}

func (s *Source) login(ctx context.Context, at plan.Location) (credential.Git, error) {
	if at.Credential.Kind == credential.Secret {
		o, err := s.named(ctx, at.Namespace, at.Credential)
		if err != nil {
			return credential.Git{}, err
		}
		return o.Git(at.URL)
	}
	repositories, err := s.repositories(ctx)
	if err != nil {
		return credential.Git{}, err
	}
	o := repositories.Find(at.URL, at.Project)
	if !o.HasLogin(at.URL) {
		last, err := s.secret(ctx, argo.Key{Namespace: s.options.Namespace, Name: credential.LastResort})
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			return credential.Git{}, err
		}
		o = o.Or(last, at.URL)
	}
	if !o.HasLogin(at.URL) {
		return o.Settings(at.URL)
	}
	return o.Git(at.URL)
}

// named reads the Secret of a reference that an Application of the namespace
// makes, or with "" process-wide configuration.
func (s *Source) named(ctx context.Context, namespace string, ref credential.Reference) (credential.Object, error) {
	if !ref.IsSecret() {
		return credential.Object{}, fmt.Errorf("credential %s: is in no Secret of the cluster: secret:<namespace>/<name> and pullsecret:<namespace>/<name> are", ref)
	}
	scope := credential.ProcessScope(s.options.Namespace, s.options.ArgoCD)
	if namespace != "" {
		scope = credential.ApplicationScope(namespace)
	}
	at, err := scope.Resolve(ref)
	if err != nil {
		return credential.Object{}, err
	}
	o, err := s.secret(ctx, argo.Key{Namespace: at.Namespace, Name: at.Name})
	if errors.Is(err, fault.ErrNotFound) {
		return o, fmt.Errorf("credential %s: %w: create it, or name another one", ref, err)
	}
	if err != nil {
		return o, fmt.Errorf("credential %s: %w", ref, err)
	}
	return o, nil
}
