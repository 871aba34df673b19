package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/file"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/credential/env"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
)

// logins finds credentials without a cluster: in Secrets among the manifest
// files, in the environment, in the user's own files.
type logins struct {
	files     *files
	namespace string // Argo CD's own
	machine   *env.Source
	env       func(string) string
	sshKey    string
}

// Registry implements update.Credentials.
func (l *logins) Registry(_ context.Context, q update.LoginQuestion) (credential.Registry, error) {
	names := q.Endpoint.LoginNames()
	if q.Reference.Kind != credential.Secret && q.Reference.Kind != credential.PullSecret {
		return l.machine.Resolve(q.Reference, names...)
	}
	scope := credential.ProcessScope(l.namespace, l.namespace)
	if q.Namespace != "" {
		scope = credential.ApplicationScope(q.Namespace)
	}
	s, err := l.secret(scope, q.Reference)
	if err != nil {
		return credential.Registry{}, err
	}
	return credential.FromSecret(s.Data, q.Reference, names...)
}

func (l *logins) secret(scope credential.Scope, ref credential.Reference) (file.Secret, error) {
	ref, err := scope.Resolve(ref)
	if err != nil {
		return file.Secret{}, err
	}
	s, ok := l.files.secret(argo.Key{Namespace: ref.Namespace, Name: ref.Name})
	if !ok {
		return s, fmt.Errorf("credential %s: no such Secret among the manifest files: add it to --applications, or name another credential", ref)
	}
	return s, nil
}

// gitCreds is the Secret that is looked at last of all.
const gitCreds = "git-creds"

// Git implements update.Credentials: the Secret that was named, or else Argo
// CD's own for the repository, or else what the user has.
func (l *logins) Git(_ context.Context, at plan.Location) (credential.Git, error) {
	if at.Credential.Kind == credential.Secret {
		scope := credential.ProcessScope(l.namespace, l.namespace)
		if at.Namespace != "" {
			scope = credential.ApplicationScope(at.Namespace)
		}
		s, err := l.secret(scope, at.Credential)
		if err != nil {
			return credential.Git{}, err
		}
		return gitLogin(s)
	}
	if s, ok := l.repository(at.URL); ok {
		return gitLogin(s)
	}
	if s, ok := l.files.secret(argo.Key{Namespace: l.namespace, Name: gitCreds}); ok && !strings.HasPrefix(at.URL, "http://") {
		return gitLogin(s)
	}
	return l.own(at.URL)
}

func gitLogin(s file.Secret) (credential.Git, error) {
	login, err := credential.GitFromSecret(s.Data)
	if err != nil {
		return login, fmt.Errorf("secret %s: %w", s.Key, err)
	}
	login.From = "secret " + s.String()
	return login, nil
}

// secretType is the label by which Argo CD knows its Secrets.
const secretType = "argocd.argoproj.io/secret-type"

// repository finds Argo CD's Secret for a repository: the one of its URL, or
// the template with the longest matching beginning. One without a credential
// passes, as in Argo CD.
func (l *logins) repository(url string) (file.Secret, bool) {
	var best file.Secret
	found := false
	for _, s := range l.files.labelled(l.namespace, secretType, "repository") {
		known := string(s.Data["url"])
		if argo.SameRepository(known, url) && protocol(known) == protocol(url) && hasLogin(s) && (!found || s.Name < best.Name) {
			best, found = s, true
		}
	}
	if found {
		return best, true
	}
	templates := l.files.labelled(l.namespace, secretType, "repo-creds")
	slices.SortFunc(templates, func(a, b file.Secret) int { return strings.Compare(a.Name, b.Name) })
	for _, s := range templates {
		prefix := string(s.Data["url"])
		if isBelow(url, prefix) && len(prefix) > len(best.Data["url"]) {
			best, found = s, true
		}
	}
	return best, found
}

// protocol is the scheme of a Git URL. A login for one is none for another: a
// key says nothing to HTTPS, and a password for HTTPS is not sent in the clear.
func protocol(url string) string {
	scheme, _, ok := strings.Cut(strings.ToLower(strings.TrimSpace(url)), "://")
	switch {
	case ok:
		return scheme
	case strings.Contains(url, ":"):
		return "ssh" // user@host:path
	}
	return "file"
}

// isBelow reports whether a URL is the prefix or continues it at a boundary:
// https://git.corp does not cover https://git.corp.example.com.
func isBelow(url, prefix string) bool {
	rest, ok := strings.CutPrefix(url, prefix)
	scp := !strings.Contains(prefix, "://") // user@host:path
	switch {
	case !ok || prefix == "":
		return false
	case rest == "", rest[0] == '/', strings.HasSuffix(prefix, "/"):
		return true
	}
	return scp && (rest[0] == ':' || strings.HasSuffix(prefix, ":"))
}

func hasLogin(s file.Secret) bool {
	return len(s.Data["password"]) > 0 || len(s.Data["sshPrivateKey"]) > 0
}

// own is what the user has: a name and password in the environment for HTTP, a
// key file for SSH.
func (l *logins) own(url string) (credential.Git, error) {
	if strings.HasPrefix(url, "http://") {
		return credential.Git{}, nil // a password would go in the clear
	}
	if strings.HasPrefix(url, "https://") {
		password := l.env("GIT_PASSWORD")
		if password == "" {
			return credential.Git{}, nil
		}
		return credential.Git{Username: l.env("GIT_USERNAME"), Password: password, From: "env:GIT_PASSWORD"}, nil
	}
	if l.sshKey == "" {
		return credential.Git{}, nil
	}
	key, err := os.ReadFile(l.sshKey)
	if err != nil {
		return credential.Git{}, fmt.Errorf("--git-ssh-key: %w", err)
	}
	return credential.Git{SSHKey: key, From: l.sshKey}, nil
}
