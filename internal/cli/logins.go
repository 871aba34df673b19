package cli

import (
	"context"
	"fmt"
	"os"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/credential/env"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
)

// logins finds credentials without a cluster: in Secrets among the manifest
// files, in the environment, in the user's own files.
type logins struct {
	user
	files     *files
	namespace string // Argo CD's own
}

// Registry implements update.Credentials.
func (l *logins) Registry(_ context.Context, q update.LoginQuestion) (credential.Registry, error) {
	names := q.Endpoint.LoginNames()
	if !q.Reference.IsSecret() {
		return l.machine.Resolve(q.Reference, names...)
	}
	s, err := l.secret(q.Namespace, q.Reference)
	if err != nil {
		return credential.Registry{}, err
	}
	return credential.FromSecret(s.Data, q.Reference, names...)
}

// secret finds the Secret that an Application of a namespace names; the
// namespace "" is that of process-wide configuration.
func (l *logins) secret(namespace string, ref credential.Reference) (credential.Object, error) {
	scope := credential.ProcessScope(l.namespace, l.namespace)
	if namespace != "" {
		scope = credential.ApplicationScope(namespace)
	}
	ref, err := scope.Resolve(ref)
	if err != nil {
		return credential.Object{}, err
	}
	s, ok := l.files.secret(argo.Key{Namespace: ref.Namespace, Name: ref.Name})
	if !ok {
		return s, fmt.Errorf("credential %s: no such Secret among the manifest files: add it to --applications, or name another credential", ref)
	}
	return s, nil
}

// Git implements update.Credentials: the Secret that was named, or else Argo
// CD's own for the repository, or else what the user has.
func (l *logins) Git(_ context.Context, at plan.Location) (credential.Git, error) {
	if at.Credential.Kind == credential.Secret {
		s, err := l.secret(at.Namespace, at.Credential)
		if err != nil {
			return credential.Git{}, err
		}
		return s.Git(at.URL)
	}
	last, _ := l.files.secret(argo.Key{Namespace: l.namespace, Name: credential.LastResort})
	s := l.files.repositories().Find(at.URL, at.Project).Or(last, at.URL)
	if s.HasLogin(at.URL) {
		return s.Git(at.URL)
	}
	login, err := s.Settings(at.URL)
	if err != nil {
		return credential.Git{}, err
	}
	return l.git(at.URL, login)
}

// user is what the one who started the program has to log in with.
type user struct {
	machine *env.Source
	env     func(string) string
	sshKey  string
}

// git adds to a login what the user has: a name and password in the environment
// for HTTP, a key file for SSH.
func (u user) git(url string, login credential.Git) (credential.Git, error) {
	switch argo.ParseAddress(url).Protocol {
	case "https": // over http a password would go in the clear
		if password := u.env("GIT_PASSWORD"); password != "" {
			login.Username, login.Password, login.From = u.env("GIT_USERNAME"), password, "env:GIT_PASSWORD"
		}
	case "ssh":
		if u.sshKey == "" {
			break
		}
		key, err := os.ReadFile(u.sshKey)
		if err != nil {
			return credential.Git{}, fmt.Errorf("--git-ssh-key: %w", err)
		}
		login.SSHKey, login.From = key, u.sshKey
	}
	return login, nil
}
