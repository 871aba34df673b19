package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/itest/argoserver"
)

// watched is a client whose Watch runs until the test ends.
type watched struct {
	*Client
	t       *testing.T
	server  *argoserver.Server
	changes chan argo.Key
}

// watch starts to watch a server that holds some Applications, and waits until
// it is in step.
func watch(t *testing.T, o Options, manifests ...string) *watched {
	t.Helper()
	w := unsynced(t, o, nil, manifests...)
	w.eventually("in step", func() bool { return w.Synced() && w.server.Streams() == 1 })
	return w
}

// unsynced is watch that does not wait. The harm is done to the first requests.
func unsynced(t *testing.T, o Options, faults []itest.Fault, manifests ...string) *watched {
	t.Helper()
	w := &watched{t: t, changes: make(chan argo.Key, 100)}
	o.OnChange = func(key argo.Key) { w.changes <- key }
	o.Backoff = 20 * time.Millisecond
	w.server, w.Client = start(t, argoserver.Options{KeepAlive: 20 * time.Millisecond}, o)
	put(t, w.server, manifests...)
	for _, f := range faults {
		w.server.Break(f)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Watch(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error("Watch ends with", err)
		}
		if w.Synced() {
			t.Error("synced after the end")
		}
	})
	return w
}

// patience is far more than anything here takes.
const patience = 20 * time.Second

func (w *watched) eventually(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("not %s after %s; problems: %v", what, patience, w.Problems())
		}
	}
}

// next expects a change.
func (w *watched) next(want string) {
	w.t.Helper()
	select {
	case key := <-w.changes:
		if key.String() != want {
			w.t.Fatalf("%s changed, want %s", key, want)
		}
	case <-time.After(patience):
		w.t.Fatalf("%s did not change in %s; problems: %v", want, patience, w.Problems())
	}
}

// has expects these Applications in memory.
func (w *watched) has(want ...string) {
	w.t.Helper()
	w.server.Reset()
	apps, err := w.List(w.t.Context())
	if diff := cmp.Diff(want, keys(apps)); diff != "" || err != nil {
		w.t.Fatal(diff, err)
	}
	if n := w.server.Count(argoserver.KindList).Requests; n != 0 {
		w.t.Fatalf("%d requests for what is in memory", n)
	}
}

func (w *watched) edit(name string, change func(object map[string]any)) {
	w.t.Helper()
	if err := w.server.Edit("argocd", name, change); err != nil {
		w.t.Fatal(err)
	}
}

// annotate makes an Application ask for redis.
func annotate(object map[string]any) {
	object["metadata"].(map[string]any)["annotations"] = map[string]any{"argocd-image-updater.argoproj.io/image-list": "redis"}
}

func TestWatch(t *testing.T) {
	w := watch(t, Options{}, web, minimal("argocd", "api"), minimal("blue", "web"))
	w.has("argocd/api", "argocd/web", "blue/web")

	w.edit("web", annotate)
	w.next("argocd/web")
	apps, _ := w.List(t.Context())
	if got := apps[1].Annotations["argocd-image-updater.argoproj.io/image-list"]; got != "redis" || apps[1].Sources[0].Path != "web" {
		t.Error(apps[1])
	}
	put(t, w.server, minimal("green", "web"))
	w.next("green/web")
	w.has("argocd/api", "argocd/web", "blue/web", "green/web")

	w.server.Delete("blue", "web")
	w.next("blue/web")
	w.has("argocd/api", "argocd/web", "green/web")
	if _, err := w.Get(t.Context(), argo.Key{Namespace: "blue", Name: "web"}); fact(err) != "not found" {
		t.Error(err)
	}

	w.server.Reset()
	if len(w.changes) > 0 {
		t.Error("told of", len(w.changes), "changes more")
	}
}

// What nobody here reads is no change, but the version is kept in step, so that
// a patch may be made from it.
func TestWatchIsQuiet(t *testing.T) {
	w := watch(t, Options{}, web, minimal("argocd", "api"))
	w.edit("web", func(object map[string]any) {
		object["status"].(map[string]any)["health"] = map[string]any{"status": "Degraded"}
		object["metadata"].(map[string]any)["annotations"].(map[string]any)["example.com/when"] = "now"
	})
	w.edit("api", annotate)
	w.next("argocd/api")
	apps, err := w.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Patch(t.Context(), setTag(apps[1], "1.21")); err != nil {
		t.Error(err)
	}
	w.next("argocd/web")
}

func TestWatchSelects(t *testing.T) {
	relabel := func(team string) func(map[string]any) {
		return func(object map[string]any) {
			object["metadata"].(map[string]any)["labels"] = map[string]any{"team": team}
		}
	}
	w := watch(t, Options{Labels: "team=red", Names: []string{"w*"}, Namespaces: []string{"argocd", "blue"}}, web, minimal("argocd", "worker"))
	w.has("argocd/web")
	w.edit("worker", relabel("red"))
	w.next("argocd/worker")
	w.edit("web", relabel("white"))
	w.next("argocd/web")
	w.has("argocd/worker")
	put(t, w.server, strings.Replace(web, "name: web", "name: api", 1), strings.Replace(web, "name: web", "name: web\n  namespace: green", 1))
	put(t, w.server, strings.Replace(web, "name: web", "name: web\n  namespace: blue", 1))
	w.next("blue/web")
	w.has("argocd/worker", "blue/web")
}

// What happened while the stream was cut is found when it is open again.
func TestWatchAfterCut(t *testing.T) {
	w := watch(t, Options{}, web, minimal("argocd", "api"))
	refused := make(chan struct{}, 100)
	w.server.Break(itest.Fault{Kind: argoserver.KindStream, Times: 3, Harm: func(next http.Handler) http.Handler {
		refused <- struct{}{}
		return itest.Status(http.StatusBadGateway)(next)
	}})
	w.server.CutStreams()
	<-refused
	w.edit("web", annotate)
	w.server.Delete("argocd", "api")
	put(t, w.server, minimal("argocd", "worker"))
	w.next("argocd/api")
	w.next("argocd/web")
	w.next("argocd/worker")
	w.has("argocd/web", "argocd/worker")
	w.eventually("free of problems", func() bool { return len(w.Problems()) == 0 })
	w.edit("worker", annotate)
	w.next("argocd/worker")
}

// Where no stream is to be had, lists tell, and that is said.
func TestWatchWithoutStream(t *testing.T) {
	w := unsynced(t, Options{Resync: 20 * time.Millisecond}, []itest.Fault{{Kind: argoserver.KindStream, Harm: argoserver.LoginPage(http.StatusForbidden)}}, web)
	w.eventually("synced", w.Synced)
	w.eventually("told", func() bool { return len(w.Problems()) == 1 })
	if text := w.Problems()[0].Error(); !strings.HasPrefix(text, "stream applications at ") || !strings.HasSuffix(text, ": changes are seen every 20ms only") || fact(w.Problems()[0]) != "denied" {
		t.Error(text)
	}
	w.edit("web", annotate)
	w.next("argocd/web")
}

// A proxy that collects a stream before it hands it on is told from a server
// that has nothing to say.
func TestWatchWithoutSignOfLife(t *testing.T) {
	w := unsynced(t, Options{Timeout: 100 * time.Millisecond}, []itest.Fault{{Kind: argoserver.KindStream, Harm: itest.Slow(time.Minute)}}, web)
	w.eventually("told", func() bool { return len(w.Problems()) == 1 })
	if text := w.Problems()[0].Error(); !strings.HasSuffix(text, ": no sign of life in 100ms: changes are seen every 5m0s only") || fact(w.Problems()[0]) != "unavailable" {
		t.Error(text)
	}
	w.has("argocd/web")
}

func TestWatchStartsLate(t *testing.T) {
	w := unsynced(t, Options{}, []itest.Fault{{Kind: argoserver.KindList, Times: 3, Harm: argoserver.Refuse(argoserver.Unavailable, "starting")}}, web)
	w.eventually("synced", w.Synced)
	w.has("argocd/web")
	w.eventually("free of problems", func() bool { return len(w.Problems()) == 0 })
	if len(w.changes) > 0 {
		t.Error("the beginning is told as a change")
	}
}

// That there is nothing to see for the account is known at once, and is no
// empty list.
func TestWatchDenied(t *testing.T) {
	w := unsynced(t, Options{Token: "unknown"}, nil, web)
	w.eventually("synced", w.Synced)
	if apps, err := w.List(t.Context()); fact(err) != "denied" || apps != nil {
		t.Error(apps, err)
	}
}

// A stream that talks nonsense, or not at all, is opened again, and loses
// nothing.
func TestWatchBadStreams(t *testing.T) {
	says := func(text string) itest.Harm {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprint(w, text)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
		}
	}
	tests := []struct {
		name string
		harm itest.Harm
	}{
		{"an error", says(`data: {"error":{"grpc_code":14,"http_code":503,"message":"going away"}}` + "\n\n")},
		{"no JSON", says("data: hello\n\n")},
		{"an event of nothing", says("data: {}\n\n")},
		{"an endless event", says("data: " + strings.Repeat("x", maxApplication+1))},
		{"silence", says(": hello\n")},
		{"a login page", argoserver.LoginPage(http.StatusOK)},
		{"JSON", itest.Rewrite(func(h http.Header, _ []byte) []byte { h.Set("Content-Type", "application/json"); return nil })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fault := itest.Fault{Kind: argoserver.KindStream, Times: 2, Harm: test.harm}
			if test.name == "JSON" {
				fault.Harm = says("")
			}
			w := unsynced(t, Options{Timeout: 200 * time.Millisecond}, []itest.Fault{fault}, web)
			w.eventually("in step", func() bool { return w.Synced() && w.server.Streams() == 1 })
			w.edit("web", annotate)
			w.next("argocd/web")
		})
	}
}

// An Application that is spoilt while we watch hides nobody, and comes back.
func TestWatchProblems(t *testing.T) {
	w := watch(t, Options{}, web, minimal("argocd", "api"))
	w.edit("api", func(object map[string]any) { object["spec"] = 5 })
	w.next("argocd/api")
	w.has("argocd/web")
	if problems := w.Problems(); len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), "application argocd/api: spec: ") {
		t.Error(problems)
	}
	w.edit("api", func(object map[string]any) { object["spec"] = map[string]any{} })
	w.next("argocd/api")
	w.has("argocd/api", "argocd/web")
	if problems := w.Problems(); len(problems) != 0 {
		t.Error(problems)
	}
}
