package argotest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/itest"
)

func web() argo.Key { return argo.Key{Namespace: Namespace, Name: "web"} }

// seedWeb puts the Application web there and gives it as the adapter reads it.
func seedWeb(t *testing.T, w World) argo.Application {
	t.Helper()
	w.Seed(t, helmApplication("web", "1.0.0"))
	app, err := w.Server.Writer.Get(contextOf(t), web())
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// stored is an Application as it is stored, without what a server changes with
// each write.
func stored(t *testing.T, w World) map[string]any {
	t.Helper()
	raw := w.Server.Raw(t, web())
	metadata, ok := raw["metadata"].(map[string]any)
	if !ok {
		t.Fatalf("the Application is stored without metadata: %v", raw)
	}
	for _, field := range []string{"resourceVersion", "generation", "managedFields"} {
		delete(metadata, field)
	}
	return raw
}

// at is the value at a path of keys and indexes.
func at(object any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object = object.(map[string]any)[step]
		case int:
			object = object.([]any)[step]
		}
	}
	return object
}

// patches: what a patch names is written, and all else stays as it was.
func patches(t *testing.T, w World) {
	app := seedWeb(t, w)
	before := stored(t, w)
	helm := app.SourcePath(0) + "/helm"
	got, err := w.Server.Writer.Patch(contextOf(t), argo.Patch{App: app.Key, ResourceVersion: app.ResourceVersion, Ops: []argo.Op{
		{Op: "replace", Path: helm + "/parameters/0/value", Value: "1.1.0"},
		{Op: "add", Path: helm + "/parameters/0/forceString", Value: true},
		{Op: "add", Path: helm + "/parameters/-", Value: argo.HelmParameter{Name: "app.name", Value: "ghcr.io/org/app", ForceString: true}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	parameters := []any{
		map[string]any{"name": "app.tag", "value": "1.1.0", "forceString": true},
		map[string]any{"name": "other", "value": "keep"},
		map[string]any{"name": "app.name", "value": "ghcr.io/org/app", "forceString": true},
	}
	at(before, "spec", "source", "helm").(map[string]any)["parameters"] = parameters
	if diff := cmp.Diff(before, stored(t, w)); diff != "" {
		t.Error("besides the patch this changed:", diff)
	}
	again, err := w.Server.Writer.Get(contextOf(t), app.Key)
	if diff := cmp.Diff(again, got); diff != "" || err != nil {
		t.Error("Patch returns another Application than Get:", diff, err)
	}
	if got.ResourceVersion == app.ResourceVersion {
		t.Errorf("the patched Application is still version %s", got.ResourceVersion)
	}
	addsBlocks(t, w, got)
}

// addsBlocks: blocks that were not there are added whole, and the version that
// Patch returned is good for the next.
func addsBlocks(t *testing.T, w World, app argo.Application) {
	t.Helper()
	got, err := w.Server.Writer.Patch(contextOf(t), argo.Patch{App: app.Key, ResourceVersion: app.ResourceVersion, Ops: []argo.Op{
		{Op: "add", Path: app.SourcePath(0) + "/kustomize", Value: map[string]any{"images": []string{"ghcr.io/org/app:2"}}},
		{Op: "add", Path: app.SourcePath(0) + "/plugin", Value: map[string]any{"env": []argo.EnvVar{{Name: "TAG", Value: "2"}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := argo.Source{Kustomize: &argo.Kustomize{Images: []string{"ghcr.io/org/app:2"}}, Plugin: &argo.Plugin{Env: []argo.EnvVar{{Name: "TAG", Value: "2"}}}}
	now := argo.Source{Kustomize: got.Sources[0].Kustomize, Plugin: got.Sources[0].Plugin}
	if diff := cmp.Diff(want, now); diff != "" {
		t.Error(diff)
	}
}

// stale: a patch of a version that is no longer there changes nothing, whatever
// it would have done.
func stale(t *testing.T, w World) {
	app := seedWeb(t, w)
	w.Seed(t, helmApplication("web", "1.5.0"))
	before := stored(t, w)
	for _, op := range []argo.Op{
		{Op: "replace", Path: "/spec/source/helm/parameters/0/value", Value: "1.1.0"},
		{Op: "replace", Path: "/spec/source/helm/parameters/7/value", Value: "1.1.0"}, // gone since then
	} {
		_, err := w.Server.Writer.Patch(contextOf(t), argo.Patch{App: app.Key, ResourceVersion: app.ResourceVersion, Ops: []argo.Op{op}})
		if !errors.Is(err, fault.ErrLostRace) {
			t.Errorf("%s: %v", op.Path, err)
		}
	}
	if diff := cmp.Diff(before, stored(t, w)); diff != "" {
		t.Error("a stale patch changed something:", diff)
	}
}

// operations are all that an adapter does with one Application.
func operations(w World, app argo.Application) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error {
			_, err := w.Server.Writer.Get(ctx, app.Key)
			return err
		},
		"Patch": func(ctx context.Context) error {
			_, err := w.Server.Writer.Patch(ctx, argo.Patch{App: app.Key, ResourceVersion: app.ResourceVersion, Ops: []argo.Op{
				{Op: "replace", Path: "/spec/source/helm/parameters/0/value", Value: "1.1.0"},
			}})
			return err
		},
		"Refresh": func(ctx context.Context) error { return w.Server.Writer.Refresh(ctx, app.Key) },
	}
}

func missing(t *testing.T, w World) {
	gone := argo.Application{Key: argo.Key{Namespace: Namespace, Name: "gone"}, ResourceVersion: "1"}
	for name, do := range operations(w, gone) {
		if err := do(contextOf(t)); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
}

// refreshes: Argo CD is asked, and the Application is otherwise left alone.
func refreshes(t *testing.T, w World) {
	seedWeb(t, w)
	before := stored(t, w)
	if err := w.Server.Writer.Refresh(contextOf(t), web()); err != nil {
		t.Fatal(err)
	}
	if !w.Server.Refreshed(t, web()) {
		t.Error("Argo CD was not asked")
	}
	if diff := cmp.Diff(before["spec"], stored(t, w)["spec"]); diff != "" {
		t.Error(diff)
	}
}

// harm: each harm is an error of the right kind for every operation, nothing
// is written, and no half of a list is handed out.
func harm(t *testing.T, w World) {
	app := seedWeb(t, w)
	for i := range w.Server.Pages {
		w.Seed(t, helmApplication(fmt.Sprintf("more-%04d", i), "1.0.0"))
	}
	before := stored(t, w)
	html := itest.Rewrite(func(h http.Header, _ []byte) []byte {
		h.Set("Content-Type", "text/html")
		return []byte("<html><body>Please log in</body></html>")
	})
	tests := []struct {
		name  string
		harm  itest.Harm
		want  error
		reads bool // an answer to a write that was done is not believed either, but is done
	}{
		{"401", itest.Status(http.StatusUnauthorized), fault.ErrDenied, false},
		{"403", itest.Status(http.StatusForbidden), fault.ErrDenied, false},
		{"429", itest.Status(http.StatusTooManyRequests), fault.ErrUnavailable, false},
		{"500", itest.Status(http.StatusInternalServerError), fault.ErrUnavailable, false},
		{"503", itest.Status(http.StatusServiceUnavailable), fault.ErrUnavailable, false},
		{"a page to log in", html, fault.ErrUnavailable, true},
		{"half of the answer", itest.Truncate(), fault.ErrUnavailable, true},
		{"a connection that breaks", itest.Cut(), fault.ErrUnavailable, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			defer w.Server.Mend()
			for skip := range 2 {
				if skip > 0 && w.Server.Pages == 0 {
					break
				}
				w.Server.Mend()
				w.Server.Break(skip, test.harm)
				if apps, err := w.Source.List(contextOf(t)); !errors.Is(err, test.want) || len(apps) > 0 {
					t.Errorf("List after %d good pages: %d Applications, %v", skip, len(apps), err)
				}
			}
			for name, do := range operations(w, app) {
				if test.reads && name != "Get" {
					continue
				}
				if err := do(contextOf(t)); !errors.Is(err, test.want) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		if diff := cmp.Diff(before, stored(t, w)); diff != "" {
			t.Errorf("%s: something was written: %s", test.name, diff)
		}
	}
}
