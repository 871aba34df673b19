package cluster_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
}

// Every kind of source keeps its images in a place of its own, and each
// Application is patched once, whatever else it holds.
func TestWritesEachKindOfSource(t *testing.T) {
	t.Parallel()
	w := scene(t)
	w.Push("team/proxy:2.0.0", "team/proxy:2.1.0")
	const repo = `repoURL: "https://git.example.com/team/config.git"`
	const both = "web=reg.example.com/team/web, proxy=reg.example.com/team/proxy"
	sources := []struct{ name, annotations, spec, status, changed string }{
		{
			"kustomize", `image-list: ` + both,
			`source: {` + repo + `, path: web, kustomize: {namePrefix: eu-, images: ["reg.example.com/team/proxy:2.0.0", "other:1", "reg.example.com/team/web:1.2.3"]}}`, `sourceType: Kustomize`,
			`"images":["reg.example.com/team/proxy:2.1.0","other:1","reg.example.com/team/web:1.3.0"]`,
		},
		{
			"plugin", "image-list: " + both + "\n    argocd-image-updater.argoproj.io/web.plugin.image-spec: WEB\n    argocd-image-updater.argoproj.io/proxy.plugin.image-tag: PROXY_TAG",
			`source: {` + repo + `, path: web, plugin: {name: mine, env: [{name: WEB, value: "reg.example.com/team/web:1.2.3"}, {name: OTHER, value: x}]}}`, `sourceType: Plugin`,
			`"env":[{"name":"WEB","value":"reg.example.com/team/web:1.3.0"},{"name":"OTHER","value":"x"},{"name":"PROXY_TAG","value":"2.1.0"}]`,
		},
		{
			"several", "image-list: " + both + "\n    argocd-image-updater.argoproj.io/web.helm.image-tag: web.tag\n    argocd-image-updater.argoproj.io/proxy.helm.image-tag: proxy.tag",
			`sources: [{` + repo + `, ref: values}, {repoURL: "https://charts.example.com", chart: web, targetRevision: 1.0.0, helm: {valueFiles: ["$values/x"], parameters: [{name: web.tag, value: 1.2.3}]}}]`,
			`sourceTypes: [Directory, Helm]`,
			`"parameters":[{"forceString":true,"name":"web.tag","value":"1.3.0"},{"forceString":true,"name":"proxy.tag","value":"2.1.0"}]`,
		},
		{
			"hydrated", "image-list: web=reg.example.com/team/web",
			`sourceHydrator: {drySource: {` + repo + `, path: web, targetRevision: main, helm: {parameters: [{name: image.tag, value: 1.2.3}]}}, syncSource: {targetBranch: env/prod, path: web}}`,
			`sourceType: Helm`,
			`"value":"1.3.0"`,
		},
	}
	before := map[string]map[string]any{}
	for _, s := range sources {
		manifest := fmt.Sprintf(`
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: %s
  labels: {theirs: kept}
  finalizers: [resources-finalizer.argocd.argoproj.io]
  annotations:
    argocd-image-updater.argoproj.io/%s
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: web}
  syncPolicy: {automated: {selfHeal: true}, ofTheFuture: [{deep: {number: 1.50, text: "yes"}}, null, 9007199254740993]}
  info: [{name: a, value: b}]
  %s
status: {%s, summary: {images: ["reg.example.com/team/web:1.2.3", "reg.example.com/team/proxy:2.0.0"]}}
`, s.name, s.annotations, s.spec, s.status)
		before[s.name] = w.Apply(manifest)[0].Object
	}
	heard := overhear(w)
	once(w, 0)
	want := []string{"PATCH applications/hydrated", "PATCH applications/kustomize", "PATCH applications/plugin", "PATCH applications/several"}
	if diff := cmp.Diff(want, slices.DeleteFunc(heard.writes(), func(s string) bool { return s == "POST events" })); diff != "" {
		t.Error("writes:", diff)
	}
	for _, s := range sources {
		now := w.Application(s.name)
		wantText(t, cluster.Field(now, "spec"), s.changed)
		if diff := cmp.Diff(frame(before[s.name]), frame(now.Object)); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
	}
	once(w, 0)
	if got := heard.writes(); len(got) > 0 {
		t.Errorf("a second cycle writes %q", got)
	}
}

// frame is an Application without what an update changes of it.
func frame(object map[string]any) map[string]any {
	o := (&unstructured.Unstructured{Object: object}).DeepCopy().Object
	for _, path := range []string{
		"metadata managedFields", "metadata resourceVersion", "metadata generation",
		"spec source kustomize images", "spec source plugin env", "spec sourceHydrator drySource helm parameters",
	} {
		unstructured.RemoveNestedField(o, strings.Fields(path)...)
	}
	if sources, ok, _ := unstructured.NestedSlice(o, "spec", "sources"); ok {
		unstructured.RemoveNestedField(sources[1].(map[string]any), "helm", "parameters")
		_ = unstructured.SetNestedSlice(o, sources, "spec", "sources")
	}
	return o
}

// A fleet at rest is not written to, however many cycles pass: no patch, no
// status, no event.
func TestRestWritesNothing(t *testing.T) {
	t.Parallel()
	w := scene(t)
	w.Apply(app("web", followed), app("governed"), app("held", followed, "web.update-strategy: nonsense"), updaterOf("iu", "governed"))
	heard := overhear(w)
	p := serve(w, "--interval", "300ms")
	p.Until("images_updated=2")
	p.Until("Processing results:")
	heard.writes()
	for range 4 { // each has told by then what the one before found
		p.Until("Processing results:")
	}
	if got := heard.writes(); len(got) > 0 {
		t.Errorf("cycles with nothing to do write %q", got)
	}
}
