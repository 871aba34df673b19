package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/argotest"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/itest"
)

func world(s *server, c *Client) argotest.World {
	return argotest.World{
		Source:   c,
		Seed:     func(_ testing.TB, manifest string) { s.put(manifest) },
		Problems: c.Problems,
		Projects: c,
		Server: &argotest.Server{
			Writer: c,
			Raw:    func(_ testing.TB, key argo.Key) map[string]any { return s.get("applications", key) },
			Refreshed: func(_ testing.TB, key argo.Key) bool {
				return at(s.get("applications", key), "metadata", "annotations")["argocd.argoproj.io/refresh"] == "normal"
			},
			Break: func(skip int, harm itest.Harm) { s.set(func() { s.skip, s.harm = skip, harm }) },
			Mend:  func() { s.set(func() { s.skip, s.harm = 0, nil }) },
			Pages: pageSize + 1,
		},
	}
}

func TestConformance(t *testing.T) {
	argotest.Run(t, func(t *testing.T) argotest.World {
		s := startServer(t)
		return world(s, s.client(Options{}))
	})
}

func application(namespace, name string) string {
	return fmt.Sprintf(`apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: %s, namespace: %s, labels: {team: %s}, annotations: {argocd-image-updater.argoproj.io/image-list: nginx}}
spec: {project: default, source: {repoURL: https://git.example.com/apps.git, path: %s}}
status: {sourceType: Kustomize, summary: {images: ['nginx:1.0']}}
`, name, namespace, name, name)
}

func names(apps []argo.Application) []string {
	var names []string
	for _, app := range apps {
		names = append(names, app.Key.String())
	}
	return names
}

func listed(t *testing.T, c *Client) []string {
	t.Helper()
	apps, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return names(apps)
}

// What the options do not admit is not there, whether it is listed or watched.
func TestOptions(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		want []string
		asks []string // what List asks
	}{
		{"all", Options{}, []string{"argocd/api", "argocd/web", "shop/web", "team/web2"}, []string{"list applications "}},
		{"namespaces", Options{Namespaces: []string{"team", "shop", "team"}}, []string{"shop/web", "team/web2"}, []string{"list applications shop", "list applications team"}},
		{"names", Options{Names: []string{"web", "a?i"}}, []string{"argocd/api", "argocd/web", "shop/web"}, []string{"list applications "}},
		{"labels", Options{Labels: "team in (api, web2)"}, []string{"argocd/api", "team/web2"}, []string{"list applications "}},
		{"everything", Options{Namespaces: []string{"argocd", "team"}, Names: []string{"w*"}, Labels: "team!=web"}, []string{"team/web2"}, []string{"list applications argocd", "list applications team"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t)
			for _, key := range []argo.Key{{Namespace: "argocd", Name: "web"}, {Namespace: "team", Name: "web2"}, {Namespace: "argocd", Name: "api"}, {Namespace: "shop", Name: "web"}} {
				s.put(application(key.Namespace, key.Name))
			}
			c := s.client(test.o)
			if diff := cmp.Diff(test.want, listed(t, c)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.asks, s.asked); diff != "" {
				t.Error(diff)
			}
			follow(t, c)
			if diff := cmp.Diff(test.want, listed(t, c)); diff != "" {
				t.Error("watched:", diff)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for want, o := range map[string]Options{
		"the namespace of Argo CD is not known":         {},
		`application name "[": the glob does not parse`: {Namespace: "argocd", Names: []string{"ok", "["}},
		`label selector "a in b": `:                     {Namespace: "argocd", Labels: "a in b"},
	} {
		if _, err := New(startServer(t).connect(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// A page that grew too old between two requests does not spoil the list.
func TestListExpired(t *testing.T) {
	s := startServer(t)
	for i := range 2*pageSize + 1 {
		s.put(application("argocd", fmt.Sprintf("web-%04d", i)))
	}
	s.expire = 1
	if got := listed(t, s.client(Options{})); len(got) != 2*pageSize+1 {
		t.Errorf("%d Applications", len(got))
	}
	if n := s.count("list"); n != 3 {
		t.Errorf("%d requests", n)
	}
}

// A list whose pages never end is an error.
func TestListEndless(t *testing.T) {
	s := startServer(t)
	s.harm = itest.Rewrite(func(http.Header, []byte) []byte {
		return []byte(`{"metadata":{"resourceVersion":"1","continue":"more"},"items":[]}`)
	})
	apps, err := s.client(Options{}).List(t.Context())
	if !errors.Is(err, fault.ErrUnavailable) || len(apps) > 0 {
		t.Errorf("%d Applications, %v", len(apps), err)
	}
}

// JSON that is no list is not a list of none.
func TestListNoList(t *testing.T) {
	for _, body := range []string{`{}`, `[]`, `null`, `{"items":5}`, `{"items":[]}`, `{"metadata":{"resourceVersion":"1"}}`, `{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"}}`} {
		s := startServer(t)
		s.harm = itest.Rewrite(func(http.Header, []byte) []byte { return []byte(body) })
		if apps, err := s.client(Options{}).List(t.Context()); !errors.Is(err, fault.ErrUnavailable) {
			t.Errorf("%s: %v, %v", body, apps, err)
		}
	}
}

// If the server does not show all namespaces, Argo CD's own is what there is.
func TestAllNamespacesForbidden(t *testing.T) {
	s := startServer(t)
	s.put(application("argocd", "web"))
	s.put(application("team", "web"))
	s.everywhere = true
	c := s.client(Options{})
	for range 2 {
		if diff := cmp.Diff([]string{"argocd/web"}, listed(t, c)); diff != "" {
			t.Error(diff)
		}
	}
	want := []string{"applications are looked at in namespace argocd alone: we may not list and watch those of all namespaces; grant it in a ClusterRole and start anew, or name the namespaces"}
	if diff := cmp.Diff(want, c.Notices()); diff != "" {
		t.Error(diff)
	}
	follow(t, c)
	if diff := cmp.Diff([]string{"argocd/web"}, listed(t, c)); diff != "" {
		t.Error(diff)
	}
	if n := s.count("list applications "); n != 3 {
		t.Errorf("all namespaces were tried again: %v", s.asked)
	}
}

func TestDenied(t *testing.T) {
	s := startServer(t)
	s.forbidden = []string{"list applications", "patch applications argocd", "list appprojects"}
	c := s.client(Options{Namespaces: []string{"team"}})
	_, err := c.List(t.Context())
	wantError(t, err, fault.ErrDenied, `list applications.argoproj.io in namespace team: denied: applications.argoproj.io is forbidden: User "system:serviceaccount:updater:argocd-image-updater" cannot list`,
		`let a Role of namespace team grant "list" on "applications" of apiGroup "argoproj.io" to the ServiceAccount that we run as`)
	err = c.Refresh(t.Context(), argo.Key{Namespace: "argocd", Name: "web"})
	wantError(t, err, fault.ErrDenied, "patch applications.argoproj.io argocd/web: denied", `let a Role of namespace argocd grant "patch"`)
	_, err = c.Project(t.Context(), argo.Application{Key: argo.Key{Namespace: "team", Name: "web"}})
	wantError(t, err, fault.ErrDenied, "application team/web: project default: list appprojects.argoproj.io in namespace argocd: denied")
}

func wantError(t *testing.T, err, fact error, texts ...string) {
	t.Helper()
	if !errors.Is(err, fact) {
		t.Errorf("%v is not %v", err, fact)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v does not say %s", err, text)
		}
	}
}

// One of several namespaces that is forbidden does not hide the others.
func TestSomeNamespacesDenied(t *testing.T) {
	s := startServer(t)
	s.put(application("shop", "web"))
	s.put(application("team", "web"))
	s.forbidden = []string{"list applications team", "watch applications team"}
	c := s.client(Options{Namespaces: []string{"shop", "team"}})
	check := func(how string) {
		t.Helper()
		if diff := cmp.Diff([]string{"shop/web"}, listed(t, c)); diff != "" {
			t.Error(how, diff)
		}
		if problems := c.Problems(); len(problems) != 1 || !errors.Is(problems[0], fault.ErrDenied) || !strings.Contains(problems[0].Error(), "applications.argoproj.io in namespace team: denied") {
			t.Error(how, problems)
		}
	}
	check("listed")
	follow(t, c)
	eventually(t, "refused", func() bool { return len(c.Problems()) > 0 })
	s.set(func() { s.asked = nil })
	check("watched")
	if n := s.count("list applications shop"); n > 0 {
		t.Errorf("what is in memory was asked for %d times", n)
	}
}

func TestApplicationsNotInstalled(t *testing.T) {
	s := startServer(t)
	s.unknown = []string{"applications"}
	_, err := s.client(Options{}).List(t.Context())
	wantError(t, err, fault.ErrNotFound, "list applications.argoproj.io in all namespaces: not found: the API server knows no applications of argoproj.io/v1alpha1: install its CustomResourceDefinition applications.argoproj.io")
}

func TestNobodyListens(t *testing.T) {
	s := startServer(t)
	c := s.client(Options{})
	s.http.Close()
	_, err := c.List(t.Context())
	wantError(t, err, fault.ErrUnavailable, "list applications.argoproj.io in all namespaces", "connection refused")
}

// A server that is too busy is asked again when it says, and not for ever.
func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name  string
		times int
		after string
		want  error
		asks  int
	}{
		{"once", 1, "1", nil, 2},
		{"for ever", 100, "1", fault.ErrUnavailable, 3},
		{"for an hour", 100, "3600", fault.ErrUnavailable, 1},
		{"without a time", 100, "", fault.ErrUnavailable, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			asks := 0
			s.harm = func(next http.Handler) http.Handler {
				asks++
				if asks > test.times {
					return next
				}
				return itest.Status(http.StatusTooManyRequests, "Retry-After", test.after)(next)
			}
			_, err := s.client(Options{}).List(t.Context())
			if !errors.Is(err, test.want) || asks != test.asks {
				t.Errorf("%d requests, %v", asks, err)
			}
		})
	}
}

// A redirect is followed nowhere: the token would go with it.
func TestRedirect(t *testing.T) {
	s, other := startServer(t), startServer(t)
	s.harm = func(http.Handler) http.Handler { return http.RedirectHandler(other.http.URL+"/apis", http.StatusFound) }
	other.harm = itest.Before(func() { t.Error("the redirect was followed") })
	_, err := s.client(Options{}).List(t.Context())
	wantError(t, err, fault.ErrUnavailable)
}

// The AppProjects are read once for all Applications, and anew after a List.
func TestProjectsOnce(t *testing.T) {
	s := startServer(t)
	c := s.client(Options{})
	s.put("{kind: AppProject, metadata: {name: default, namespace: argocd}, spec: {sourceRepos: ['*']}}")
	s.put("{kind: AppProject, metadata: {name: odd, namespace: argocd}, spec: {syncWindows: 5}}")
	s.put("{kind: AppProject, metadata: {name: other, namespace: team}, spec: {}}")
	for range 3 {
		if _, err := c.Project(t.Context(), argo.Application{}); err != nil {
			t.Error(err)
		}
		if _, err := c.Project(t.Context(), argo.Application{Project: "other"}); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("a project of another namespace: %v", err)
		}
		if _, err := c.Project(t.Context(), argo.Application{Project: "odd"}); err == nil || !strings.Contains(err.Error(), "syncWindows") {
			t.Errorf("a malformed project: %v", err)
		}
	}
	if n := s.count("list appprojects argocd"); n != 1 {
		t.Errorf("%d requests", n)
	}
	s.remove("appprojects", argo.Key{Namespace: "argocd", Name: "default"})
	listed(t, c)
	if _, err := c.Project(t.Context(), argo.Application{}); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("a project that was deleted: %v", err)
	}
	if n := s.count("list appprojects argocd"); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// An event is written as the incumbent writes it.
func TestEvent(t *testing.T) {
	s := startServer(t)
	c := s.client(Options{Clock: func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC) }})
	err := c.Event(t.Context(), Event{
		Of:          Reference{APIVersion: "argoproj.io/v1alpha1", Kind: "Application", Key: argo.Key{Namespace: "team", Name: "web"}, UID: "u", ResourceVersion: "7"},
		Severity:    Normal,
		Reason:      "ImagesUpdated",
		Message:     "Successfully updated application 'web'",
		Annotations: map[string]string{"argocd-image-updater.image-0/new-tag": "1.1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := s.get("events", argo.Key{Namespace: "team", Name: "web.18ea5c38afec8005"})
	for _, field := range []string{"resourceVersion", "uid", "generation", "managedFields"} {
		delete(at(got, "metadata"), field)
	}
	want := raw{
		"apiVersion":     "v1",
		"kind":           "Event",
		"metadata":       raw{"namespace": "team", "name": "web.18ea5c38afec8005", "annotations": raw{"argocd-image-updater.image-0/new-tag": "1.1"}},
		"involvedObject": raw{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "namespace": "team", "name": "web", "uid": "u", "resourceVersion": "7"},
		"source":         raw{"component": "ArgocdImageUpdater"},
		"type":           "Normal",
		"reason":         "ImagesUpdated",
		"message":        "Successfully updated application 'web'",
		"firstTimestamp": "2026-11-22T12:00:00Z",
		"lastTimestamp":  "2026-11-22T12:00:00Z",
		"count":          1.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff, s.objects["events"])
	}
}

// The longest name leaves room for the time.
func TestEventLongName(t *testing.T) {
	s := startServer(t)
	name := strings.Repeat("a", 235) + strings.Repeat(".b", 9)
	err := s.client(Options{}).Event(t.Context(), Event{Of: Reference{Key: argo.Key{Namespace: "team", Name: name}}, Severity: Warning})
	if err != nil {
		t.Fatal(err)
	}
	for key := range s.objects["events"] {
		head, _, _ := strings.Cut(key.Name, ".")
		if len(key.Name) > 253 || strings.Contains(key.Name, "..") || head != strings.Repeat("a", 235) {
			t.Error(key)
		}
	}
}

func TestImageUpdaters(t *testing.T) {
	s := startServer(t)
	s.unknown = []string{"imageupdaters"}
	c := s.client(Options{})
	updaters := func() []string {
		t.Helper()
		found, err := c.ImageUpdaters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, u := range found {
			if len(u.ManagedFields) > 0 || u.Generation == 0 {
				t.Errorf("%s: managed fields %v, generation %d", u.Name, u.ManagedFields, u.Generation)
			}
			names = append(names, u.Namespace+"/"+u.Name+" "+u.Spec.ApplicationRefs[0].NamePattern)
		}
		return names
	}
	if got := updaters(); len(got) > 0 {
		t.Error(got)
	}
	want := []string{"imageupdaters are not looked at: the API server does not know them; install the CustomResourceDefinition imageupdaters.argocd-image-updater.argoproj.io to use them"}
	if diff := cmp.Diff(want, c.Notices()); diff != "" {
		t.Error(diff)
	}
	s.unknown = nil
	s.put(imageUpdater("team", "b", "web-*"))
	s.put(imageUpdater("argocd", "a", "*"))
	s.put("{kind: ImageUpdater, metadata: {name: odd, namespace: team}, spec: {applicationRefs: 5}}")
	if diff := cmp.Diff([]string{"argocd/a *", "team/b web-*"}, updaters()); diff != "" {
		t.Error(diff)
	}
	problems := c.Problems()
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "imageupdater team/odd: spec.applicationRefs") || len(c.Notices()) > 0 {
		t.Error(problems, c.Notices())
	}
}

func imageUpdater(namespace, name, pattern string) string {
	return fmt.Sprintf("{apiVersion: argocd-image-updater.argoproj.io/v1alpha1, kind: ImageUpdater, metadata: {name: %s, namespace: %s}, spec: {applicationRefs: [{namePattern: %q}]}}", name, namespace, pattern)
}

// A status is replaced as a whole, and nothing else.
func TestWriteStatus(t *testing.T) {
	s := startServer(t)
	c := s.client(Options{})
	s.put(imageUpdater("team", "b", "*"))
	key := argo.Key{Namespace: "team", Name: "b"}
	spec := s.get("imageupdaters", key)["spec"]
	found, err := c.ImageUpdaters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u := found[0]
	for _, status := range []raw{
		{"observedGeneration": 4.0, "applicationsMatched": 2.0, "imagesManaged": 3.0, "applicationsOmitted": 7.0},
		{"observedGeneration": 5.0, "applicationsMatched": 1.0, "imagesManaged": 1.0}, // what was omitted is no longer
	} {
		u.Status.ObservedGeneration = int64(status["observedGeneration"].(float64))
		u.Status.ApplicationsMatched = int32(status["applicationsMatched"].(float64))
		u.Status.ImagesManaged = int32(status["imagesManaged"].(float64))
		omitted, _ := status["applicationsOmitted"].(float64)
		u.Status.ApplicationsOmitted = int32(omitted)
		u.Spec.ApplicationRefs[0].NamePattern = "not written"
		if err := c.WriteStatus(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		got := s.get("imageupdaters", key)
		if diff := cmp.Diff(status, got["status"]); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(spec, got["spec"]); diff != "" {
			t.Error(diff)
		}
	}
	if n := s.count(""); n != 3 {
		t.Errorf("%d requests: %v", n, s.asked)
	}
	s.remove("imageupdaters", key)
	if err := c.WriteStatus(t.Context(), u); !errors.Is(err, fault.ErrNotFound) {
		t.Error(err)
	}
}

// The finalizer of the incumbent is taken off, and no other, and only from what
// was read.
func TestRelease(t *testing.T) {
	s := startServer(t)
	c := s.client(Options{})
	key := argo.Key{Namespace: "team", Name: "b"}
	put := func(finalizers string) v1alpha1.ImageUpdater {
		s.put(strings.Replace(imageUpdater("team", "b", "*"), "namespace: team", "namespace: team, finalizers: ["+finalizers+"]", 1))
		found, err := c.ImageUpdaters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return found[0]
	}
	if err := c.Release(t.Context(), put("example.com/theirs")); err != nil || s.count("patch") != 0 {
		t.Errorf("%d patches of an object without our finalizer: %v", s.count("patch"), err)
	}
	u := put("example.com/theirs, " + v1alpha1.Finalizer + ", example.com/last")
	if err := c.Release(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if got, want := text(at(s.get("imageupdaters", key), "metadata")["finalizers"]), `["example.com/theirs","example.com/last"]`; got != want {
		t.Errorf("finalizers %s, want %s", got, want)
	}
	wantError(t, c.Release(t.Context(), u), fault.ErrRefused, "patch imageupdaters.argocd-image-updater.argoproj.io team/b: refused", "test failed")
	s.remove("imageupdaters", key)
	if err := c.Release(t.Context(), u); err != nil {
		t.Errorf("the object is gone: %v", err)
	}
}

// What the server does not want is refused, and tells why.
func TestPatchRefused(t *testing.T) {
	s := startServer(t)
	s.put(application("argocd", "web"))
	c := s.client(Options{})
	app, err := c.Get(t.Context(), argo.Key{Namespace: "argocd", Name: "web"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Patch(t.Context(), argo.Patch{App: app.Key, ResourceVersion: app.ResourceVersion, Ops: []argo.Op{{Op: "replace", Path: "/spec/source/helm/parameters/0", Value: 1}}})
	wantError(t, err, fault.ErrRefused, "patch applications.argoproj.io argocd/web: refused", "missing path")
}

// A question that was given up is no fault of the server.
func TestGivenUp(t *testing.T) {
	s := startServer(t)
	c := s.client(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.List(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.put("{kind: AppProject, metadata: {name: default, namespace: argocd}, spec: {}}")
	if _, err := c.Project(ctx, argo.Application{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := c.Project(t.Context(), argo.Application{}); err != nil {
		t.Error("the next question suffers from it:", err)
	}
}

// follow starts a watch that ends with the test, and waits until it is synced.
func follow(t *testing.T, c *Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Watch(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ends with %v", err)
		}
	})
	eventually(t, "synced", c.Synced)
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 1000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never %s", what)
}
