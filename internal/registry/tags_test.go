package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/registry"
	"argocd-image-updater/internal/settings"
)

// answer is a handler that says the same each time.
func answer(status int, body string, header ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

// first lets the first n requests that contain a text have another handler.
func first(n int, text string, instead, next http.Handler) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hit := n > 0 && strings.Contains(r.URL.RequestURI(), text)
		if hit {
			n--
		}
		mu.Unlock()
		if hit {
			instead.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const always = 1 << 30

func TestTagsReadsEveryPage(t *testing.T) {
	tests := []struct {
		tags, page int
		requests   int
	}{
		{0, 100, 1},
		{99, 100, 1},
		{100, 100, 1},
		{101, 100, 2},
		{2500, 100, 25},
		{1000, 1000, 2}, // a full page without a link: there could be more
		{2001, 1000, 3},
	}
	for _, tt := range tests {
		w := serve(t, pages(tt.page, numbered(tt.tags)))
		got, err := client(t, registry.Options{}).Tags(t.Context(), w.target(credential.Registry{}))
		if err != nil || !slices.Equal(got, numbered(tt.tags)) {
			t.Errorf("%d tags in pages of %d: %d tags, %v", tt.tags, tt.page, len(got), err)
		}
		if n := len(w.requests()); n != tt.requests {
			t.Errorf("%d tags in pages of %d: %d requests, want %d", tt.tags, tt.page, n, tt.requests)
		}
	}
}

// silent is a registry that pages and does not say so.
func silent(tags []string) http.Handler {
	all := pages(1000, tags)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.ServeHTTP(quiet{w}, r)
	})
}

type quiet struct{ http.ResponseWriter }

func (q quiet) Write(b []byte) (int, error) {
	q.Header().Del("Link")
	return q.ResponseWriter.Write(b)
}

func TestTagsOfARegistryThatDoesNotTellOfPages(t *testing.T) {
	w := serve(t, silent(numbered(2100)))
	got, err := client(t, registry.Options{}).Tags(t.Context(), w.target(credential.Registry{}))
	if err != nil || len(got) != 2100 {
		t.Errorf("%d tags, %v", len(got), err)
	}
}

// The whole list happens to be as long as a page, and "last" is not known.
func TestTagsOfARegistryThatKnowsNoPages(t *testing.T) {
	for _, n := range []int{1000, 5000} {
		w := serve(t, answer(200, `{"tags":[`+quoted(numbered(n))+`]}`))
		got, err := client(t, registry.Options{}).Tags(t.Context(), w.target(credential.Registry{}))
		if err != nil || len(got) != n {
			t.Errorf("%d of %d tags, %v", len(got), n, err)
		}
	}
}

func TestTagsOfARegistryThatRefusesOurPageSize(t *testing.T) {
	refuse := answer(400, `{"errors":[{"code":"PAGINATION_NUMBER_INVALID","message":"invalid number of results requested"}]}`)
	w := serve(t, first(always, "n=1000", refuse, pages(50, numbered(50))))
	got, err := client(t, registry.Options{}).Tags(t.Context(), w.target(credential.Registry{}))
	if err != nil || len(got) != 50 {
		t.Errorf("%d tags, %v", len(got), err)
	}
	if got, want := w.requests(), []string{"GET /v2/a/b/tags/list?n=1000", "GET /v2/a/b/tags/list"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Artifactory and Nexus name paths that are not there; see follow.
func TestTagsTakesTheQueryOfALink(t *testing.T) {
	for _, path := range []string{"/v2/b/tags/list", "/repository/docker/v2/a/b/tags/list", ""} {
		handler := pages(10, numbered(25))
		w := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/a/b/tags/list" {
				http.NotFound(rw, r)
				return
			}
			handler.ServeHTTP(relinked{rw, "<" + path}, r)
		}))
		got, err := client(t, registry.Options{}).Tags(t.Context(), w.target(credential.Registry{}))
		if err != nil || len(got) != 25 {
			t.Errorf("links to %q: %d tags, %v", path, len(got), err)
		}
	}
}

type relinked struct {
	http.ResponseWriter
	path string
}

func (r relinked) Write(b []byte) (int, error) {
	if _, query, ok := strings.Cut(r.Header().Get("Link"), "?"); ok {
		r.Header().Set("Link", r.path+"?"+query)
	}
	return r.ResponseWriter.Write(b)
}

func TestTagsAreSortedAndEachOnce(t *testing.T) {
	w := serve(t, answer(200, `{"name":"a/b","extra":{"deep":[1,{"x":[]}]},"tags":["b","a","b"],"more":null}`))
	got, err := client(t, registry.Options{}).Tags(t.Context(), w.target(credential.Registry{}))
	if err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTagsWithoutAny(t *testing.T) {
	for _, body := range []string{`{"name":"a/b","tags":null}`, `{"tags":[]}`} {
		w := serve(t, answer(200, body))
		got, err := client(t, registry.Options{}).Tags(t.Context(), w.target(credential.Registry{}))
		if err != nil || len(got) != 0 {
			t.Errorf("%s: %q, %v", body, got, err)
		}
	}
}

// Whatever is wrong, there is an error and no tags.
func TestTagsFaults(t *testing.T) {
	good := pages(10, numbered(35))
	refusal := func(code, message string) string {
		return fmt.Sprintf(`{"errors":[{"code":%q,"message":%q},{"code":"OTHER"}]}`, code, message)
	}
	half := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, `{"tags":["v1","v2"`)
	})
	cut := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	tests := []struct {
		name     string
		handler  http.Handler
		fact     error
		want     string
		requests int
	}{
		{"401", answer(401, refusal("UNAUTHORIZED", "authentication required")), fault.ErrDenied, "list tags of registry.test/a/b: 401 UNAUTHORIZED: authentication required (no credential)", 1},
		{"403", answer(403, refusal("DENIED", "requested access to the resource is denied")), fault.ErrDenied, "list tags of registry.test/a/b: 403 DENIED: requested access to the resource is denied (no credential)", 1},
		{"404", answer(404, refusal("NAME_UNKNOWN", "repository name not known to registry")), fault.ErrNotFound, "list tags of registry.test/a/b: 404 NAME_UNKNOWN: repository name not known to registry (no credential)", 1},
		{"404 without words", answer(404, "<html>"), fault.ErrNotFound, "list tags of registry.test/a/b: 404 Not Found", 1},
		{"418", answer(418, ""), nil, "list tags of registry.test/a/b: 418 I'm a teapot", 1},
		{"204", answer(204, ""), fault.ErrUnavailable, "204 No Content", 1},
		{"429", answer(429, refusal("TOOMANYREQUESTS", "slow\tdown\n")), fault.ErrUnavailable, "list tags of registry.test/a/b: 429 TOOMANYREQUESTS: slow down, 4 times", 4},
		{"429 for hours", answer(429, "", "Retry-After", "7200"), fault.ErrUnavailable, "429 Too Many Requests, and asks to be left alone for 2h0m0s", 1},
		{"500", answer(500, "oops"), fault.ErrUnavailable, "list tags of registry.test/a/b: 500 Internal Server Error, 4 times", 4},
		{"500 on page 3", first(always, "v000019", answer(500, ""), good), fault.ErrUnavailable, "page 3: 500 Internal Server Error, 4 times", 6},
		{"404 on page 2", first(always, "v000009", answer(404, ""), good), fault.ErrNotFound, "page 2: 404 Not Found", 2},
		{"truncated JSON", answer(200, `{"tags":["v1","v`), fault.ErrUnavailable, "the list breaks off, 4 times", 4},
		{"half a page", half, fault.ErrUnavailable, "the list breaks off, 4 times", 4},
		{"half a page 2", first(always, "v000009", half, good), fault.ErrUnavailable, "page 2: the list breaks off", 5},
		{"connection cut", cut, fault.ErrUnavailable, "EOF, 4 times", 4},
		{"not JSON", answer(200, "hello"), fault.ErrUnavailable, "the list does not parse: invalid character 'h'", 1},
		{"a web page", answer(200, "<html>", "Content-Type", "text/html; charset=utf-8"), fault.ErrUnavailable, "JSON expected, the answer is text/html; charset=utf-8: is api_url the address of a registry?", 1},
		{"no tags at all", answer(200, `{"hello":"world"}`), fault.ErrUnavailable, `the answer has no "tags": is api_url the address of a registry?`, 1},
		{"a list", answer(200, `["v1"]`), fault.ErrUnavailable, `the answer is not of the form {"tags": ["…"]}`, 1},
		{"tags that are numbers", answer(200, `{"tags":[1]}`), fault.ErrUnavailable, `the answer is not of the form`, 1},
		{"tags that are none", answer(200, `{"tags":["../../etc/passwd"]}`), fault.ErrUnavailable, `the list holds "../../etc/passwd", which is no tag`, 1},
		{"tags that are null", answer(200, `{"tags":["v1",null]}`), fault.ErrUnavailable, `the list holds "", which is no tag`, 1},
		{"two answers", answer(200, `{"tags":["v1"]}{}`), fault.ErrUnavailable, `followed by something else`, 1},
		{"deep JSON", answer(200, `{"x":`+strings.Repeat("[", 1000)), fault.ErrUnavailable, `nested more than 16 deep`, 1},
		{"link to another host", answer(200, `{"tags":["v1"]}`, "Link", `<https://evil.example/v2/a/b/tags/list?n=1>; rel="next"`), fault.ErrUnavailable, "the link to the next page leads to https://evil.example", 1},
		{"link that is none", answer(200, `{"tags":["v1"]}`, "Link", `<http://[::1>; rel=next`), fault.ErrUnavailable, "the link to the next page is no URL", 1},
		{"pages in a circle", answer(200, `{"tags":["v1"]}`, "Link", `</v2/a/b/tags/list?n=1000>; rel="next"`), fault.ErrUnavailable, "the pages go in a circle", 1},
		{"a page that repeats", answer(200, `{"tags":["v1"]}`, "Link", `<?n=1000&last=x>; rel="next"`), fault.ErrUnavailable, "page 2 repeats the one before", 2},
		{"endless pages", endless(1), fault.ErrUnavailable, "more than 20 pages", 20},
		{"endless empty pages", endless(0), fault.ErrUnavailable, "more than 20 pages", 20},
		{"endless tags", endless(30), fault.ErrUnavailable, "more than 100 tags", 4},
		{"too many tags on the last page", pages(60, numbered(110)), fault.ErrUnavailable, "more than 100 tags", 2},
		{"a page of too many tags", answer(200, `{"tags":[`+quoted(numbered(101))+`]}`), fault.ErrUnavailable, "more than 100 tags", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(t, tt.handler)
			w.server.Config.ErrorLog = quietLog
			tags, err := client(t, registry.Options{MaxPages: 20, MaxTags: 100}).Tags(t.Context(), w.target(credential.Registry{}))
			fails(t, err, tt.fact, tt.want)
			if tags != nil {
				t.Errorf("an error and %d tags", len(tags))
			}
			if n := len(w.requests()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// endless always has another page of n tags.
func endless(n int) http.Handler {
	page := 0
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		page++
		w.Header().Set("Link", fmt.Sprintf(`<?page=%d>; rel="next"`, page))
		tags := numbered(n)
		for i := range tags {
			tags[i] = fmt.Sprintf("%s-%d", tags[i], page)
		}
		fmt.Fprintf(w, `{"tags":[%s]}`, quoted(tags))
	})
}

func TestTagsOfARegistryThatIsNotThere(t *testing.T) {
	w := serve(t, answer(200, ""))
	w.server.Close()
	clock := newClock()
	_, err := client(t, registry.Options{Sleep: clock.Sleep, Now: clock.Now}).Tags(t.Context(), w.target(credential.Registry{}))
	fails(t, err, fault.ErrUnavailable, "connection refused, 4 times")
	if len(clock.slept) != 3 {
		t.Errorf("pauses: %v", clock.slept)
	}
}

// A failure that passes costs a try and nothing else.
func TestTagsTriesAgain(t *testing.T) {
	date := newClock().now.Add(7 * time.Second).Format(http.TimeFormat)
	tests := []struct {
		name  string
		fault http.Handler
		least time.Duration // of the first pause
		most  time.Duration
	}{
		{"500", answer(500, ""), 250 * time.Millisecond, 500 * time.Millisecond},
		{"429 with seconds", answer(429, "", "Retry-After", "12"), 12 * time.Second, 12 * time.Second},
		{"429 with a date", answer(429, "", "Retry-After", date), 7 * time.Second, 7 * time.Second},
		{"503 with nonsense", answer(503, "", "Retry-After", "soon"), 250 * time.Millisecond, 500 * time.Millisecond},
		{"truncated JSON", answer(200, `{"tags":["v`), 250 * time.Millisecond, 500 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(t, first(2, "last=v000009", tt.fault, pages(10, numbered(25))))
			clock := newClock()
			got, err := client(t, registry.Options{Sleep: clock.Sleep, Now: clock.Now}).Tags(t.Context(), w.target(credential.Registry{}))
			if err != nil || !slices.Equal(got, numbered(25)) {
				t.Errorf("%d tags, %v", len(got), err)
			}
			if n := len(w.requests()); n != 5 {
				t.Errorf("%d requests, want 3 pages and 2 more tries", n)
			}
			if len(clock.slept) != 2 || clock.slept[0] < tt.least || clock.slept[0] > tt.most {
				t.Errorf("pauses: %v", clock.slept)
			}
		})
	}
}

func TestTagsEndsWithItsContext(t *testing.T) {
	w := serve(t, answer(500, ""))
	ctx, cancel := context.WithCancel(t.Context())
	sleep := func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}
	_, err := client(t, registry.Options{Sleep: sleep}).Tags(ctx, w.target(credential.Registry{}))
	if !errors.Is(err, context.Canceled) || errors.Is(err, fault.ErrUnavailable) || len(w.requests()) != 1 {
		t.Error(err)
	}
}

// Many who ask the same at the same time cost one list.
func TestTagsIsAskedOnceAtATime(t *testing.T) {
	release := make(chan struct{})
	w := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		<-release
		answer(200, `{"tags":["v1"]}`).ServeHTTP(rw, r)
	}))
	c := client(t, registry.Options{})
	var asking, done sync.WaitGroup
	for range 50 {
		asking.Add(1)
		done.Go(func() {
			asking.Done()
			if tags, err := c.Tags(t.Context(), w.target(credential.Registry{})); err != nil || len(tags) != 1 {
				t.Errorf("%q, %v", tags, err)
			}
		})
	}
	asking.Wait()
	time.Sleep(50 * time.Millisecond)
	close(release)
	done.Wait()
	// One, unless the machine was so busy that somebody came late.
	if n := len(w.requests()); n > 10 {
		t.Errorf("%d requests for 50 who ask at the same time", n)
	}
}

// One that gives up does not take along those who ask the same.
func TestTagsOutlivesTheOneThatAskedFirst(t *testing.T) {
	arrived, release := make(chan struct{}, 8), make(chan struct{})
	w := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		answer(200, `{"tags":["v1"]}`).ServeHTTP(rw, r)
	}))
	c := client(t, registry.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var first, group sync.WaitGroup
	first.Go(func() {
		if _, err := c.Tags(ctx, w.target(credential.Registry{})); !errors.Is(err, context.Canceled) {
			t.Errorf("the one that gave up: %v", err)
		}
	})
	<-arrived
	group.Go(func() {
		if tags, err := c.Tags(t.Context(), w.target(credential.Registry{})); err != nil || len(tags) != 1 {
			t.Errorf("%q, %v", tags, err)
		}
	})
	time.Sleep(20 * time.Millisecond) // for the second to join the first
	cancel()
	first.Wait() // the answer comes after it has given up
	close(release)
	group.Wait()
}

// BenchmarkTags lists 100,000 tags in 100 pages.
func BenchmarkTags(b *testing.B) {
	body := make([][]byte, 100)
	tags := numbered(100_000)
	for i := range body {
		body[i] = []byte(`{"name":"a/b","tags":[` + quoted(tags[i*1000:(i+1)*1000]) + `]}`)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		if page+1 < len(body) {
			w.Header().Set("Link", fmt.Sprintf(`<?page=%d>; rel="next"`, page+1))
		}
		_, _ = w.Write(body[page])
	}))
	defer server.Close()
	c := registry.New(registry.Options{})
	defer c.Close()
	target := registry.Target{Endpoint: settings.Endpoint{Path: repo, Registry: settings.Registry{API: server.URL}}}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := c.Tags(b.Context(), target); err != nil || len(got) != len(tags) {
			b.Fatal(len(got), err)
		}
	}
}
