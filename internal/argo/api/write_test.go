package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/itest/argoserver"
)

func webKey() argo.Key { return argo.Key{Namespace: "argocd", Name: "web"} }

// setTag is a patch of the one parameter of web.
func setTag(app argo.Application, tag string) argo.Patch {
	return argo.Patch{
		App: app.Key, ResourceVersion: app.ResourceVersion,
		Ops: []argo.Op{{Op: "add", Path: app.SourcePath(0) + "/helm/parameters/0/value", Value: tag}},
	}
}

// at walks down a JSON value.
func at(t *testing.T, raw json.RawMessage, path ...any) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	return v
}

func TestPatch(t *testing.T) {
	server, client := start(t, argoserver.Options{}, Options{})
	put(t, server, web)
	app, err := client.Get(t.Context(), webKey())
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Patch(t.Context(), setTag(app, "1.21"))
	if err != nil {
		t.Fatal(err)
	}
	app.Sources[0].Helm.Parameters[0].Value, app.ResourceVersion = "1.21", "2"
	if diff := cmp.Diff(app, got); diff != "" {
		t.Error(diff)
	}
	if phase := at(t, server.Application("argocd", "web"), "status", "operationState", "phase"); phase != "Succeeded" {
		t.Error("the status is", phase)
	}
	// The answer is good to patch on from.
	if _, err := client.Patch(t.Context(), setTag(got, "1.22")); err != nil {
		t.Error(err)
	}
	if tag := at(t, server.Application("argocd", "web"), "spec", "source", "helm", "parameters", 0, "value"); tag != "1.22" {
		t.Error("the tag is", tag)
	}
}

// Who was overtaken loses, and changes nothing.
func TestPatchLosesRace(t *testing.T) {
	server, client := start(t, argoserver.Options{}, Options{})
	put(t, server, web)
	app, err := client.Get(t.Context(), webKey())
	if err != nil {
		t.Fatal(err)
	}
	server.Break(itest.Fault{Kind: argoserver.KindPatch, Times: 1, Harm: itest.Before(func() {
		err := server.Edit("argocd", "web", func(object map[string]any) {
			object["spec"].(map[string]any)["source"] = map[string]any{"repoURL": "elsewhere"}
		})
		if err != nil {
			t.Error(err)
		}
	})})
	before := app.ResourceVersion
	_, err = client.Patch(t.Context(), setTag(app, "1.21"))
	if fact(err) != "lost race" || !strings.Contains(err.Error(), "version "+before+" is wanted and 2 is there") {
		t.Error(err)
	}
	if url := at(t, server.Application("argocd", "web"), "spec", "source", "repoURL"); url != "elsewhere" {
		t.Error("the edit of somebody else is lost:", url)
	}
}

func TestPatchRefused(t *testing.T) {
	tests := []struct {
		name   string
		policy string
		harm   itest.Harm
		change func(*argoserver.Server)
		ops    []argo.Op
		fact   string
		text   string
	}{
		{name: "may not update", policy: "p, image-updater, applications, get, */*, allow", fact: "denied", text: "403 permission denied: applications, update, shop/web, sub: image-updater: grant it in argocd-rbac-cm: p, role:image-updater, applications, update, */*, allow"},
		{name: "the result is invalid", harm: argoserver.Refuse(argoserver.InvalidArgument, "application spec for web is invalid"), fact: "refused", text: "patch application argocd/web at"},
		{name: "an accident", harm: argoserver.Refuse(argoserver.Unknown, "accident"), fact: "unavailable", text: "500 accident"},
		{name: "no answer", harm: itest.Cut(), fact: "unavailable", text: "breaks off"},
		{name: "deleted", change: func(s *argoserver.Server) { s.Delete("argocd", "web") }, fact: "not found", text: `404 applications.argoproj.io "web" not found: it was deleted`},
		{name: "no such place", ops: []argo.Op{{Op: "replace", Path: "/spec/sources/4/path", Value: "x"}}, fact: "unavailable", text: "500 error applying patch"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, client := start(t, argoserver.Options{Policy: test.policy}, Options{})
			put(t, server, web)
			apps, err := client.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if test.harm != nil {
				server.Break(itest.Fault{Kind: argoserver.KindPatch, Harm: test.harm})
			}
			if test.change != nil {
				test.change(server)
			}
			p := setTag(apps[0], "1.21")
			if test.ops != nil {
				p.Ops = test.ops
			}
			if _, err = client.Patch(t.Context(), p); fact(err) != test.fact || !strings.Contains(err.Error(), test.text) {
				t.Error(err)
			}
		})
	}
}

// Who may not get everything is told that an Application does not exist only if
// its project is known, which it is after a list.
func TestGetWhatIsNotThere(t *testing.T) {
	none := argo.Key{Namespace: "argocd", Name: "none"}
	for _, test := range []struct{ policy, fact, text string }{
		{argoserver.Policy, "not found", "get application argocd/none at 127.0.0.1"},
		{"p, image-updater, applications, get, shop/*, allow", "denied", "403 permission denied: it does not exist, or the account may not see it; grant it in argocd-rbac-cm: p, role:image-updater, applications, get, */*, allow"},
	} {
		server, client := start(t, argoserver.Options{Policy: test.policy}, Options{})
		put(t, server, web)
		if _, err := client.Get(t.Context(), none); fact(err) != test.fact || !strings.Contains(err.Error(), test.text) {
			t.Error(err)
		}
		if _, err := client.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Delete("argocd", "web")
		if _, err := client.Get(t.Context(), webKey()); fact(err) != "not found" || !strings.Contains(err.Error(), "404") {
			t.Error(err)
		}
	}
}

// An Application that moved to another project is not there any more for what
// was read before.
func TestGetWhatMoved(t *testing.T) {
	server, client := start(t, argoserver.Options{}, Options{})
	put(t, server, web)
	if _, err := client.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, server, strings.Replace(web, "project: shop", "project: other", 1))
	if _, err := client.Get(t.Context(), webKey()); fact(err) != "not found" || !strings.Contains(err.Error(), "moved to another project") {
		t.Error(err)
	}
}

func TestRefresh(t *testing.T) {
	server, client := start(t, argoserver.Options{}, Options{})
	put(t, server, web)
	if err := client.Refresh(t.Context(), webKey()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"argocd/web"}, server.Refreshed()); diff != "" {
		t.Error(diff)
	}
	if err := client.Refresh(t.Context(), argo.Key{Namespace: "argocd", Name: "none"}); fact(err) != "not found" {
		t.Error(err)
	}
}

// A refresh that takes long is not waited for; one that did not begin is an
// error.
func TestRefreshTakesLong(t *testing.T) {
	server, client := start(t, argoserver.Options{SlowRefresh: true}, Options{RefreshWait: 100 * time.Millisecond})
	put(t, server, web)
	if err := client.Refresh(t.Context(), webKey()); err != nil {
		t.Error(err)
	}
	if n := len(server.Refreshed()); n != 1 {
		t.Error("asked", n, "times")
	}
	put(t, server, web) // without the mark
	server.Break(itest.Fault{Kind: argoserver.KindRefresh, Harm: itest.Slow(time.Minute)})
	if err := client.Refresh(t.Context(), webKey()); fact(err) != "unavailable" {
		t.Error(err)
	}
}

func TestProject(t *testing.T) {
	server, client := start(t, argoserver.Options{}, Options{})
	put(t, server, web)
	apps, err := client.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Project(t.Context(), apps[0])
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	if _, ok := got.Permits("https://git.example.com/any/where"); !ok {
		t.Error("which repositories are permitted is left to Argo CD")
	}
	if reason, _, forbidden := got.Forbids(apps[0], noon); forbidden {
		t.Errorf("no windows forbid: %s", reason)
	}
	// Whether a window is active is what the server says: it knows the time zone.
	night := argoserver.Window{Kind: "deny", Schedule: "0 22 * * *", Duration: "8h", ManualSync: true}
	day := argoserver.Window{Kind: "deny", Schedule: "0 10 * * *", Duration: "8h"}
	for _, test := range []struct {
		active []argoserver.Window
		want   string
	}{
		{nil, ""},
		{[]argoserver.Window{night}, `project shop: spec.syncWindows[1], deny "0 22 * * *" for 8h, is active`},
	} {
		server.SetWindows("argocd", "web", argoserver.Windows{Assigned: []argoserver.Window{day, night, night}, Active: test.active})
		if got, err = client.Project(t.Context(), apps[0]); err != nil {
			t.Fatal(err)
		}
		if reason, _, _ := got.Forbids(apps[0], noon); reason != test.want {
			t.Errorf("the reason is %q, want %q", reason, test.want)
		}
	}
	server.Break(itest.Fault{Kind: argoserver.KindWindows, Harm: itest.Truncate()})
	if _, err = client.Project(t.Context(), apps[0]); fact(err) != "unavailable" {
		t.Error(err)
	}
}
