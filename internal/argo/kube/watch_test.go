package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/argotest"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/itest"
)

// diary keeps the changes that a Client tells.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) add(c Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, c.Resource+" "+c.Key.String())
}

// read gives the entries since the last time, sorted and each once.
func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	entries := slices.Compact(slices.Sorted(slices.Values(d.entries)))
	d.entries = nil
	return entries
}

// A watched source stands the suite as well: what is in memory catches up.
func TestWatchConformance(t *testing.T) {
	s := startServer(t)
	c := s.client(Options{})
	w := world(s, c)
	follow(t, c)
	w.Source = patient{t: t, server: s, client: c}
	seed := w.Seed
	argotest.Run(t, func(*testing.T) argotest.World {
		w.Server, w.Projects = nil, nil // which do not go through memory, or are taken from it for a while
		w.Seed = seed
		for _, key := range keysOf(s) {
			s.remove("applications", key)
		}
		return w
	})
}

func keysOf(s *server) []argo.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []argo.Key
	for key := range s.objects["applications"] {
		keys = append(keys, key)
	}
	return keys
}

// patient lists when memory has caught up with the server.
type patient struct {
	t      *testing.T
	server *server
	client *Client
}

// List lists.
func (p patient) List(ctx context.Context) ([]argo.Application, error) {
	eventually(p.t, "up to date", func() bool {
		kept, ok := p.client.applications.kept()
		p.server.mu.Lock()
		defer p.server.mu.Unlock()
		stored := p.server.objects["applications"]
		return ok && len(kept) == len(stored) && !slices.ContainsFunc(kept, func(o *object[argo.Application]) bool {
			return at(stored[o.key()], "metadata")["resourceVersion"] != o.ResourceVersion
		})
	})
	return p.client.List(ctx)
}

// What we act on is told when it changes; a new version alone is not.
func TestWatchTellsChanges(t *testing.T) {
	s := startServer(t)
	for _, name := range []string{"api", "web"} {
		s.put(application("argocd", name))
	}
	s.put("{kind: AppProject, metadata: {name: default, namespace: argocd}, spec: {sourceRepos: ['*']}}")
	s.put(imageUpdater("team", "b", "*"))
	var d diary
	c := s.client(Options{OnChange: d.add, Names: []string{"api", "web", "new"}})
	follow(t, c)
	if told := d.read(); len(told) > 0 {
		t.Errorf("the beginning is told: %v", told)
	}
	web := func(old, now string) string { return strings.Replace(application("argocd", "web"), old, now, 1) }
	tests := []struct {
		name string
		do   func()
		want []string
	}{
		{"new", func() { s.put(application("argocd", "new")) }, []string{"applications argocd/new"}},
		{"deleted", func() { s.remove("applications", argo.Key{Namespace: "argocd", Name: "new"}) }, []string{"applications argocd/new"}},
		{"not chosen", func() { s.put(application("argocd", "other")) }, nil},
		{"an annotation", func() { s.put(web("nginx}", "redis}")) }, []string{"applications argocd/web"}},
		{"an annotation of others", func() { s.put(web("nginx}", "redis, other: '1'}")) }, nil},
		{"the same again", func() { s.put(web("nginx}", "redis, other: '1'}")) }, nil},
		{"status churn", func() {
			s.put(web("nginx}", "redis}") + "operation: {sync: {}}\n")
			s.put(strings.Replace(web("nginx}", "redis}"), "status: {", "status: {health: {status: Degraded}, ", 1))
		}, nil},
		{"images", func() { s.put(web("1.0'", "1.1'")) }, []string{"applications argocd/web"}},
		{"labels", func() { s.put(web("team: web", "team: shop")) }, []string{"applications argocd/web"}},
		{"spec", func() { s.put(web("path: web", "path: shop")) }, []string{"applications argocd/web"}},
		{"a project", func() {
			s.put("{kind: AppProject, metadata: {name: default, namespace: argocd}, spec: {sourceRepos: ['x']}}")
		}, []string{"appprojects argocd/default"}},
		{"the status of an ImageUpdater", func() {
			s.put(strings.TrimSuffix(imageUpdater("team", "b", "*"), "}") + ", status: {imagesManaged: 1}}")
		}, nil},
		{"the spec of an ImageUpdater", func() { s.put(imageUpdater("team", "b", "web")) }, []string{"imageupdaters team/b"}},
	}
	marks := 0
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.do()
			// Each kind tells in order, so what comes after these has been told.
			marks++
			s.put(strings.Replace(application("argocd", "api"), "path: api", fmt.Sprintf("path: mark%d", marks), 1))
			s.put(fmt.Sprintf("{kind: AppProject, metadata: {name: mark, namespace: argocd}, spec: {sourceRepos: ['%d']}}", marks))
			s.put(imageUpdater("argocd", "mark", fmt.Sprint(marks)))
			told := map[string]bool{}
			eventually(t, "told", func() bool {
				for _, entry := range d.read() {
					told[entry] = true
				}
				return told["applications argocd/api"] && told["appprojects argocd/mark"] && told["imageupdaters argocd/mark"]
			})
			var got []string
			for entry := range told {
				if !strings.HasSuffix(entry, "mark") && entry != "applications argocd/api" {
					got = append(got, entry)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A List is answered from memory, and from there alone.
func TestWatchAsksOnce(t *testing.T) {
	for _, streams := range []bool{true, false} {
		t.Run(fmt.Sprintf("streams %v", streams), func(t *testing.T) {
			s := startServer(t)
			s.streams = streams
			for i := range 3 {
				s.put(application("argocd", fmt.Sprint("web-", i)))
			}
			c := s.client(Options{})
			if c.Synced() {
				t.Error("synced before it began")
			}
			follow(t, c)
			eventually(t, "watching", func() bool { return s.count("watch") >= 3 })
			s.set(func() { s.asked = nil })
			for range 5 {
				if diff := cmp.Diff([]string{"argocd/web-0", "argocd/web-1", "argocd/web-2"}, listed(t, c)); diff != "" {
					t.Error(diff)
				}
				if _, err := c.Project(t.Context(), argo.Application{}); !errors.Is(err, fault.ErrNotFound) {
					t.Error(err)
				}
				if _, err := c.ImageUpdaters(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if n := s.count("list") + s.count("get"); n > 0 {
				t.Errorf("%d requests: %v", n, s.asked)
			}
		})
	}
}

// Several namespaces are watched each for itself.
func TestWatchNamespaces(t *testing.T) {
	s := startServer(t)
	c := s.client(Options{Namespaces: []string{"b", "a"}})
	follow(t, c)
	s.put(application("a", "web"))
	s.put(application("b", "web"))
	s.put(application("c", "web"))
	eventually(t, "told", func() bool { return slices.Equal(listed(t, c), []string{"a/web", "b/web"}) })
	if s.count("watch applications a") != 1 || s.count("watch applications b") != 1 || s.count("watch applications") != 2 {
		t.Error(s.asked)
	}
}

// What happened while a watch was away is found out, also if the server does
// not remember it.
func TestWatchForgotten(t *testing.T) {
	s := startServer(t)
	s.put(application("argocd", "stays"))
	s.put(application("argocd", "goes"))
	var d diary
	c := s.client(Options{OnChange: d.add})
	follow(t, c)
	s.set(func() { s.harm = itest.Status(http.StatusInternalServerError) })
	s.http.CloseClientConnections()
	eventually(t, "told", func() bool { return len(c.Problems()) == 3 })
	ours := func(err error) bool {
		return strings.Contains(err.Error(), " applications.argoproj.io in all namespaces: unavailable: ")
	}
	if problems := c.Problems(); !slices.ContainsFunc(problems, ours) {
		t.Error(problems)
	}
	if diff := cmp.Diff([]string{"argocd/goes", "argocd/stays"}, listed(t, c)); diff != "" {
		t.Error("memory is still good:", diff)
	}
	s.put(application("argocd", "comes"))
	s.remove("applications", argo.Key{Namespace: "argocd", Name: "goes"})
	s.forget()
	s.set(func() { s.harm = nil })
	eventually(t, "caught up", func() bool {
		return slices.Equal(listed(t, c), []string{"argocd/comes", "argocd/stays"}) && len(c.Problems()) == 0
	})
	if diff := cmp.Diff([]string{"applications argocd/comes", "applications argocd/goes"}, d.read()); diff != "" {
		t.Error(diff)
	}
}

// An event that does not parse ends that watch, and another begins.
func TestWatchGarbage(t *testing.T) {
	for _, garbage := range []string{"<html>", `{"type":"ADDED"}`, `{"object":{}}`, `{"type":"STRANGE","object":{}}`, `{"type":5}`} {
		s := startServer(t)
		s.put(application("argocd", "web"))
		bad := 0
		s.harm = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if q, _ := parse(r); q.resource == "applications" && bad < 1 {
					bad++
					fmt.Fprint(w, garbage)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
		follow(t, s.client(Options{}))
		if bad != 1 {
			t.Errorf("%s: no garbage was sent", garbage)
		}
	}
}

// What the server refuses to show is a problem of its own and keeps nobody
// waiting.
func TestWatchDenied(t *testing.T) {
	s := startServer(t)
	s.put(application("argocd", "web"))
	s.forbidden = []string{"list appprojects", "watch appprojects"}
	c := s.client(Options{})
	follow(t, c)
	if diff := cmp.Diff([]string{"argocd/web"}, listed(t, c)); diff != "" {
		t.Error(diff)
	}
	problems := c.Problems()
	if len(problems) != 1 || !errors.Is(problems[0], fault.ErrDenied) || !strings.Contains(problems[0].Error(), `on "appprojects" of apiGroup "argoproj.io"`) {
		t.Error(problems)
	}
}

// A server that starts refuses for a while what it allows later on. A fleet that
// was seen in all namespaces does not shrink to one by that.
func TestWatchDeniedForAWhile(t *testing.T) {
	s := startServer(t)
	s.put(application("argocd", "web"))
	s.put(application("team", "shop"))
	c := s.client(Options{})
	follow(t, c)
	s.set(func() { s.everywhere = true })
	s.forget()
	eventually(t, "told", func() bool { return len(c.Problems()) == 2 })
	if problem := c.Problems()[0]; !errors.Is(problem, fault.ErrDenied) || len(c.Notices()) > 0 {
		t.Error(problem, c.Notices())
	}
	if diff := cmp.Diff([]string{"argocd/web", "team/shop"}, listed(t, c)); diff != "" {
		t.Error(diff)
	}
	s.put(application("team", "till"))
	s.set(func() { s.everywhere = false })
	eventually(t, "found", func() bool {
		return slices.Equal(listed(t, c), []string{"argocd/web", "team/shop", "team/till"}) && len(c.Problems()) == 0
	})
}

// A server that says nothing any more, and does not end the watch when it
// should, is noticed.
func TestWatchStalls(t *testing.T) {
	stages := map[string]func(w http.ResponseWriter){
		"before the head": func(http.ResponseWriter) {},
		"after the head":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"in an object": func(w http.ResponseWriter) {
			fmt.Fprint(w, `{"type":"ADDED","object":{"metadata":`)
			_ = http.NewResponseController(w).Flush()
		},
	}
	for name, begin := range stages {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			s.harm = func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					begin(w)
					<-r.Context().Done()
				})
			}
			c := s.client(Options{})
			c.api.patience = 50 * time.Millisecond
			var seconds int64
			w, err := c.applications.events(t.Context(), "", metav1.ListOptions{TimeoutSeconds: &seconds})
			if err != nil {
				if !errors.Is(err, fault.ErrUnavailable) {
					t.Error(err)
				}
				return
			}
			defer w.Stop()
			if event, more := <-w.ResultChan(); more {
				t.Errorf("%+v", event)
			}
		})
	}
}

// An ImageUpdater kind that is installed later is found.
func TestWatchInstalledLater(t *testing.T) {
	s := startServer(t)
	s.unknown = []string{"imageupdaters"}
	var d diary
	c := s.client(Options{OnChange: d.add})
	follow(t, c)
	if found, err := c.ImageUpdaters(t.Context()); err != nil || len(found) > 0 || len(c.Problems()) > 0 || len(c.Notices()) != 1 {
		t.Error(found, err, c.Problems(), c.Notices())
	}
	s.put(imageUpdater("team", "b", "*"))
	s.set(func() { s.unknown = nil })
	eventually(t, "found", func() bool {
		found, err := c.ImageUpdaters(t.Context())
		return err == nil && len(found) == 1 && len(c.Notices()) == 0
	})
	if diff := cmp.Diff([]string{"imageupdaters team/b"}, d.read()); diff != "" {
		t.Error(diff)
	}
}

// What the server refuses at first and gives later is told as a change: nobody
// has waited for it.
func TestWatchGrantedLater(t *testing.T) {
	s := startServer(t)
	s.put(application("argocd", "web"))
	s.unknown = []string{"applications"}
	var d diary
	c := s.client(Options{OnChange: d.add})
	follow(t, c)
	s.set(func() { s.unknown = nil })
	eventually(t, "found", func() bool {
		found, err := c.List(t.Context())
		return err == nil && len(found) == 1 && len(c.Problems()) == 0
	})
	if diff := cmp.Diff([]string{"applications argocd/web"}, d.read()); diff != "" {
		t.Error(diff)
	}
}

// Watch ends at once also while it waits for a server that is away.
func TestWatchEndsInVain(t *testing.T) {
	s := startServer(t)
	kubeconfig := s.kubeconfig()
	s.http.Close()
	var asked atomic.Int64
	connection, err := Connect(Access{Kubeconfig: kubeconfig, Observe: func(Request) { asked.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(connection, Options{Namespace: "argocd"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Watch(ctx) // it ends with the context
	}()
	eventually(t, "asked again and again", func() bool { return asked.Load() >= 12 }) // it waits for seconds by then
	cancel()
	select {
	case <-done:
	case <-time.After(500 * time.Millisecond):
		t.Error("it goes on")
		<-done
	}
}

// After Watch has ended the server is asked again.
func TestWatchEnds(t *testing.T) {
	s := startServer(t)
	c := s.client(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Watch(ctx) }()
	eventually(t, "synced", c.Synced)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || c.Synced() {
		t.Error(err, c.Synced())
	}
	s.put(application("argocd", "web"))
	if diff := cmp.Diff([]string{"argocd/web"}, listed(t, c)); diff != "" {
		t.Error(diff)
	}
}
