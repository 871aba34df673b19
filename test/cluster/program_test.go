package cluster_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster"
)

// forced is an Application that needs no status.
const forced = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: guestbook
  annotations:
    argocd-image-updater.argoproj.io/image-list: app=registry.example.com/myorg/guestbook
    argocd-image-updater.argoproj.io/app.helm.image-tag: image.tag
    argocd-image-updater.argoproj.io/app.force-update: "true"
    argocd-image-updater.argoproj.io/write-back-method: git
    argocd-image-updater.argoproj.io/write-back-target: helmvalues
spec:
  source: {repoURL: "${GIT_URL}/team/config.git", targetRevision: main, path: guestbook}
`

// withServers is a world with an outdated chart, and the arguments of a program
// that reads it from a file.
func withServers(t *testing.T) (w *cluster.World, repo *itest.Repo, args []string) {
	t.Helper()
	w = suite.World(t)
	w.Apply(reader)
	w.ServiceAccount = "reader"
	w.Registry(itest.RegistryOptions{})
	w.Push("myorg/guestbook:1.2.3", "myorg/guestbook:1.3.0")
	repo = w.Seed(w.Git(itest.GitOptions{}), "team/config", map[string]string{"guestbook/values.yaml": "image: {tag: 1.2.3}\n"})
	conf := "registries:\n- {name: tests, prefix: registry.example.com, api_url: \"${REGISTRY_URL}\"}\n"
	args = []string{"run", "--applications", w.File("apps.yaml", forced), "--registries-conf-path", w.File("registries.conf", conf)}
	return w, repo, args
}

// The program runs to its end next to a registry and a Git server.
func TestRun(t *testing.T) {
	t.Parallel()
	w, repo, args := withServers(t)
	if r := w.Run(append(args, "--once")...); r.Code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if got, err := repo.File("main", "guestbook/values.yaml"); err != nil || got != "image: {tag: 1.3.0}\n" {
		t.Errorf("values.yaml: %q, %v", got, err)
	}
	if r := w.Run("run", "--once", "--applications", "missing.yaml"); r.Code != 1 || !strings.Contains(r.Stderr, "missing.yaml") {
		t.Errorf("exit code %d, want 1\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// The program runs until it is told to end, or until its machine loses power.
func TestStart(t *testing.T) {
	t.Parallel()
	w, repo, args := withServers(t)
	w.Env = []string{"IMAGE_UPDATER_INTERVAL=1h"}
	p := w.Start(args...)
	w.Until("the chart is updated", func() error {
		got, err := repo.File("main", "guestbook/values.yaml")
		if err == nil && got != "image: {tag: 1.3.0}\n" {
			err = errors.New(got)
		}
		return err
	})
	if line := p.Until("Processing results:"); !strings.Contains(line, "images_updated=1") {
		t.Error(line)
	}
	p.Stop()
	p = w.Start(args...)
	if line := p.Until("Processing results:"); !strings.Contains(line, "images_updated=0") {
		t.Error(line)
	}
	p.Kill()
	if log, err := repo.Log("main"); err != nil || len(log) != 2 {
		t.Errorf("commits: %q, %v, want the seed and one of the program", log, err)
	}
}

// recorder is a test that is told of failures and goes on.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// A program that ends without having been told to fails the test.
func TestUnexpectedEnd(t *testing.T) {
	t.Parallel()
	w, _, _ := withServers(t)
	told := &recorder{TB: t}
	w.TB = told
	for _, end := range []func(*cluster.Program){(*cluster.Program).Stop, (*cluster.Program).Kill} {
		p := w.Start("run", "--no-such-flag")
		<-p.Done()
		end(p)
	}
	if len(told.failures) != 2 || !strings.Contains(strings.Join(told.failures, "\n"), "exit status 2") {
		t.Errorf("told: %q, want two failures with the exit status", told.failures)
	}
}

// The program acts as its ServiceAccount: the kubeconfig that it is given names
// the namespace and lets it do what its Role says.
func TestKubeconfig(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	w.Apply(reader)
	text, err := os.ReadFile(w.KubeconfigOf("reader"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "namespace: "+w.Namespace) {
		t.Errorf("it names another namespace than %s:\n%s", w.Namespace, text)
	}
}
