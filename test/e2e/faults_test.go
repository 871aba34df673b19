package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"argocd-image-updater/internal/itest"
)

// faulty is a world with two Applications: one whose registry or repository
// comes to harm, and one with others of its own.
type faulty struct {
	registry, git   *itest.Front
	repo, otherRepo *itest.Repo
	args            []string
}

func newFaulty(t *testing.T, strategy string) faulty {
	t.Helper()
	dir := t.TempDir()
	var apps, conf strings.Builder
	conf.WriteString("registries:\n")
	f := faulty{}
	for _, name := range []string{"harmed", "well"} {
		reg, err := itest.StartRegistry(itest.RegistryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(reg.Close)
		for i, tag := range []string{"1.0.0", "1.1.0"} {
			img := itest.Image{Created: time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC), Platforms: []string{"linux/amd64", "linux/arm64"}}
			if _, err := (itest.Pusher{}).Push(t.Context(), strings.TrimPrefix(reg.URL(), "http://")+"/app:"+tag, img); err != nil {
				t.Fatal(err)
			}
		}
		server, err := itest.StartGit(itest.GitOptions{Root: filepath.Join(dir, name)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		repo, err := server.Init("deploy")
		if err != nil {
			t.Fatal(err)
		}
		if err := repo.Commit(itest.Commit{Files: map[string]string{"app/values.yaml": "tag: 1.0.0\n", "app/Chart.yaml": "name: app\n"}}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&conf, "- {name: %s, prefix: %s.example.com, api_url: %q}\n", name, name, reg.URL())
		fmt.Fprintf(&apps, faultyApp, name, name, strategy, server.URL("deploy"))
		if name == "harmed" {
			f.registry, f.git, f.repo = reg.Front, server.Front, repo
		} else {
			f.otherRepo = repo
		}
	}
	for file, text := range map[string]string{"apps.yaml": apps.String(), "registries.conf": conf.String()} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.args = []string{"run", "--once", "--applications", filepath.Join(dir, "apps.yaml"), "--registries-conf-path", filepath.Join(dir, "registries.conf")}
	return f
}

const faultyApp = `---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: %s
  annotations:
    argocd-image-updater.argoproj.io/image-list: app=%s.example.com/app
    argocd-image-updater.argoproj.io/update-strategy: %s
    argocd-image-updater.argoproj.io/force-update: "true"
    argocd-image-updater.argoproj.io/app.helm.image-tag: tag
    argocd-image-updater.argoproj.io/write-back-method: git
    argocd-image-updater.argoproj.io/write-back-target: helmvalues
spec:
  source: {repoURL: "%s", targetRevision: main, path: app}
`

// Whatever harm comes to one registry or one Git server: nothing is written to
// its repository, the reason is named, and the other Application is updated.
func TestNoFaultIsWritten(t *testing.T) {
	binary := buildUpdater(t)
	foreign := itest.LinkTo(`<http://127.0.0.1:1/v2/app/tags/list>; rel="next"`)
	type fault struct {
		server, kind string
		harm         itest.Harm
		strategy     string
		said         string // on either stream
		exit         int
	}
	faults := map[string]fault{
		"tags 401":          {"registry", itest.KindTags, itest.Status(401), "semver", "401", 1},
		"tags 403":          {"registry", itest.KindTags, itest.Status(403), "semver", "class=Denied", 1},
		"tags 404":          {"registry", itest.KindTags, itest.Status(404), "semver", "class=Invalid", 1},
		"tags 429":          {"registry", itest.KindTags, itest.Status(429, "Retry-After", "3600"), "semver", "429", 1},
		"tags 500":          {"registry", itest.KindTags, itest.Status(500), "semver", "class=Transient", 1},
		"half a page":       {"registry", itest.KindTags, itest.Truncate(), "semver", "class=Transient", 1},
		"a page cut off":    {"registry", itest.KindTags, itest.Cut(), "semver", "class=Transient", 1},
		"endless pages":     {"registry", itest.KindTags, itest.EndlessPages(), "semver", "class=Transient", 1},
		"a foreign link":    {"registry", itest.KindTags, foreign, "semver", "127.0.0.1:1", 1},
		"manifest gone":     {"registry", itest.KindManifest, gone, "newest-build", "Undecided", 0},
		"manifest 403":      {"registry", itest.KindManifest, itest.Status(403), "newest-build", "class=Denied", 1},
		"manifest 500":      {"registry", itest.KindManifest, itest.Status(500), "newest-build", "class=Transient", 1},
		"manifest cut":      {"registry", itest.KindManifest, itest.Truncate(), "newest-build", "class=Transient", 1},
		"wrong digest":      {"registry", itest.KindManifest, wrongBody, "newest-build", "class=Transient", 1},
		"config 500":        {"registry", itest.KindBlob, itest.Status(500), "newest-build", "class=Transient", 1},
		"config cut":        {"registry", itest.KindBlob, itest.Truncate(), "newest-build", "class=Transient", 1},
		"branches 401":      {"git", itest.KindUploadRefs, itest.Status(401), "semver", "class=Denied", 1},
		"branches 404":      {"git", itest.KindUploadRefs, itest.Status(404), "semver", "class=Invalid", 1},
		"branches 500":      {"git", itest.KindUploadRefs, itest.Status(500), "semver", "class=Transient", 1},
		"branches cut":      {"git", itest.KindUploadRefs, itest.Truncate(), "semver", "class=Transient", 1},
		"files 500":         {"git", itest.KindUploadPack, itest.Status(500), "semver", "class=Transient", 1},
		"files cut":         {"git", itest.KindUploadPack, itest.Truncate(), "semver", "class=Transient", 1},
		"push not allowed":  {"git", itest.KindReceiveRefs, itest.Status(403), "semver", "Failed to commit", 1},
		"push unavailable":  {"git", itest.KindReceiveRefs, itest.Status(503), "semver", "Failed to commit", 1},
		"push breaks early": {"git", itest.KindReceivePack, itest.Status(500), "semver", "Failed to commit", 1},
	}
	for name, c := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t, c.strategy)
			front := f.registry
			if c.server == "git" {
				front = f.git
			}
			front.Break(itest.Fault{Kind: c.kind, Harm: c.harm})
			out, err := exec.CommandContext(t.Context(), binary, f.args...).CombinedOutput()
			if code := exitCode(err); code != c.exit || !strings.Contains(string(out), c.said) {
				t.Errorf("exit code %d, want %d, and %q in\n%s", code, c.exit, c.said, out)
			}
			if log, err := f.repo.Log("main"); err != nil || len(log) != 1 {
				t.Errorf("written: %v, %v", log, err)
			}
			if branches, err := f.repo.Branches(); err != nil || len(branches) != 1 {
				t.Errorf("branches: %v, %v", branches, err)
			}
			if log, err := f.otherRepo.Log("main"); err != nil || len(log) != 2 {
				t.Errorf("the other application was not updated: %v, %v\n%s", log, err, out)
			}
		})
	}
}

// gone answers that a manifest does not exist, whatever way it is asked for.
func gone(http.Handler) http.Handler {
	return itest.Status(http.StatusNotFound)(nil)
}

// wrongBody answers with another body than the digest says.
func wrongBody(next http.Handler) http.Handler {
	return itest.Rewrite(func(_ http.Header, body []byte) []byte {
		return append(body, '\n')
	})(next)
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}
