package cluster_test

import (
	"os"
	"strings"
	"testing"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster"
)

// install is what a user applies, with the names of the world's servers.
func install(w *cluster.World) {
	w.Helper()
	text, err := os.ReadFile("../../manifests/install.yaml")
	if err != nil {
		w.Fatal(err)
	}
	w.Apply(string(text))
	w.Apply(`
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default}
spec: {sourceRepos: ["*"], destinations: [{server: "*", namespace: "*"}]}
`)
}

// conf is the registries.conf that leads to the world's registry.
func conf(w *cluster.World) string {
	return w.File("registries.conf", "registries:\n- {name: r, prefix: reg.example.com, api_url: \"${REGISTRY_URL}\"}\n")
}

const annotated = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: web
  annotations:
    argocd-image-updater.argoproj.io/image-list: web=reg.example.com/team/web
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: web}
  source:
    repoURL: https://git.example.com/team/config.git
    path: web
    helm:
      parameters:
      - {name: replicas, value: "3"}
      - {name: image.tag, value: 1.2.3, forceString: true}
status:
  sourceType: Helm
  summary: {images: ["reg.example.com/team/web:1.2.3"]}
`

// The default way: the parameters of the Application itself are patched, and
// nothing else of it.
func TestWritesTheApplicationItself(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	install(w)
	w.Registry(itest.RegistryOptions{})
	w.Push("team/web:1.2.3", "team/web:1.3.0", "team/web:2.0.0-rc1")
	w.Apply(annotated)
	r := w.Run("run", "--once", "--registries-conf-path", conf(w))
	if r.Code != 0 || !strings.Contains(r.Stdout, "Successfully updated image 'reg.example.com/team/web:1.2.3' to 'reg.example.com/team/web:1.3.0'") {
		t.Fatalf("code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	got := cluster.Field(w.Application("web"), "spec.source.helm.parameters")
	if want := `[{"name":"replicas","value":"3"},{"forceString":true,"name":"image.tag","value":"1.3.0"},{"forceString":true,"name":"image.name","value":"reg.example.com/team/web"}]`; got != want {
		t.Errorf("parameters %s, want %s", got, want)
	}
	t.Log(r.Stdout, r.Stderr)
}
