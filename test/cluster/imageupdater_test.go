package cluster_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster"
)

const shops = `
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: fleet}
spec:
  commonUpdateSettings: {allowTags: 'regexp:^1\.'}
  applicationRefs:
  - namePattern: shop-*
    labelSelectors: {matchExpressions: [{key: app, operator: NotIn, values: [shop-left-out]}]}
    commonUpdateSettings: {ignoreTags: ['1.3.0']}
    images:
    - {alias: web, imageName: reg.example.com/team/web}
    - {alias: proxy, imageName: reg.example.com/team/proxy}
  - namePattern: shop-eu
    images:
    - {alias: web, imageName: reg.example.com/team/web, commonUpdateSettings: {allowTags: any}}
  - namePattern: annotated
    useAnnotations: true
  - namePattern: wiki
    images:
    - {alias: web, imageName: reg.example.com/team/web, commonUpdateSettings: {updateStrategy: newst-build}}
`

// An ImageUpdater chooses by names and labels, its settings override each other
// from the outside in, and its status says what became of each image.
func TestImageUpdaterFleet(t *testing.T) {
	t.Parallel()
	w := scene(t)
	w.Push("team/web:1.2.4", "team/web:2.0.0")
	w.Apply(shops, app("shop-eu"), app("shop-us"), app("shop-left-out"), app("annotated", followed, "web.allow-tags: regexp:^1.2"), app("wiki"), app("other"))
	once(w, 1)
	wantTags(w, map[string]string{"shop-eu": "2.0.0", "shop-us": "1.2.4", "shop-left-out": "1.2.3", "annotated": "1.2.4", "wiki": "1.2.3", "other": "1.2.3"})
	golden(w, "fleet.yaml", status(w, "fleet").Object["status"])
	var table metav1.Table
	if err := json.Unmarshal(getTable(t, w), &table); err != nil {
		t.Fatal(err)
	}
	cells := table.Rows[0].Cells // what kubectl get prints
	if got := fmt.Sprintf("%v %v %v %v", cells[0], cells[1], cells[2], cells[4]); got != "fleet 4 5 True" {
		t.Errorf("columns %s", got)
	}
	before := status(w, "fleet").GetResourceVersion()
	once(w, 1)
	if now := status(w, "fleet"); now.GetResourceVersion() != before {
		t.Errorf("a second process writes another status: %v", now.Object["status"])
	}
}

var times = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// golden compares a value with a file of testdata; UPDATE_GOLDEN=1 writes it.
func golden(w *cluster.World, name string, value any) {
	w.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		w.Fatal(err)
	}
	text = times.ReplaceAll(bytes.ReplaceAll(text, []byte(w.Namespace), []byte("argocd")), []byte("<time>"))
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			w.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		w.Errorf("%s: %s", name, diff)
	}
}

// Whatever somebody changes takes effect at once, though the next cycle over
// everything is an hour away.
func TestChangesTakeEffect(t *testing.T) {
	t.Parallel()
	w := scene(t)
	w.Apply(app("web"), app("other"), app("annotated", followed, "web.ignore-tags: '*'"), updaterOf("iu", "web"))
	p := serve(w, "--interval", "1h")
	untilUpdated(w, "web")
	p.Until("Processing results:")
	wantTags(w, map[string]string{"other": "1.2.3", "annotated": "1.2.3"})

	w.Apply(updaterOf("iu", "other"))
	untilUpdated(w, "other")
	untilNames(w, "iu", "other")

	w.Apply(app("annotated", followed))
	untilUpdated(w, "annotated")

	w.Apply(app("late", followed), updaterOf("second", "brand-*"), app("brand-new"))
	untilUpdated(w, "late")
	untilUpdated(w, "brand-new")
	untilNames(w, "second", "brand-new")
	if err := w.Client().Delete(t.Context(), w.Application("brand-new")); err != nil {
		t.Fatal(err)
	}
	untilNames(w, "second")

	// An Application that its ImageUpdater leaves falls back to its annotations.
	w.Apply(app("fallback", followed), strings.Replace(updaterOf("third", "fall*"), "alias: web", "alias: web, commonUpdateSettings: {ignoreTags: ['*']}", 1))
	untilNames(w, "third", "fallback")
	if err := w.Client().Delete(t.Context(), status(w, "third")); err != nil {
		t.Fatal(err)
	}
	untilUpdated(w, "fallback")
}

// untilNames waits until the status of an ImageUpdater tells of these
// Applications and no other.
func untilNames(w *cluster.World, name string, want ...string) {
	w.Helper()
	w.Until(fmt.Sprintf("ImageUpdater %s tells of %q", name, want), func() error {
		var told []struct{ Name string }
		if text := cluster.Field(status(w, name), "status.applications"); text != "" {
			if err := json.Unmarshal([]byte(text), &told); err != nil {
				return err
			}
		}
		var got []string
		for _, a := range told {
			got = append(got, a.Name)
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("it tells of %q", got)
		}
		return nil
	})
}

// A Secret and registries.conf are read anew for each cycle.
func TestCredentialsAreRenewed(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	install(w)
	w.Registry(itest.RegistryOptions{Username: "bot", Password: "second"})
	w.Push("team/web:1.2.3", "team/web:1.3.0")
	const login = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {username: bot, password: %s}\n"
	w.Apply(fmt.Sprintf(login, "first"), app("web", followed, "web.pull-secret: secret:${NAMESPACE}/login"))
	w.Apply(strings.ReplaceAll(app("moved", followed, "web.pull-secret: secret:${NAMESPACE}/login"), "reg.example.com", "other.example.com"))
	path := w.File("wrong.conf", "registries:\n- {name: r, prefix: reg.example.com, api_url: \"${REGISTRY_URL}\"}\n- {name: o, prefix: other.example.com, api_url: \"http://127.0.0.1:1\"}\n")
	p := w.Start("run", "--interval", "500ms", "--registries-conf-path", path, "--health-port", w.Port(), "--metrics-port", w.Port())
	wantText(t, p.Until("Could not update image"), "class=Transient")
	wantText(t, p.Until("application="+w.Namespace+"/web"), "class=Denied", w.Namespace+"/login")
	w.Apply(fmt.Sprintf(login, "second"))
	untilUpdated(w, "web")
	replaceFile(w, path, "registries: [nonsense")
	p.Until("the old one stays in force")
	replaceFile(w, path, "registries:\n- {name: r, prefix: reg.example.com, api_url: \"${REGISTRY_URL}\"}\n- {name: o, prefix: other.example.com, api_url: \"${REGISTRY_URL}\"}\n")
	untilUpdated(w, "moved")
}

// ImageUpdaters whose definition is installed while the updater runs are
// followed from then on.
func TestDefinitionInstalledLater(t *testing.T) {
	t.Parallel()
	suite := suite.Alone(t)
	w := suite.World(t)
	withoutDefinition(w)
	w.Registry(itest.RegistryOptions{})
	w.Push("team/web:1.2.3", "team/web:1.3.0")
	w.Apply(app("web"), app("annotated", followed))
	p := serve(w, "--interval", "1h")
	untilUpdated(w, "annotated")
	p.Until("install the CustomResourceDefinition imageupdaters.argocd-image-updater.argoproj.io to use them")
	w.Apply(shipped(t, "crd/argocd-image-updater.argoproj.io_imageupdaters.yaml"))
	w.Apply(updaterOf("iu", "web"))
	untilUpdated(w, "web")
	untilNames(w, "iu", "web")
}

// withoutDefinition installs all but the definition of ImageUpdaters.
func withoutDefinition(w *cluster.World) {
	w.Helper()
	for _, name := range []string{"serviceaccount.yaml", "role.yaml", "rolebinding.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "manifests", "base", name))
		if err != nil {
			w.Fatal(err)
		}
		w.Apply(string(text))
	}
	w.Apply(project("default", "sourceRepos: ['*']"))
}

// project is an AppProject that allows every destination.
func project(name, fields string) string {
	return fmt.Sprintf("apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: %s}\nspec: {destinations: [{server: '*', namespace: '*'}], %s}\n", name, fields)
}

// Of two ImageUpdaters that follow one image of an Application the older has
// it, and the other one says so. Annotations work beside them.
func TestTwoImageUpdaters(t *testing.T) {
	t.Parallel()
	w := scene(t)
	w.Push("team/web:2.0.0", "team/proxy:2.0.0", "team/proxy:2.1.0")
	w.Apply(
		app("web", followed, "web.allow-tags: regexp:^2"), app("annotated", followed),
		imageUpdater("a-older", "{applicationRefs: [{namePattern: w*, images: [{alias: web, imageName: 'reg.example.com/team/web:1.x'}]}]}"),
		imageUpdater("b-younger", "{applicationRefs: [{namePattern: web, images: [{alias: web, imageName: reg.example.com/team/web}, {alias: proxy, imageName: reg.example.com/team/proxy, commonUpdateSettings: {forceUpdate: true}, manifestTargets: {helm: {tag: proxy.tag}}}]}]}"),
	)
	once(w, 1)
	wantTags(w, map[string]string{"web": "1.3.0", "annotated": "2.0.0"})
	wantText(t, cluster.Field(w.Application("web"), "spec.source.helm.parameters"), `"name":"proxy.tag","value":"2.1.0"`)
	wantText(t, cluster.Field(status(w, "b-younger"), "status.applications"), `"class":"Conflict"`, `"state":"Failed"`, "the older imageupdater "+w.Namespace+"/a-older follows it", `"alias":"proxy"`, `"state":"Updated"`)
	wantText(t, cluster.Field(status(w, "a-older"), "status.applications"), `"state":"Updated"`, `"version":"1.3.0"`)
	if got := events(w, "Application"); !slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "web Warning UpdateConflict: ") }) {
		t.Errorf("events %q, want a Warning of the conflict", got)
	}
}

// An ImageUpdater that cannot be read is told so, and nobody else suffers.
func TestBrokenGlob(t *testing.T) {
	t.Parallel()
	w := scene(t)
	w.Apply(app("web"), app("annotated", followed), app("wiki"), updaterOf("good", "web"),
		imageUpdater("broken", "{applicationRefs: [{namePattern: 'blog-[', useAnnotations: true}, {namePattern: wiki, images: [{alias: web, imageName: reg.example.com/team/web}]}]}"))
	once(w, 1)
	wantTags(w, map[string]string{"web": "1.3.0", "annotated": "1.3.0", "wiki": "1.2.3"})
	golden(w, "broken-glob.yaml", status(w, "broken").Object["status"])
	once(w, 1) // another process, which has nothing new to tell
	got := events(w, "ImageUpdater")
	if len(got) != 1 || !strings.HasPrefix(got[0], "broken Warning InvalidSpec: imageupdater "+w.Namespace+`/broken: spec.applicationRefs[0].namePattern "blog-[": the glob does not parse`) {
		t.Errorf("events %q", got)
	}
	for _, c := range []string{"Ready True", "Stalled False", "Error False", "Reconciling False"} {
		if !slices.Contains(conditions(w, "good"), c) {
			t.Errorf("conditions %q, want %s", conditions(w, "good"), c)
		}
	}
	w.Apply(updaterOf("broken", "wiki"))
	once(w, 0)
	wantTags(w, map[string]string{"wiki": "1.3.0"})
	if got := conditions(w, "broken"); !slices.Contains(got, "Stalled False") || !slices.Contains(got, "Ready True") {
		t.Errorf("conditions after it was corrected: %q", got)
	}
}

// conditions are those of an ImageUpdater as "<type> <status>".
func conditions(w *cluster.World, name string) []string {
	w.Helper()
	var list []struct{ Type, Status string }
	if err := json.Unmarshal([]byte(cluster.Field(status(w, name), "status.conditions")), &list); err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, c := range list {
		out = append(out, c.Type+" "+c.Status)
	}
	return out
}

// What the incumbent has put its finalizer on can be deleted, by an updater
// that runs and by one that comes later.
func TestFinalizerOfTheIncumbent(t *testing.T) {
	t.Parallel()
	w := scene(t)
	marked := func(name string) string {
		return strings.Replace(updaterOf(name, "web"), "name: "+name, "name: "+name+", finalizers: [resources-finalizer.argocd-image-updater.argoproj.io]", 1)
	}
	w.Apply(app("web"), marked("before"), marked("stays"))
	if err := w.Client().Delete(t.Context(), status(w, "before")); err != nil {
		t.Fatal(err)
	}
	p := serve(w, "--interval", "1h")
	untilGone(w, "before")
	untilUpdated(w, "web")
	if got := cluster.Field(status(w, "stays"), "metadata.finalizers"); got != "" {
		t.Errorf("finalizers %s", got)
	}
	w.Apply(marked("later"))
	if err := w.Client().Delete(t.Context(), status(w, "later")); err != nil {
		t.Fatal(err)
	}
	untilGone(w, "later")
	p.Stop()
	if strings.Contains(p.Said(), "WARN") {
		t.Errorf("it warns:\n%s", p.Said())
	}
}

func untilGone(w *cluster.World, name string) {
	w.Helper()
	w.Until("ImageUpdater "+name+" is gone", func() error {
		object := status(w, "stays").DeepCopy()
		err := w.Client().Get(w.Context(), client.ObjectKey{Namespace: w.Namespace, Name: name}, object)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is there"), err)
	})
}
