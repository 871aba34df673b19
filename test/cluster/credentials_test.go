package cluster_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/credential/kube"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/test/cluster"
)

// source reads credentials as the ServiceAccount of manifests/base, next to
// Argo CD in the world's namespace.
func source(w *cluster.World) *kube.Source {
	w.Helper()
	for _, name := range []string{"serviceaccount.yaml", "role.yaml", "rolebinding.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "manifests", "base", name))
		if err != nil {
			w.Fatal(err)
		}
		w.Apply(string(text))
	}
	config, err := w.Plane.ServiceAccountConfig(w.Context(), w.Namespace, "argocd-image-updater")
	if err != nil {
		w.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		w.Fatal(err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		w.Fatal(err)
	}
	return kube.New(kube.Options{Server: server, Transport: transport, Namespace: w.Namespace, ArgoCD: w.Namespace})
}

const argoSecrets = `
apiVersion: v1
kind: Secret
metadata: {name: deploy, labels: {argocd.argoproj.io/secret-type: repository}}
stringData: {url: "https://git.example.com/team/deploy.git", username: bot, password: s3cret}
---
apiVersion: v1
kind: Secret
metadata: {name: deploy-of-team, labels: {argocd.argoproj.io/secret-type: repository}}
stringData: {url: "https://git.example.com/team/deploy.git", project: team, username: team, password: s3cret}
---
apiVersion: v1
kind: Secret
metadata: {name: all-over-ssh, labels: {argocd.argoproj.io/secret-type: repo-creds}}
stringData: {url: "git@git.example.com:", sshPrivateKey: s3cret}
---
apiVersion: v1
kind: Secret
metadata: {name: git-creds}
stringData: {username: last, password: s3cret}
---
apiVersion: v1
kind: Secret
metadata: {name: ghcr}
type: kubernetes.io/dockerconfigjson
stringData:
  .dockerconfigjson: '{"auths": {"ghcr.io": {"username": "bot", "password": "s3cret"}}}'
---
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-ssh-known-hosts-cm}
data: {ssh_known_hosts: "git.example.com ssh-ed25519 AAAA\n"}
`

// The shipped Role lets the updater read the Secrets of its own namespace, and
// what a new one says is good for the next cycle.
func TestCredentials(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	w.Apply(argoSecrets)
	s := source(w)
	own := "secret " + w.Namespace + "/"
	for _, c := range []struct{ url, project, from string }{
		{"https://git.example.com/team/deploy", "default", own + "deploy"},
		{"https://git.example.com/team/deploy", "team", own + "deploy-of-team"},
		{"git@git.example.com:team/deploy.git", "team", own + "all-over-ssh"},
		{"https://git.example.com/other", "team", own + "git-creds"},
	} {
		login, err := s.Git(t.Context(), plan.Location{URL: c.url, Credential: credential.Reference{Kind: credential.RepoCreds}, Project: c.project})
		if err != nil || login.From != c.from {
			t.Errorf("%s for %s: %s, %v; want %s", c.url, c.project, login, err, c.from)
		}
		if ssh := strings.HasPrefix(c.url, "git@"); ssh != (string(login.KnownHosts) == "git.example.com ssh-ed25519 AAAA\n") {
			t.Errorf("%s: known hosts %q", c.url, login.KnownHosts)
		}
	}
	ghcr := credential.Reference{Kind: credential.PullSecret, Namespace: w.Namespace, Name: "ghcr"}
	if login, err := s.Registry(t.Context(), "", ghcr, "ghcr.io/org/app"); err != nil || login.Username != "bot" || login.Password != "s3cret" {
		t.Errorf("pull secret: %s, %v", login, err)
	}

	w.Apply(strings.ReplaceAll(argoSecrets, "s3cret", "renewed"))
	if login, err := s.Registry(t.Context(), "", ghcr, "ghcr.io/org/app"); err != nil || login.Password != "s3cret" {
		t.Errorf("another login in the middle of a cycle: %v", err)
	}
	s.Forget()
	if login, err := s.Registry(t.Context(), "", ghcr, "ghcr.io/org/app"); err != nil || login.Password != "renewed" {
		t.Errorf("the old login in the next cycle: %v", err)
	}
}

// What may not be read is an error that tells the rule to add, and when that is
// there it is read.
func TestCredentialsOutOfReach(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	s := source(w)
	team := w.NewNamespace()
	w.Set("TEAM", team)
	w.Apply(`
apiVersion: v1
kind: Secret
metadata: {name: pull, namespace: "${TEAM}"}
stringData: {username: bot, password: s3cret}
`)
	pull := credential.Reference{Kind: credential.Secret, Namespace: team, Name: "pull"}

	if _, err := s.Registry(t.Context(), w.Namespace, pull); err == nil || !strings.Contains(err.Error(), `a Secret of namespace "`+team+`" may not be used here`) {
		t.Errorf("an Application of another namespace: %v", err)
	}
	_, err := s.Registry(t.Context(), team, pull)
	if want := `let a Role of namespace ` + team + ` grant "get" on "secrets" of apiGroup "" to the ServiceAccount that we run as`; !errors.Is(err, fault.ErrDenied) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("without the right: %v, want %s", err, want)
	}
	if want := `User "system:serviceaccount:` + w.Namespace + `:argocd-image-updater" cannot get resource "secrets"`; err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("without the right: %v, want to be told who we are: %s", err, want)
	}
	w.Apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: pull, namespace: "${TEAM}"}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: pull, namespace: "${TEAM}"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: pull}
subjects:
- {kind: ServiceAccount, name: argocd-image-updater, namespace: "${NAMESPACE}"}
`)
	w.Until("the right is there", func() error {
		s.Forget()
		_, err := s.Registry(t.Context(), team, pull)
		return err
	})
	gone := credential.Reference{Kind: credential.Secret, Namespace: team, Name: "gone"}
	if _, err := s.Registry(t.Context(), team, gone); !errors.Is(err, fault.ErrNotFound) || err.Error() != "credential "+gone.String()+": secret "+team+"/gone: not found: create it, or name another one" {
		t.Errorf("not there: %v", err)
	}
}
