package registry_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/registry"
)

const hidden = "hunter2-hidden"

var me = credential.Registry{Username: "me", Password: hidden, From: "env:LOGIN"}

// tokens is a token server: GET with Basic authentication or without, POST
// with a refresh token. It gives tokens to anybody whose password is right, or
// to everybody if public; the tokens say for which scopes they are.
type tokens struct {
	public  bool
	expires int // expires_in
	mu      sync.Mutex
	valid   map[string]string // token → scopes
	asked   []url.Values
}

func (k *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = r.ParseForm()
	k.asked = append(k.asked, r.Form)
	user, password, _ := r.BasicAuth()
	ok := user == "me" && password == hidden || r.PostForm.Get("refresh_token") == hidden
	if !ok && !k.public {
		answer(401, `{"details":"incorrect username or password"}`).ServeHTTP(w, r)
		return
	}
	token := fmt.Sprintf("token-%d", len(k.asked))
	if k.valid == nil {
		k.valid = map[string]string{}
	}
	k.valid[token] = strings.Join(r.Form["scope"], " ")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "expires_in": k.expires})
}

// guard lets those pass who bring a token for the scope that their request
// needs.
func (k *tokens) guard(realm *string, scope func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		granted := k.valid[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		k.mu.Unlock()
		if needed := scope(r); !slices.Contains(strings.Fields(granted), needed) {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="registry.test",scope=%q`, *realm, needed))
			answer(401, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func pull(*http.Request) string { return "repository:a/b:pull" }

// guarded is a registry with a token server, each on a host of its own.
func guarded(t *testing.T, k *tokens, scope func(*http.Request) string, next http.Handler) (*world, *world) {
	t.Helper()
	realm := serve(t, k)
	address := realm.server.URL + "/token?x=y"
	return serve(t, k.guard(&address, scope, next)), realm
}

func TestTokenForAnybody(t *testing.T) {
	k := &tokens{public: true}
	w, realm := guarded(t, k, pull, pages(10, numbered(25)))
	got, err := client(t, registry.Options{}).Tags(t.Context(), w.target(credential.Registry{}))
	if err != nil || len(got) != 25 {
		t.Errorf("%d tags, %v", len(got), err)
	}
	if n := len(w.requests()); n != 4 {
		t.Errorf("%d requests, want one refused and three pages", n)
	}
	if got, want := realm.requests(), []string{"GET /token?scope=repository%3Aa%2Fb%3Apull&service=registry.test&x=y"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestTokenForAPassword(t *testing.T) {
	w, realm := guarded(t, &tokens{}, pull, pages(10, numbered(5)))
	c := client(t, registry.Options{})
	for range 3 {
		if got, err := c.Tags(t.Context(), w.target(me)); err != nil || len(got) != 5 {
			t.Errorf("%d tags, %v", len(got), err)
		}
	}
	if registry, token := len(w.requests()), len(realm.requests()); registry != 4 || token != 1 {
		t.Errorf("%d requests and %d tokens, want 4 and 1", registry, token)
	}
}

func TestIdentityToken(t *testing.T) {
	k := &tokens{}
	w, realm := guarded(t, k, pull, pages(10, numbered(5)))
	login := credential.Registry{IdentityToken: hidden}
	if got, err := client(t, registry.Options{}).Tags(t.Context(), w.target(login)); err != nil || len(got) != 5 {
		t.Errorf("%d tags, %v", len(got), err)
	}
	if got := realm.requests(); !slices.Equal(got, []string{"POST /token?x=y"}) {
		t.Errorf("%q", got)
	}
	if got := k.asked[0]; got.Get("grant_type") != "refresh_token" || got.Get("service") != "registry.test" ||
		got.Get("scope") != "repository:a/b:pull" || got.Get("client_id") == "" {
		t.Errorf("%v", got)
	}
}

// A token is used until shortly before it ends, and then asked for anew
// without being refused first.
func TestTokenEnds(t *testing.T) {
	w, realm := guarded(t, &tokens{expires: 300}, pull, pages(10, numbered(5)))
	clock := newClock()
	c := client(t, registry.Options{Now: clock.Now, Sleep: clock.Sleep})
	for _, step := range []struct {
		wait              time.Duration
		requests, granted int
	}{{0, 2, 1}, {289 * time.Second, 1, 0}, {2 * time.Second, 2, 1}} {
		_ = clock.Sleep(t.Context(), step.wait)
		if _, err := c.Tags(t.Context(), w.target(me)); err != nil {
			t.Fatal(err)
		}
		if registry, token := len(w.requests()), len(realm.requests()); registry != step.requests || token != step.granted {
			t.Errorf("after %s: %d requests and %d tokens, want %d and %d", step.wait, registry, token, step.requests, step.granted)
		}
	}
}

// ACR wants one scope for tags and another for manifests; both are kept.
func TestTokenForSeveralScopes(t *testing.T) {
	source := realRegistry(t)
	source.push("v1", source.build("linux/amd64", day1))
	scope := func(r *http.Request) string {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			return "repository:a/b:metadata_read"
		}
		return "repository:a/b:pull"
	}
	w, realm := guarded(t, &tokens{}, scope, source.server.Config.Handler)
	c := client(t, registry.Options{})
	for range 3 {
		if _, err := c.Tags(t.Context(), w.target(me)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Metadata(t.Context(), w.target(me), registry.Question{Tag: "v1", Depth: policy.DepthBuilds}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(realm.requests()); n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
}

func TestTokensAreNotSharedBetweenCredentials(t *testing.T) {
	w, realm := guarded(t, &tokens{}, pull, pages(10, numbered(5)))
	c := client(t, registry.Options{})
	if _, err := c.Tags(t.Context(), w.target(me)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Tags(t.Context(), w.target(credential.Registry{Username: "me", Password: "wrong", From: "env:OTHER"}))
	fails(t, err, fault.ErrDenied, "list tags of registry.test/a/b: token from "+realm.host()+": 401 incorrect username or password (credential env:OTHER)")
	_, err = c.Tags(t.Context(), w.target(credential.Registry{}))
	fails(t, err, fault.ErrDenied, "incorrect username or password (no credential)")
}

// All are refused once, and one of them gets the token for all.
func TestOneTokenForManyQuestions(t *testing.T) {
	source := realRegistry(t)
	source.push("v1", source.build("linux/amd64", day1))
	w, realm := guarded(t, &tokens{}, pull, source.server.Config.Handler)
	c := client(t, registry.Options{})
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			q := registry.Question{Tag: fmt.Sprintf("v%d", i), Depth: policy.DepthDigest}
			if _, err := c.Metadata(t.Context(), w.target(me), q); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := len(realm.requests()); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

// One that is refused late finds that somebody has logged in meanwhile.
func TestTokenOfSomebodyElse(t *testing.T) {
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	scope := func(r *http.Request) string {
		if strings.HasSuffix(r.URL.Path, "/slow") && r.Header.Get("Authorization") == "" {
			arrived <- struct{}{}
			<-release
		}
		return pull(r)
	}
	w, realm := guarded(t, &tokens{}, scope, realRegistry(t).server.Config.Handler)
	c := client(t, registry.Options{})
	ask := func(tag string) {
		if _, err := c.Metadata(t.Context(), w.target(me), registry.Question{Tag: tag, Depth: policy.DepthDigest}); err != nil {
			t.Error(err)
		}
	}
	var group sync.WaitGroup
	group.Go(func() { ask("slow") })
	<-arrived
	ask("quick")
	close(release)
	group.Wait()
	if n := len(realm.requests()); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

// basic wants user and password.
func basic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != hidden {
			answer(401, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}`, "WWW-Authenticate", `Basic realm="x"`).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// User and password are good for the whole server: one refusal in all.
func TestBasic(t *testing.T) {
	w := serve(t, basic(pages(10, numbered(15))))
	c := client(t, registry.Options{})
	for _, path := range []string{"a/b", "a/c"} {
		target := w.target(me)
		target.Endpoint.Path = path
		if got, err := c.Tags(t.Context(), target); err != nil || len(got) != 15 {
			t.Errorf("%d tags, %v", len(got), err)
		}
	}
	if n := len(w.requests()); n != 5 {
		t.Errorf("%d requests, want one refused and four pages", n)
	}
}

// A password that is no longer good is not sent twice for one question.
func TestBasicThatIsNoLongerGood(t *testing.T) {
	good := true
	closed := basic(nil)
	open := basic(pages(10, numbered(5)))
	w := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !good {
			r.Header.Del("Authorization")
			closed.ServeHTTP(rw, r)
			return
		}
		open.ServeHTTP(rw, r)
	}))
	c := client(t, registry.Options{})
	if _, err := c.Tags(t.Context(), w.target(me)); err != nil {
		t.Fatal(err)
	}
	good = false
	w.requests()
	_, err := c.Tags(t.Context(), w.target(me))
	fails(t, err, fault.ErrDenied, "401 UNAUTHORIZED: who are you (credential env:LOGIN)")
	if n := len(w.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestRefusedLogins(t *testing.T) {
	realm := "?"
	refuseAll := (&tokens{}).guard(&realm, pull, nil)
	public := serve(t, &tokens{public: true})
	tests := []struct {
		name     string
		handler  http.Handler
		realm    string
		login    credential.Registry
		fact     error
		want     string
		requests int
	}{
		{"no credential", basic(nil), "", credential.Registry{}, fault.ErrDenied, "401 UNAUTHORIZED: who are you (no credential)", 1},
		{"wrong password", basic(nil), "", credential.Registry{Username: "me", Password: "wrong", From: "secret:a/b"}, fault.ErrDenied, "401 UNAUTHORIZED: who are you (credential secret:a/b)", 2},
		{"a token that is not enough", refuseAll, public.server.URL, me, fault.ErrDenied, "401 UNAUTHORIZED: authentication required (credential env:LOGIN)", 2},
		{"no challenge", answer(401, ""), "", me, fault.ErrDenied, "401 Unauthorized (credential env:LOGIN)", 1},
		{"an unknown challenge", answer(401, "", "WWW-Authenticate", `Negotiate abc==`), "", me, fault.ErrDenied, "401 Unauthorized (credential env:LOGIN)", 1},
		{"a realm that is none", refuseAll, "nowhere", me, fault.ErrUnavailable, `the registry names a token server that is no URL: "nowhere"`, 1},
		{"a realm over ftp", refuseAll, "ftp://x.example/", me, fault.ErrUnavailable, "token server ftp://x.example: no login is sent over anything but https", 1},
		{"a token server that errs", refuseAll, serve(t, answer(503, "")).server.URL, me, fault.ErrUnavailable, ": 503 Service Unavailable, 4 times", 1},
		{"a token server without tokens", refuseAll, serve(t, answer(200, "{}")).server.URL, me, fault.ErrUnavailable, ": the answer holds no token", 1},
		{"a token server with a web page", refuseAll, serve(t, answer(200, "<html>")).server.URL, me, fault.ErrUnavailable, ": the token does not parse", 1},
		{"a token that breaks the header", refuseAll, serve(t, answer(200, `{"token":"a\r\nX: y"}`)).server.URL, me, fault.ErrUnavailable, ": the answer holds no token", 1},
		{"a refresh token that ran out", refuseAll, serve(t, answer(400, `{"error":"invalid_grant"}`)).server.URL, me, fault.ErrDenied, ": 400 invalid_grant (credential env:LOGIN)", 1},
		{"a token server that is gone", refuseAll, serve(t, answer(404, "")).server.URL, me, fault.ErrUnavailable, ": 404 Not Found", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			realm = tt.realm
			w := serve(t, tt.handler)
			_, err := client(t, registry.Options{}).Tags(t.Context(), w.target(tt.login))
			fails(t, err, tt.fact, tt.want)
			if n := len(w.requests()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// A registry over https cannot have a credential sent in the clear.
func TestTokenServerOverHTTP(t *testing.T) {
	k := &tokens{public: true}
	realm := serve(t, k)
	w := serveTLS(t, k.guard(&realm.server.URL, pull, nil))
	_, err := client(t, registry.Options{}).Tags(t.Context(), w.target(me))
	fails(t, err, fault.ErrUnavailable, "no login is sent over anything but https")
	if n := len(realm.requests()); n != 0 {
		t.Errorf("%d requests to the token server", n)
	}
}

// Servers that repeat what they were sent do not get it into our messages.
func TestSecretsAreNotRepeated(t *testing.T) {
	pair := base64.StdEncoding.EncodeToString([]byte("me:" + hidden))
	say := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := json.Marshal(map[string]any{"errors": []map[string]string{{"code": "NO", "message": fmt.Sprintf("%s %s %s", hidden, pair, r.Header.Get("Authorization"))}}})
			answer(code, string(body)).ServeHTTP(w, r)
		})
	}
	k := &tokens{}
	w, _ := guarded(t, k, pull, say(403))
	realm := serve(t, say(401)).server.URL
	for _, w := range []*world{serve(t, say(403)), w, serve(t, k.guard(&realm, pull, nil)), serve(t, basic(say(500)))} {
		_, err := client(t, registry.Options{}).Tags(t.Context(), w.target(me))
		if err == nil || !strings.Contains(err.Error(), "NO: (redacted)") {
			t.Errorf("%v", err)
		}
		for _, secret := range []string{hidden, pair, "token-1"} {
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
				t.Errorf("%v", err)
			}
		}
	}
}

// A redirect to another host, as to a store of blobs, goes there without the
// credential; one within the registry keeps it.
func TestRedirectsKeepTheCredential(t *testing.T) {
	source := realRegistry(t)
	img := source.build("linux/amd64", day1)
	source.push("v1", img)
	var seen []string
	store := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		source.server.Config.Handler.ServeHTTP(w, r)
	}))
	w := serve(t, basic(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/blobs/"):
			http.Redirect(w, r, store.server.URL+r.URL.Path, http.StatusTemporaryRedirect)
		case strings.HasSuffix(r.URL.Path, "/v1"):
			http.Redirect(w, r, strings.Replace(r.URL.Path, "/v1", "/"+string(digest(t, img)), 1), http.StatusFound)
		default:
			source.server.Config.Handler.ServeHTTP(w, r)
		}
	})))
	got, err := client(t, registry.Options{}).Metadata(t.Context(), w.target(me), registry.Question{Tag: "v1", Depth: policy.DepthBuilds})
	if err != nil || len(got.Builds) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if !slices.Equal(seen, []string{""}) {
		t.Errorf("the other host was sent %q", seen)
	}
}

// Whoever the registry redirects to does not get to say where the credential
// of the registry goes.
func TestChallengesOfAnotherHost(t *testing.T) {
	thief := &tokens{}
	var realm string
	store := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			thief.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="x"`)
		answer(401, `{}`).ServeHTTP(w, r)
	}))
	realm = store.server.URL + "/token"
	w := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, store.server.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	_, err := client(t, registry.Options{}).Tags(t.Context(), w.target(me))
	fails(t, err, fault.ErrDenied, "401 Unauthorized from "+store.host()+", where a redirect led")
	if len(thief.asked) > 0 {
		t.Errorf("the other host was given a login %d times", len(thief.asked))
	}
}

func TestRedirectsThatAreRefused(t *testing.T) {
	elsewhere := serve(t, answer(200, `{"tags":["evil"]}`))
	to := func(target string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, http.StatusFound) })
	}
	circle := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }))
	_, err := client(t, registry.Options{}).Tags(t.Context(), circle.target(me))
	fails(t, err, fault.ErrUnavailable, "list tags of registry.test/a/b: more than 5 redirects")

	_, err = client(t, registry.Options{}).Tags(t.Context(), serveTLS(t, to(elsewhere.server.URL)).target(me))
	fails(t, err, fault.ErrUnavailable, "redirect from https to http://"+elsewhere.host()+" refused")

	k := &tokens{}
	realm := serve(t, to(elsewhere.server.URL))
	_, err = client(t, registry.Options{}).Tags(t.Context(), serve(t, k.guard(&realm.server.URL, pull, nil)).target(me))
	fails(t, err, fault.ErrUnavailable, "token from "+realm.host()+": redirect from "+realm.host()+" to "+elsewhere.host()+" refused")
	if got := elsewhere.requests(); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func serveTLS(t *testing.T, handler http.Handler) *tlsWorld {
	t.Helper()
	w := &tlsWorld{world: &world{t: t}}
	w.server = httptest.NewTLSServer(w.record(handler))
	w.server.Config.ErrorLog = quietLog
	t.Cleanup(w.server.Close)
	return w
}
