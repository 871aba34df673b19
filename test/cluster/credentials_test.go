package cluster_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/credential/kube"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/test/cluster"
)

// source reads credentials as the ServiceAccount of manifests/base, next to
// Argo CD in the world's namespace.
func source(t *testing.T, w *cluster.World) *kube.Source {
	t.Helper()
	install(w)
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
	s := source(t, w)
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
	s := source(t, w)
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

const company = `
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default}
spec: {sourceRepos: ["*"]}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: guestbook
  annotations:
    argocd-image-updater.argoproj.io/image-list: app=registry.example.com/myorg/guestbook
    argocd-image-updater.argoproj.io/app.pull-secret: pullsecret:${NAMESPACE}/registry
    argocd-image-updater.argoproj.io/app.helm.image-tag: image.tag
    argocd-image-updater.argoproj.io/write-back-method: git
    argocd-image-updater.argoproj.io/write-back-target: helmvalues
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: guestbook}
  source: {repoURL: "${GIT_URL}/team/config.git", targetRevision: main, path: guestbook}
status:
  sourceType: Helm
  summary: {images: ["registry.example.com/myorg/guestbook:1.2.3"]}
---
apiVersion: v1
kind: Secret
metadata: {name: registry}
stringData: {.dockerconfigjson: '{"auths": {"registry.example.com": {"username": "bot", "password": "s3cret"}}}'}
`

const companyGit = `
apiVersion: v1
kind: Secret
metadata: {name: git, labels: {argocd.argoproj.io/secret-type: repo-creds}}
stringData: {url: "${GIT_URL}/team", username: deploy, password: h1dden}
`

// A registry and a Git server as companies run them, with passwords and
// certificates of an authority of their own: all that is needed is in the
// cluster, and what the machine has is not looked at.
func TestCredentialsOfACompany(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	install(w)
	registry := w.Registry(itest.RegistryOptions{TLS: true, Username: "bot", Password: "s3cret"})
	w.Push("myorg/guestbook:1.2.3", "myorg/guestbook:1.3.0")
	server := w.Git(itest.GitOptions{TLS: true, Username: "deploy", Password: "h1dden"})
	repo := w.Seed(server, "team/config", map[string]string{"guestbook/values.yaml": "image: {tag: 1.2.3}\n"})
	w.Apply(company)
	w.Env = []string{"GIT_USERNAME=deploy", "GIT_PASSWORD=h1dden"}
	args := []string{"run", "--once", "--registries-conf-path", w.File("registries.conf", `
registries:
- {name: tests, prefix: registry.example.com, api_url: "${REGISTRY_URL}"}
`)}
	runs := func(code int, texts ...string) {
		t.Helper()
		r := w.Run(args...)
		said := r.Stdout + r.Stderr
		if r.Code != code || strings.Contains(said, "s3cret") || strings.Contains(said, "h1dden") {
			t.Errorf("exit code %d\n%s", r.Code, said)
		}
		for _, text := range texts {
			if !strings.Contains(said, w.Expand(text)) {
				t.Errorf("want %s in\n%s", text, said)
			}
		}
	}

	runs(1, "certificate signed by unknown authority")
	certificates := &core.ConfigMap{
		ObjectMeta: meta.ObjectMeta{Namespace: w.Namespace, Name: "argocd-tls-certs-cm"},
		Data:       map[string]string{"127.0.0.1": string(registry.CA())},
	}
	if err := w.Client().Create(t.Context(), certificates); err != nil {
		t.Fatal(err)
	}
	runs(1, "put its authority into key 127.0.0.1 of ConfigMap ${NAMESPACE}/argocd-tls-certs-cm")
	certificates.Data["127.0.0.1"] += string(server.CA())
	if err := w.Client().Update(t.Context(), certificates); err != nil {
		t.Fatal(err)
	}
	runs(1, "(no credential was found for it)")
	w.Apply(companyGit)
	runs(0, "images_updated=1 errors=0")
	if got, err := repo.File("main", "guestbook/values.yaml"); err != nil || got != "image: {tag: 1.3.0}\n" {
		t.Errorf("values.yaml: %q, %v", got, err)
	}
}

// The manifests of docs/credentials.md do what stands there.
func TestCredentialsPage(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	team := w.NewNamespace()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "credentials.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("namespace: argocd", "namespace: "+w.Namespace, "namespace: team-a", "namespace: "+team)
	blocks := strings.Split(names.Replace(string(page)), "```yaml\n")[1:]
	for _, block := range blocks {
		if text, _, _ := strings.Cut(block, "```"); strings.HasPrefix(text, "apiVersion:") {
			w.Apply(text)
		}
	}
	s := source(t, w)
	for _, c := range []struct{ url, from string }{
		{"https://git.example.com/team/deploy", "deploy"}, {"git@git.example.com:team/deploy", "all-over-ssh"},
		{"https://git.example.com/other", "git-creds"}, {"https://git.example.com.evil.example/other", ""},
	} {
		login, err := s.Git(t.Context(), plan.Location{URL: c.url, Credential: credential.Reference{Kind: credential.RepoCreds}})
		if want := "secret " + w.Namespace + "/" + c.from; err != nil || login.From != want && (c.from != "" || login.From != "") {
			t.Errorf("%s: %s, %v; want %q", c.url, login, err, c.from)
		}
		if strings.HasPrefix(c.url, "git@") && !strings.HasPrefix(string(login.KnownHosts), "git.example.com ssh-ed25519 ") {
			t.Errorf("known hosts %q", login.KnownHosts)
		}
	}
	ghcr := credential.Reference{Kind: credential.PullSecret, Namespace: w.Namespace, Name: "ghcr"}
	if login, err := s.Registry(t.Context(), "", ghcr, "ghcr.io/org/app"); err != nil || login.Username != "bot" {
		t.Errorf("ghcr: %s, %v", login, err)
	}
	// The subject of the page's RoleBinding is the updater next to Argo CD.
	harbor := credential.Reference{Kind: credential.Secret, Namespace: team, Name: "harbor"}
	if login, err := s.Registry(t.Context(), team, harbor); err != nil || login.Username != "bot" {
		t.Errorf("harbor: %s, %v", login, err)
	}
	if _, err := s.Registry(t.Context(), team, credential.Reference{Kind: credential.Secret, Namespace: team, Name: "other"}); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("another Secret there: %v, want it denied", err)
	}
}
