package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/itest/argoserver"
)

const token = "a.secret.token"

// start starts a server, and a client of it that may do what the documentation
// tells to grant.
func start(t *testing.T, so argoserver.Options, co Options) (*argoserver.Server, *Client) {
	t.Helper()
	so.Accounts = map[string]string{token: "image-updater"}
	if so.Policy == "" {
		so.Policy = argoserver.Policy
	}
	server, err := argoserver.Start(so)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if co.Address == "" {
		co.Address = server.Address()
	}
	if co.Token == "" {
		co.Token = token
	}
	client, err := New(co)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return server, client
}

func put(t *testing.T, server *argoserver.Server, manifests ...string) {
	t.Helper()
	for _, m := range manifests {
		if err := server.Put(m); err != nil {
			t.Fatal(err)
		}
	}
}

const web = `
metadata:
  name: web
  labels: {team: red}
  annotations:
    argocd-image-updater.argoproj.io/image-list: nginx
    kubectl.kubernetes.io/last-applied-configuration: "{}"
spec:
  project: shop
  source:
    repoURL: https://git.example.com/apps.git
    path: web
    helm: {parameters: [{name: image.tag, value: "1.20"}]}
  destination: {server: https://kubernetes.default.svc, namespace: web}
status:
  sourceType: Helm
  summary: {images: ["nginx:1.20"]}
  operationState: {phase: Succeeded}
`

func minimal(namespace, name string) string {
	return fmt.Sprintf("metadata: {namespace: %s, name: %s}\nspec: {source: {repoURL: x}}\n", namespace, name)
}

func keys(apps []argo.Application) []string {
	names := []string{}
	for _, app := range apps {
		names = append(names, app.String())
	}
	return names
}

func TestListTrims(t *testing.T) {
	server, client := start(t, argoserver.Options{}, Options{})
	put(t, server, web)
	got, err := client.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []argo.Application{{
		Key:         argo.Key{Namespace: "argocd", Name: "web"},
		Labels:      map[string]string{"team": "red"},
		Annotations: map[string]string{"argocd-image-updater.argoproj.io/image-list": "nginx"},
		Project:     "shop",
		Destination: argo.Destination{Server: "https://kubernetes.default.svc", Namespace: "web"},
		Sources: []argo.Source{{
			RepoURL: "https://git.example.com/apps.git", Path: "web",
			Helm: &argo.Helm{Parameters: []argo.HelmParameter{{Name: "image.tag", Value: "1.20"}}},
		}},
		Status:          argo.Status{Reported: true, Images: []string{"nginx:1.20"}, Types: []argo.Type{argo.TypeHelm}},
		ResourceVersion: "1",
		UID:             "00000000-0000-0000-0000-000000000001",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	one, err := client.Get(t.Context(), want[0].Key)
	if diff := cmp.Diff(want[0], one); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestListSelects(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		want    []string
	}{
		{"everything", Options{}, []string{"argocd/api", "argocd/web", "blue/web", "green/api"}},
		{"a namespace", Options{Namespaces: []string{"blue"}}, []string{"blue/web"}},
		{"two namespaces", Options{Namespaces: []string{"argocd", "green"}}, []string{"argocd/api", "argocd/web", "green/api"}},
		{"names", Options{Names: []string{"x", "w*"}}, []string{"argocd/web", "blue/web"}},
		{"a label", Options{Labels: "team=red"}, []string{"argocd/web"}},
		{"a label and a name", Options{Labels: "team in (red, white)", Names: []string{"api"}}, []string{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, client := start(t, argoserver.Options{}, test.options)
			put(t, server, web, minimal("green", "api"), minimal("blue", "web"), minimal("argocd", "api"))
			apps, err := client.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, keys(apps)); diff != "" {
				t.Error(diff)
			}
			if n := server.Total().Requests; n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// A list never stands in memory as it came: when an Application has been read,
// little of what comes behind it was.
func TestListReadsOneByOne(t *testing.T) {
	const many, size = 200, 20_000
	var text strings.Builder
	text.WriteString(`{"metadata":{},"items":[`)
	for i := range many {
		fmt.Fprintf(&text, `{"metadata":{"name":"a%d"},"status":{"resources":[%q]}},`, i, strings.Repeat("x", size))
	}
	text.WriteString(`{}]}`)
	from, seen := strings.NewReader(text.String()), 0
	l := list{admitsKey: func(argo.Key) bool { return false }, admits: func(argo.Application) bool {
		seen++
		if read := text.Len() - from.Len(); read > (seen+6)*size {
			t.Errorf("%d bytes were read for %d Applications", read, seen)
		}
		return false
	}}
	if err := l.read(from); err != nil || seen != many || l.entries != nil {
		t.Error(seen, err)
	}
}

// What an account may not get is not there for it.
func TestListByRights(t *testing.T) {
	server, client := start(t, argoserver.Options{Policy: "p, image-updater, applications, *, shop/*, allow\np, image-updater, applications, *, */blue/*, deny"}, Options{})
	put(t, server, web, minimal("argocd", "other"), strings.Replace(web, "name: web", "name: web\n  namespace: blue", 1))
	apps, err := client.List(t.Context())
	if diff := cmp.Diff([]string{"argocd/web"}, keys(apps)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// Nothing to see is said where it may be a matter of rights.
func TestListNotices(t *testing.T) {
	server, client := start(t, argoserver.Options{Policy: "p, image-updater, applications, get, blue/*, allow"}, Options{})
	put(t, server, web)
	if apps, err := client.List(t.Context()); err != nil || len(apps) > 0 {
		t.Error(keys(apps), err)
	}
	want := "argo cd at " + server.Host() + " shows no Application, and the account may not get every one: grant it in argocd-rbac-cm: p, role:image-updater, applications, get, */*, allow"
	if diff := cmp.Diff([]string{want}, client.Notices()); diff != "" {
		t.Error(diff)
	}
	put(t, server, strings.Replace(web, "project: shop", "project: blue", 1))
	if _, err := client.List(t.Context()); err != nil || client.Notices() != nil {
		t.Error(err, client.Notices())
	}
	_, all := start(t, argoserver.Options{}, Options{})
	if _, err := all.List(t.Context()); err != nil || all.Notices() != nil {
		t.Error(err, all.Notices())
	}
}

// An Application that is none hides nobody.
func TestListProblems(t *testing.T) {
	server, client := start(t, argoserver.Options{}, Options{})
	put(t, server, web, "metadata: {name: bad}\nspec: {sources: 5}", minimal("argocd", "api"))
	apps, err := client.List(t.Context())
	if diff := cmp.Diff([]string{"argocd/api", "argocd/web"}, keys(apps)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	problems := client.Problems()
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "application argocd/bad: spec.sources: ") {
		t.Error(problems)
	}
	var malformed *argo.MalformedError
	if _, err := client.Get(t.Context(), argo.Key{Namespace: "argocd", Name: "bad"}); !errors.As(err, &malformed) {
		t.Error(err)
	}
	server.Delete("argocd", "bad")
	if _, err := client.List(t.Context()); err != nil || len(client.Problems()) > 0 {
		t.Error(err, client.Problems())
	}
}

// facts are what a call may end with.
func facts() map[string]error {
	return map[string]error{
		"denied": fault.ErrDenied, "not found": fault.ErrNotFound, "unavailable": fault.ErrUnavailable,
		"lost race": fault.ErrLostRace, "refused": fault.ErrRefused,
	}
}

func fact(err error) string {
	for name, fact := range facts() {
		if errors.Is(err, fact) {
			return name
		}
	}
	return ""
}

// TestFaults: whatever harm is done to the answer of a list, the list is an
// error of the right fact that says who, what and the remedy.
func TestFaults(t *testing.T) {
	cutAfter := func(text string) itest.Harm {
		return itest.Rewrite(func(_ http.Header, body []byte) []byte {
			head, _, _ := strings.Cut(string(body), text)
			return []byte(head + text)
		})
	}
	body := func(text string) itest.Harm {
		return itest.Rewrite(func(http.Header, []byte) []byte { return []byte(text) })
	}
	tests := []struct {
		name string
		harm itest.Harm
		fact string
		text string
	}{
		{"no session", argoserver.Refuse(argoserver.Unauthenticated, "no session information"), "denied", "401 no session information: the token is not accepted: make a new one with argocd account generate-token"},
		{"forbidden", argoserver.Refuse(argoserver.PermissionDenied, "permission denied"), "denied", "403 permission denied: grant it in argocd-rbac-cm: p, role:image-updater, applications, get, */*, allow"},
		{"bad request", argoserver.Refuse(argoserver.InvalidArgument, "no such thing"), "refused", "400 no such thing"},
		{"conflict", argoserver.Refuse(argoserver.Aborted, "later"), "lost race", "409 later"},
		{"too many requests", argoserver.Refuse(argoserver.ResourceExhausted, "grpc: received message larger than max"), "unavailable", "429 grpc: received message larger than max"},
		{"internal", argoserver.Refuse(argoserver.Unknown, "accident"), "unavailable", "500 accident"},
		{"unavailable", argoserver.Refuse(argoserver.Unavailable, "starting"), "unavailable", "503 starting"},
		{"a proxy's status", argoserver.LoginPage(http.StatusBadGateway), "unavailable", "502 Bad Gateway"},
		{"a login page", argoserver.LoginPage(http.StatusOK), "unavailable", `200 OK: the answer is "text/html" and none of an Argo CD API server: is the address right, with its root path, and does no login page stand before it?`},
		{"a login page that denies", argoserver.LoginPage(http.StatusForbidden), "denied", "403 Forbidden"},
		{"a page that is not found", argoserver.LoginPage(http.StatusNotFound), "unavailable", `404 Not Found: the answer is "text/html"`},
		{"the server's words are long and wild", argoserver.Refuse(argoserver.Unknown, "a\x1b[31m\n\t b "+token+strings.Repeat("x", 1000)), "unavailable", "500 a [31m b (redacted)xxx"},
		{"cut", itest.Cut(), "unavailable", "the answer breaks off"},
		{"cut between two Applications", cutAfter("},{"), "unavailable", "the answer breaks off"},
		{"cut behind the last Application", cutAfter("}]"), "unavailable", "the answer breaks off"},
		{"cut within the list's own fields", cutAfter(`{"metadata":`), "unavailable", "the answer breaks off"},
		{"nothing", body(""), "unavailable", "the answer breaks off"},
		{"a list that is a map", body(`{"items":{}}`), "unavailable", "does not parse"},
		{"no list at all", body(`[]`), "unavailable", "does not parse"},
		{"no list in it", body(`{"metadata":{}}`), "unavailable", "does not parse"},
		{"two lists", body(`{"items":[]}{"items":[]}`), "unavailable", "does not parse"},
		{"no JSON", body(`{"items":[{"metadata":{"name":"a"}},nonsense]}`), "unavailable", "does not parse"},
		{"an Application of 9 MiB", body(`{"items":[{"metadata":{"name":"` + strings.Repeat("x", 9<<20) + `"}}]}`), "unavailable", "an Application is larger than 8 MiB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, client := start(t, argoserver.Options{}, Options{})
			put(t, server, web, minimal("argocd", "api"))
			if _, err := client.List(t.Context()); err != nil {
				t.Fatal(err)
			}
			server.Break(itest.Fault{Kind: argoserver.KindList, Harm: test.harm})
			apps, err := client.List(t.Context())
			if apps != nil || fact(err) != test.fact || !strings.Contains(fmt.Sprint(err), test.text) {
				t.Errorf("%v\nand %v, want %s: %s", err, keys(apps), test.fact, test.text)
			}
			if !strings.HasPrefix(fmt.Sprint(err), "list applications at 127.0.0.1:") || strings.Contains(fmt.Sprint(err), token) || len(fmt.Sprint(err)) > 800 {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTimeouts(t *testing.T) {
	server, client := start(t, argoserver.Options{}, Options{Timeout: 50 * time.Millisecond})
	put(t, server, web)
	server.Break(itest.Fault{Harm: itest.Slow(time.Minute)})
	if _, err := client.List(t.Context()); fact(err) != "unavailable" {
		t.Error(err)
	}
	if _, err := client.Get(t.Context(), argo.Key{Namespace: "argocd", Name: "web"}); fact(err) != "unavailable" {
		t.Error(err)
	}
	server.Mend()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.List(ctx); !errors.Is(err, context.Canceled) || fact(err) != "" {
		t.Error("an end that was asked for is no fault of the server:", err)
	}
	server.Close()
	if _, err := client.List(t.Context()); fact(err) != "unavailable" || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}

// jwt is a token as Argo CD makes them, unsigned.
func jwt(t *testing.T, claims map[string]any) Token {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return Token("e30." + base64.RawURLEncoding.EncodeToString(text) + ".sig")
}

func TestTokens(t *testing.T) {
	tests := []struct {
		name  string
		token Token
		want  string
	}{
		{"of an unknown account", "x", "the token is not accepted: make a new one with argocd account generate-token --account <account>"},
		{"expired", jwt(t, map[string]any{"sub": "bot:apiKey", "exp": 1767225600}), "the token expired at 2026-01-01T00:00:00Z: make a new one with argocd account generate-token --account bot"},
		{"of another server", jwt(t, map[string]any{"sub": "bot:apiKey", "exp": 99999999999}), "the token is not accepted: make a new one with argocd account generate-token --account bot"},
		{"without end", jwt(t, map[string]any{"sub": "proj:shop:ci"}), "the token is not accepted: make a new one with argocd account generate-token --account <account>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, client := start(t, argoserver.Options{}, Options{Token: test.token})
			_, err := client.List(t.Context())
			if fact(err) != "denied" || !strings.HasSuffix(err.Error(), test.want) {
				t.Error(err)
			}
		})
	}
	server, _ := start(t, argoserver.Options{}, Options{})
	client, err := New(Options{Address: server.Address()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.List(t.Context()); fact(err) != "denied" || !strings.Contains(err.Error(), "401 no session information: no token is set") {
		t.Error(err)
	}
}

func TestTokenNeverPrintsItself(t *testing.T) {
	o := Options{Token: "hunter2"}
	text, err := json.Marshal(map[string]any{"token": o.Token})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(text), fmt.Sprint(o), fmt.Sprintf("%+v", o), fmt.Sprintf("%#v", &o), o.Token.String(), fmt.Sprintf("%q", o.Token)} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, redacted) {
			t.Error(text)
		}
	}
}

// The token goes to the one server and nowhere else.
func TestRedirects(t *testing.T) {
	var visitors []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		visitors = append(visitors, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	server, client := start(t, argoserver.Options{}, Options{})
	put(t, server, web)
	server.Break(itest.Fault{Harm: argoserver.RedirectTo(elsewhere.URL + "/login")})
	_, err := client.List(t.Context())
	if fact(err) != "unavailable" || !strings.Contains(err.Error(), "it redirects to "+strings.TrimPrefix(elsewhere.URL, "http://")) {
		t.Error(err)
	}
	if visitors != nil {
		t.Error("visited with", visitors)
	}
	server.Mend()
	server.Break(itest.Fault{Harm: argoserver.RedirectTo(strings.Replace(server.URL(), "http://", "https://", 1))})
	if _, err := client.List(t.Context()); err == nil || !strings.Contains(err.Error(), "the server wants TLS: leave argocd.plaintext unset") {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	server, _ := start(t, argoserver.Options{TLS: true}, Options{})
	put(t, server, web)
	_, plain := start(t, argoserver.Options{}, Options{})
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{"unknown authority", Options{Address: server.Host()}, `certificate signed by unknown authority: name its authority with --argocd-ca-file, or set argocd.insecure: "true"`},
		{"known authority", Options{Address: server.Host(), CA: server.CA()}, ""},
		{"insecure", Options{Address: server.Host(), Insecure: true}, ""},
		{"TLS to a server without", Options{Address: plain.base.Host}, `the server does not speak TLS: set argocd.plaintext: "true" if that is intended`},
		{"a server without TLS", Options{Address: plain.base.Host, Plaintext: true}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Token = token
			client, err := New(test.options)
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.List(t.Context())
			switch {
			case test.want == "" && err != nil, test.want != "" && (fact(err) != "unavailable" || !strings.Contains(err.Error(), test.want)):
				t.Error(err)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	tests := []struct {
		address   string
		plaintext bool
		want      string // the URL, or a part of the error
	}{
		{DefaultAddress("argocd"), false, "https://argocd-server.argocd"},
		{"argocd.example.com:8443", false, "https://argocd.example.com:8443"},
		{"localhost:8080", true, "http://localhost:8080"},
		{"http://localhost:8080/", false, "http://localhost:8080"},
		{"https://example.com/argo-cd/", false, "https://example.com/argo-cd"},
		{"example.com/argo-cd", false, "https://example.com/argo-cd"},
		{"[::1]:443", false, "https://[::1]:443"},
		{"https://example.com", true, "exclude each other"},
		{"", false, "host:port or https://host:port expected"},
		{"ftp://example.com", false, "host:port or https://host:port expected"},
		{"example.com:port", false, "host:port or https://host:port expected"},
		{"https://admin:hunter2@example.com", false, "neither user nor query"},
		{"https://example.com?token=hunter2", false, "neither user nor query"},
	}
	for _, test := range tests {
		client, err := New(Options{Address: test.address, Plaintext: test.plaintext})
		switch {
		case err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%q: %v", test.address, err)
		case err == nil && client.base.String() != test.want:
			t.Errorf("%q: %s, want %s", test.address, client.base, test.want)
		}
	}
	for _, o := range []Options{{Labels: "a b"}, {Names: []string{"[a"}}, {CA: []byte("none")}} {
		o.Address = "example.com"
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestRootPath(t *testing.T) {
	server, client := start(t, argoserver.Options{RootPath: "/argo-cd"}, Options{})
	put(t, server, web)
	if apps, err := client.List(t.Context()); err != nil || len(apps) != 1 {
		t.Error(keys(apps), err)
	}
	_, client = start(t, argoserver.Options{}, Options{Address: server.URL()})
	if _, err := client.List(t.Context()); fact(err) != "unavailable" || !strings.Contains(err.Error(), "with its root path") {
		t.Error(err)
	}
}
