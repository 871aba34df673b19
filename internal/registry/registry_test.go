package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/registry"
	"argocd-image-updater/internal/settings"
)

// repo is the repository of all tests.
const repo = "a/b"

// world is a registry whose requests are written down.
type world struct {
	t      *testing.T
	server *httptest.Server

	mu  sync.Mutex
	log []string
}

// serve starts a server whose requests are written down.
func serve(t *testing.T, handler http.Handler) *world {
	t.Helper()
	w := &world{t: t}
	w.server = httptest.NewServer(w.record(handler))
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.log = append(w.log, r.Method+" "+r.URL.RequestURI())
		w.mu.Unlock()
		next.ServeHTTP(rw, r)
	})
}

// requests gives what was asked since the last call.
func (w *world) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.log
	w.log = nil
	return log
}

func (w *world) host() string { return strings.TrimPrefix(w.server.URL, "http://") }

func (w *world) target(login credential.Registry) registry.Target {
	return registry.Target{Credential: login, Endpoint: settings.Endpoint{
		Path:     repo,
		Registry: settings.Registry{Name: "test", Prefix: "registry.test", API: w.server.URL},
	}}
}

// clock is a clock that only goes on when somebody sleeps.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept = append(c.slept, d)
	c.now = c.now.Add(d)
	return ctx.Err()
}

// client has a clock of its own, so that no test waits.
func client(t *testing.T, o registry.Options) *registry.Client {
	t.Helper()
	if o.Sleep == nil {
		c := newClock()
		o.Now, o.Sleep = c.Now, c.Sleep
	}
	c := registry.New(o)
	t.Cleanup(c.Close)
	return c
}

var quietLog = log.New(io.Discard, "", 0)

// realRegistry is a registry that holds images.
func realRegistry(t *testing.T) *world {
	return serve(t, ggcr.New(ggcr.Logger(quietLog)))
}

func (w *world) tag(tag string) name.Tag {
	w.t.Helper()
	ref, err := name.NewTag(w.host()+"/"+repo+":"+tag, name.Insecure)
	if err != nil {
		w.t.Fatal(err)
	}
	return ref
}

// must is for what only fails if the test is wrong.
func must[V any](t *testing.T) func(V, error) V {
	return func(v V, err error) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// build makes an image for a platform.
func (w *world) build(platform string, created time.Time) v1.Image {
	w.t.Helper()
	img := must[v1.Image](w.t)(random.Image(64, 1))
	cf := must[*v1.ConfigFile](w.t)(img.ConfigFile())
	p := must[*v1.Platform](w.t)(v1.ParsePlatform(platform))
	cf.OS, cf.Architecture, cf.Variant = p.OS, p.Architecture, p.Variant
	cf.Created = v1.Time{Time: created}
	cf.Config.Labels = map[string]string{"platform": platform}
	return must[v1.Image](w.t)(mutate.ConfigFile(img, cf))
}

// push writes an image or an index and forgets the requests that this took.
func (w *world) push(tag string, what remote.Taggable) {
	w.t.Helper()
	var err error
	switch v := what.(type) {
	case v1.Image:
		err = remote.Write(w.tag(tag), v)
	case v1.ImageIndex:
		err = remote.WriteIndex(w.tag(tag), v)
	default:
		err = fmt.Errorf("cannot push a %T", what)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.requests()
}

// fails checks an error's text, and the fact that it wraps.
func fails(t *testing.T, err error, fact error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("no error; want %s", want)
	case fact != nil && !errors.Is(err, fact):
		t.Errorf("%v\nis not %q", err, fact)
	case !strings.Contains(err.Error(), want):
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

func TestTagsOfARealRegistry(t *testing.T) {
	w := realRegistry(t)
	for _, tag := range []string{"1.10", "latest", "1.9"} {
		w.push(tag, w.build("linux/amd64", time.Time{}))
	}
	got, err := client(t, registry.Options{}).Tags(t.Context(), w.target(credential.Registry{}))
	if err != nil || !slices.Equal(got, []string{"1.10", "1.9", "latest"}) {
		t.Errorf("%v, %v", got, err)
	}
	if got := w.requests(); !slices.Equal(got, []string{"GET /v2/a/b/tags/list?n=1000"}) {
		t.Errorf("%q", got)
	}
}

// pages serves lists of tags as Distribution does: n, last and Link.
func pages(size int, tags []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest := tags
		if last := r.URL.Query().Get("last"); last != "" {
			rest = tags[slices.Index(tags, last)+1:]
		}
		w.Header().Set("Content-Type", "application/json")
		if len(rest) > size {
			rest = rest[:size]
			query := url.Values{"n": {r.URL.Query().Get("n")}, "last": {rest[size-1]}}
			w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.Path, query.Encode()))
		}
		fmt.Fprintf(w, `{"name":"a/b","tags":[%s]}`, quoted(rest))
	})
}

func quoted(tags []string) string {
	var b strings.Builder
	for i, tag := range tags {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q", tag)
	}
	return b.String()
}

func numbered(n int) []string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprintf("v%06d", i)
	}
	return tags
}
