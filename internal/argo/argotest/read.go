package argotest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
)

// known is an Application without what only some sources tell: version,
// identity, origin, and annotations of others.
func known(app argo.Application) argo.Application {
	app.ResourceVersion, app.UID, app.Origin = "", "", ""
	app.Annotations = maps.Clone(app.Annotations)
	maps.DeleteFunc(app.Annotations, func(key, _ string) bool { return !strings.HasPrefix(key, ours) })
	return app
}

func list(t *testing.T, s Source) []argo.Application {
	t.Helper()
	apps, err := s.List(contextOf(t))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(apps, func(a, b argo.Application) int { return a.Key.Compare(b.Key) })
	return apps
}

func keys(apps []argo.Application) []string {
	var names []string
	for _, app := range apps {
		names = append(names, app.Key.String())
	}
	return names
}

// reads: each Application comes out as it should be understood.
func reads(t *testing.T, w World) {
	if apps := list(t, w.Source); len(apps) > 0 {
		t.Errorf("of none there are %v", keys(apps))
	}
	var want []argo.Application
	for _, s := range samples() {
		w.Seed(t, s.manifest)
		want = append(want, s.want)
	}
	slices.SortFunc(want, func(a, b argo.Application) int { return a.Key.Compare(b.Key) })
	var got []argo.Application
	for _, app := range list(t, w.Source) {
		got = append(got, known(app))
	}
	// An absent list and an empty one, or map, mean the same.
	none := cmp.FilterValues(func(a, b any) bool { return empty(a) && empty(b) }, cmp.Ignore())
	if diff := cmp.Diff(want, got, none); diff != "" {
		t.Error(diff)
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case []string:
		return len(v) == 0
	case map[string]string:
		return len(v) == 0
	}
	return false
}

// readsAgain: a second List sees what changed after the first.
func readsAgain(t *testing.T, w World) {
	w.Seed(t, helmApplication("web", "1.0.0"))
	first := list(t, w.Source)
	w.Seed(t, helmApplication("web", "1.1.0"))
	w.Seed(t, helmApplication("api", "1.0.0"))
	second := list(t, w.Source)
	if diff := cmp.Diff([]string{"argocd/api", "argocd/web"}, keys(second)); diff != "" {
		t.Fatal(diff)
	}
	was, is := tag(first[0]), tag(second[1])
	if was != "1.0.0" || is != "1.1.0" {
		t.Errorf("the first List says %s, the second %s", was, is)
	}
	if first[0].ResourceVersion != "" && first[0].ResourceVersion == second[1].ResourceVersion {
		t.Errorf("two versions of one Application are both called %s", first[0].ResourceVersion)
	}
}

// malformed: one Application with a field of the wrong type is told by name and
// field, and the others are handed out.
func malformed(t *testing.T, w World) {
	w.Seed(t, helmApplication("web", "1.0.0"))
	w.Seed(t, `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: odd, namespace: argocd}
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: odd}
  source: {repoURL: https://git.example.com/apps.git, path: odd, helm: {parameters: 5}}
`)
	if diff := cmp.Diff([]string{"argocd/web"}, keys(list(t, w.Source))); diff != "" {
		t.Error(diff)
	}
	problems := w.Problems()
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "spec.source.helm.parameters: a number stands where a list belongs") {
		t.Errorf("the problems are %v", problems)
	}
	w.Seed(t, helmApplication("odd", "1.0.0"))
	if diff := cmp.Diff([]string{"argocd/odd", "argocd/web"}, keys(list(t, w.Source))); diff != "" {
		t.Error(diff)
	}
	if problems := w.Problems(); len(problems) > 0 {
		t.Errorf("what was corrected is still a problem: %v", problems)
	}
}

func projects(t *testing.T, w World) {
	for _, name := range []string{"default", "shop"} {
		w.Seed(t, fmt.Sprintf(`apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: %s, namespace: argocd}
spec: {sourceRepos: ["https://git.example.com/%s/*"], destinations: [{server: "*", namespace: "*"}]}
`, name, name))
	}
	for _, test := range []struct{ project, want string }{{"shop", "shop"}, {"default", "default"}, {"", "default"}} {
		app := argo.Application{Key: argo.Key{Namespace: Namespace, Name: "web"}, Project: test.project}
		got, err := w.Projects.Project(contextOf(t), app)
		if err != nil || got == nil || got.Key != (argo.Key{Namespace: Namespace, Name: test.want}) {
			t.Errorf("the project %q is %v, %v", test.project, got, err)
		}
	}
	app := argo.Application{Key: argo.Key{Namespace: Foreign, Name: "web"}, Project: "gone"}
	got, err := w.Projects.Project(contextOf(t), app)
	if got != nil || !errors.Is(err, fault.ErrNotFound) || !strings.Contains(err.Error(), "team/web") || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a project that is not there is %v, %v", got, err)
	}
}

// pages: a list that does not fit one page is whole.
func pages(t *testing.T, w World) {
	var want []string
	for i := range max(w.Server.Pages, 3) {
		name := fmt.Sprintf("web-%04d", i)
		w.Seed(t, helmApplication(name, "1.0.0"))
		want = append(want, Namespace+"/"+name)
	}
	if diff := cmp.Diff(want, keys(list(t, w.Source))); diff != "" {
		t.Error(diff)
	}
}

// readsOne: Get gives what List gives.
func readsOne(t *testing.T, w World) {
	for _, s := range samples() {
		w.Seed(t, s.manifest)
	}
	for _, want := range list(t, w.Source) {
		got, err := w.Server.Writer.Get(contextOf(t), want.Key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}
