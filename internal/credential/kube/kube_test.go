package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
)

// hidden is the secret part of every login here.
const hidden = "hunter2"

func reference(t *testing.T, text string) credential.Reference {
	t.Helper()
	ref, err := credential.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func gitReference(t *testing.T, text string) credential.Reference {
	t.Helper()
	ref, err := credential.ParseGitReference(text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// fails checks the fact and the text of an error, and that it keeps secrets.
func fails(t *testing.T, what string, err, fact error, text string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %s", what, text)
		return
	}
	for _, f := range []error{fault.ErrDenied, fault.ErrNotFound, fault.ErrUnavailable} {
		if errors.Is(err, f) != (f == fact) { //nolint:errorlint // the sentinel itself
			t.Errorf("%s: %v: is it %v?", what, err, f)
		}
	}
	if err.Error() != text {
		t.Errorf("%s:\n got %v\nwant %s", what, err, text)
	}
	if strings.Contains(err.Error(), hidden) {
		t.Errorf("%s: tells a secret: %v", what, err)
	}
}

func dockerConfig(host string) string {
	return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte("bot:"+hidden)))
}

func TestRegistry(t *testing.T) {
	s := serve(t)
	s.secret("team", "pull", ".dockerconfigjson", dockerConfig("ghcr.io"))
	s.secret("team", "pair", "username", "bot", "password", hidden+"\n")
	s.secret("argocd", "field", "creds", "bot:"+hidden)
	s.secret("updater", "own", "creds", "bot:"+hidden)
	s.secret("team", "empty")
	source := s.source()
	const forbidden = `: denied: secrets "x" is forbidden: User "system:serviceaccount:updater:argocd-image-updater" cannot get resource "secrets" in API group "" in the namespace "other": let a Role of namespace other grant "get" on "secrets" of apiGroup "" to the ServiceAccount that we run as`
	for _, c := range []struct {
		namespace, ref string
		fact           error
		err            string
	}{
		{"team", "pullsecret:team/pull", nil, ""},
		{"team", "secret:team/pull", nil, ""},
		{"team", "secret:team/pair", nil, ""},
		{"argocd", "secret:argocd/field#creds", nil, ""},
		{"", "secret:argocd/field#creds", nil, ""},
		{"", "secret:updater/own#creds", nil, ""},
		{"team", "pullsecret:team/none", fault.ErrNotFound, "credential pullsecret:team/none: secret team/none: not found: create it, or name another one"},
		{"team", "pullsecret:team/pair", nil, "credential pullsecret:team/pair: the Secret has no field .dockerconfigjson (fields: password, username)"},
		{"team", "secret:team/pair#creds", nil, `credential secret:team/pair#creds: the Secret has no field "creds" (fields: password, username)`},
		{"team", "secret:team/empty", nil, "credential secret:team/empty: the Secret has neither username and password nor .dockerconfigjson (fields: none): name the field that holds user:password after a #"},
		{"other", "secret:other/x", fault.ErrDenied, "credential secret:other/x: secret other/x" + forbidden},
		{"team", "secret:argocd/field#creds", nil, `credential "secret:argocd/field#creds": a Secret of namespace "argocd" may not be used here: move it to the Application's own namespace (team)`},
		{"", "secret:team/pair", nil, `credential "secret:team/pair": a Secret of namespace "team" may not be used here: move it to the namespaces of the updater and of Argo CD (updater, argocd)`},
		{"team", "env:HOME", nil, "credential env:HOME: is in no Secret of the cluster: secret:<namespace>/<name> and pullsecret:<namespace>/<name> are"},
	} {
		got, err := source.Registry(t.Context(), c.namespace, reference(t, c.ref), "ghcr.io/org/app", "ghcr.io")
		if c.err != "" {
			fails(t, c.ref, err, c.fact, c.err)
		} else if err != nil || got.Username != "bot" || got.Password != hidden || got.From != c.ref {
			t.Errorf("%s: %s, %v", c.ref, got, err)
		}
	}
	// Each Secret once, and none that is out of reach.
	want := []string{"argocd/secrets/field", "other/secrets/x", "team/secrets/empty", "team/secrets/none", "team/secrets/pair", "team/secrets/pull", "updater/secrets/own"}
	if got := s.requests(); !slices.Equal(got, want) {
		t.Errorf("asked for %q, want %q", got, want)
	}
}

func TestGit(t *testing.T) {
	s := serve(t)
	s.secret("argocd", "entry", "type", "repository", "url", "https://git.corp/team/app", "username", "entry", "password", hidden)
	s.secret("argocd", "project", "type", "repository", "url", "https://git.corp/team/app", "project", "apart", "username", "project", "password", hidden)
	s.secret("argocd", "template", "type", "repo-creds", "url", "git@git.corp:team", "sshPrivateKey", hidden)
	s.secret("argocd", "app", "type", "repo-creds", "url", "https://github.com/org", "githubAppID", "1", "githubAppPrivateKey", hidden)
	s.secret("argocd", "bad", "type", "repository", "url", "https://bad.corp/app", "password", hidden, "insecure", "perhaps")
	s.secret("argocd", "public", "type", "repository", "url", "https://public.corp/app", "insecure", "true")
	s.secret("team", "own", "username", "own", "password", hidden)
	s.secret("team", "labelled", "type", "repository", "url", "https://git.corp/team/other", "password", hidden)
	source := s.source()
	named := func(text string) credential.Reference { return gitReference(t, text) }
	argocds := credential.Reference{Kind: credential.RepoCreds}
	for name, c := range map[string]struct {
		at        plan.Location
		from, err string
	}{
		"named":             {plan.Location{URL: "https://any.corp/app", Credential: named("secret:team/own"), Namespace: "team"}, "secret team/own", ""},
		"named by its name": {plan.Location{URL: "https://any.corp/app", Credential: named("secret:own"), Namespace: "team"}, "secret team/own", ""},
		"named from elsewhere": {plan.Location{URL: "https://any.corp/app", Credential: named("secret:team/own"), Namespace: "argocd"}, "",
			`credential "secret:team/own": a Secret of namespace "team" may not be used here: move it to the Application's own namespace (argocd)`},
		"named and not there": {plan.Location{URL: "https://any.corp/app", Credential: named("secret:none"), Namespace: "team"}, "",
			"credential secret:none: secret team/none: not found: create it, or name another one"},
		"named for another protocol": {plan.Location{URL: "git@git.corp:app", Credential: named("secret:own"), Namespace: "team"}, "",
			"secret team/own: it has no sshPrivateKey, and SSH needs one (fields: password, username)"},
		"an entry":          {plan.Location{URL: "https://git.corp/team/app.git", Credential: argocds, Project: "default"}, "secret argocd/entry", ""},
		"of the project":    {plan.Location{URL: "https://git.corp/team/app.git", Credential: argocds, Project: "apart"}, "secret argocd/project", ""},
		"a template":        {plan.Location{URL: "ssh://git@git.corp/team/app", Credential: argocds}, "secret argocd/template", ""},
		"nothing":           {plan.Location{URL: "https://git.corp/team/other", Credential: argocds}, "", ""},
		"the settings only": {plan.Location{URL: "https://public.corp/app", Credential: argocds}, "", ""},
		"a GitHub App": {plan.Location{URL: "https://github.com/org/app", Credential: argocds}, "",
			"secret argocd/app: it holds a GitHub App (githubAppPrivateKey), which is not supported yet: put a token of the Git server under password, or use an SSH URL with sshPrivateKey"},
		"something wrong": {plan.Location{URL: "https://bad.corp/app", Credential: argocds}, "", "secret argocd/bad: insecure is neither true nor false"},
	} {
		login, err := source.Git(t.Context(), c.at)
		if c.err != "" {
			fact := error(nil)
			if strings.Contains(c.err, "not found") {
				fact = fault.ErrNotFound
			}
			fails(t, name, err, fact, c.err)
		} else if err != nil || login.From != c.from || login.Insecure != (name == "the settings only") {
			t.Errorf("%s: %s, insecure %v, %v; want %s", name, login, login.Insecure, err, c.from)
		}
	}

	s.secret("updater", credential.LastResort, "username", "last", "password", hidden)
	at := plan.Location{URL: "https://git.corp/team/other", Credential: argocds}
	if login, err := source.Git(t.Context(), at); err != nil || login.From != "" {
		t.Errorf("a Secret that came in the middle of a cycle: %s, %v", login, err)
	}
	source.Forget()
	if login, err := source.Git(t.Context(), at); err != nil || login.From != "secret updater/git-creds" || login.Username != "last" {
		t.Errorf("in the next cycle: %s, %v", login, err)
	}
	if login, err := source.Git(t.Context(), plan.Location{URL: "http://git.corp/team/other", Credential: argocds}); err != nil || login.From != "" {
		t.Errorf("in the clear: %s, %v", login, err)
	}
}

func TestTrust(t *testing.T) {
	other := httptest.NewTLSServer(nil)
	t.Cleanup(other.Close)
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Certificate().Raw}))
	s := serve(t)
	s.secret("argocd", "key", "type", "repo-creds", "url", "git@git.corp", "sshPrivateKey", hidden)
	s.secret("argocd", "blind", "type", "repository", "url", "git@git.corp:blind", "sshPrivateKey", hidden, "insecure", "true")
	source := s.source()
	git := func(url string) credential.Git {
		t.Helper()
		login, err := source.Git(t.Context(), plan.Location{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		return login
	}

	// No ConfigMap is there: nobody is trusted, and it is told where to put them.
	login := git("git@git.corp:app")
	if login.KnownHosts == nil || len(login.KnownHosts) > 0 || login.TrustFrom != "key ssh_known_hosts of ConfigMap argocd/argocd-ssh-known-hosts-cm" {
		t.Errorf("known hosts %q from %s", login.KnownHosts, login.TrustFrom)
	}
	if login := git("https://git.corp:8443/app"); login.CA != nil || login.TrustFrom != "key git.corp of ConfigMap argocd/argocd-tls-certs-cm" {
		t.Errorf("authority %q from %s", login.CA, login.TrustFrom)
	}

	s.configMap("argocd-ssh-known-hosts-cm", "ssh_known_hosts", "git.corp ssh-ed25519 AAAA\n")
	s.configMap("argocd-tls-certs-cm", "git.corp", authority, "bad.corp", "nothing")
	source.Forget()
	if login := git("git@git.corp:app"); string(login.KnownHosts) != "git.corp ssh-ed25519 AAAA\n" {
		t.Errorf("known hosts %q", login.KnownHosts)
	}
	if login := git("git@git.corp:blind"); !login.Insecure || login.KnownHosts != nil {
		t.Errorf("insecure: known hosts %q", login.KnownHosts)
	}
	for _, url := range []string{"https://git.corp:8443/app", "https://GIT.corp/app", "https://me@git.corp/"} {
		if login := git(url); string(login.CA) != authority || login.KnownHosts != nil {
			t.Errorf("%s: authority %q", url, login.CA)
		}
		if pem, err := source.Authority(t.Context(), url); err != nil || pem != authority {
			t.Errorf("%s: authority %q, %v", url, pem, err)
		}
	}
	for _, url := range []string{"https://other.git.corp/app", "http://git.corp/app"} {
		if login := git(url); login.CA != nil {
			t.Errorf("%s: authority %q", url, login.CA)
		}
	}
	_, err := source.Authority(t.Context(), "https://bad.corp")
	fails(t, "no certificate", err, nil, "key bad.corp of ConfigMap argocd/argocd-tls-certs-cm holds no PEM certificate")

	// Nobody can be trusted over SSH then; over HTTPS the public authorities can.
	s.deny("get", "configmaps", "argocd")
	source.Forget()
	_, err = source.Git(t.Context(), plan.Location{URL: "git@git.corp:app"})
	const grant = `let a Role of namespace argocd grant "get" on "configmaps" of apiGroup "" to the ServiceAccount that we run as`
	fails(t, "no right", err, fault.ErrDenied, `known hosts: configmap argocd/argocd-ssh-known-hosts-cm: denied: configmaps "argocd-ssh-known-hosts-cm" is forbidden: `+
		`User "system:serviceaccount:updater:argocd-image-updater" cannot get resource "configmaps" in API group "" in the namespace "argocd": `+grant)
	if login, want := git("https://git.corp/app"), "key git.corp of ConfigMap argocd/argocd-tls-certs-cm, which may not be read: "+grant; login.CA != nil || login.TrustFrom != want {
		t.Errorf("authority %q from %s", login.CA, login.TrustFrom)
	}
	if pem, err := source.Authority(t.Context(), "https://git.corp"); err != nil || pem != "" {
		t.Errorf("authority %q, %v", pem, err)
	}
}

// However many repositories there are, and however many ask at once, there is
// one list of Secrets in a cycle, and one request for each other object.
func TestOneRequestForAll(t *testing.T) {
	s := serve(t)
	const n = 1_000
	for i := range n {
		s.secret("argocd", fmt.Sprint("repo-", i), "type", "repository", "url", fmt.Sprintf("https://git.corp/team/app-%d", i), "password", fmt.Sprint(hidden, i))
	}
	s.secret("team", "pull", ".dockerconfigjson", dockerConfig("ghcr.io"))
	source := s.source()
	pull := reference(t, "pullsecret:team/pull")
	for cycle := range 2 {
		var g errgroup.Group
		g.SetLimit(50)
		for i := range n + 10 {
			g.Go(func() error {
				login, err := source.Git(t.Context(), plan.Location{URL: fmt.Sprintf("https://git.corp/team/app-%d.git", i)})
				if err != nil || i < n && login.Password != fmt.Sprint(hidden, i) {
					return fmt.Errorf("app-%d: %s, %w", i, login, err)
				}
				_, err = source.Registry(t.Context(), "team", pull, "ghcr.io/org/app")
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf("%v %+v %#v %+v", source, source, source, source.known); strings.Contains(text, hidden) || strings.Contains(text, "0x68, 0x75") || strings.Contains(text, "104 117") {
			t.Error("a Source prints what it holds")
		}
		want := []string{"argocd/configmaps/argocd-tls-certs-cm", "argocd/secrets", "team/secrets/pull", "updater/secrets/git-creds"}
		if got := s.requests(); !slices.Equal(got, want) {
			t.Errorf("cycle %d: asked for %q, want %q", cycle, got, want)
		}
		source.Forget()
	}
}

// Who gives up takes no answer away from those who wait with him.
func TestWhoGivesUp(t *testing.T) {
	s := serve(t)
	s.secret("team", "pair", "username", "bot", "password", hidden)
	asked, goOn := make(chan struct{}), make(chan struct{})
	var requests atomic.Int32
	s.harms(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			close(asked)
			<-r.Context().Done()
			return
		}
		<-goOn
		_ = json.NewEncoder(w).Encode(written(s.secrets[argo.Key{Namespace: "team", Name: "pair"}]))
	})
	source := s.source()
	pair := reference(t, "secret:team/pair")
	ctx, giveUp := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error {
		if _, err := source.Registry(ctx, "team", pair); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("who gave up: %w", err)
		}
		return nil
	})
	<-asked
	for range 5 {
		g.Go(func() error {
			login, err := source.Registry(t.Context(), "team", pair)
			if err != nil || login.Password != hidden {
				return fmt.Errorf("who waited: %s, %w", login, err)
			}
			return nil
		})
	}
	giveUp()
	close(goOn)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := s.requests(); len(got) != 2 {
		t.Errorf("asked %d times, want twice", len(got))
	}
}

// What an API server does when it is not well, and what is no API server. Each
// is an error, and it is not asked again in this cycle.
func TestHarm(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("redirected with %s", r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	const what = "credential secret:team/pair: secret team/pair: "
	for name, c := range map[string]struct {
		harm http.HandlerFunc
		fact error
		err  string
	}{
		"internal error":      {status(500, `{"kind":"Status","message":"etcdserver:\nrequest timed out"}`), fault.ErrUnavailable, what + "unavailable: etcdserver: request timed out"},
		"too many requests":   {status(429, `{"kind":"Status","message":"too many requests, please try again later"}`), fault.ErrUnavailable, what + "unavailable: too many requests, please try again later"},
		"a gateway":           {status(503, "<html>"+hidden), fault.ErrUnavailable, what + "unavailable: 503 Service Unavailable"},
		"another server":      {status(404, "404 page not found"), fault.ErrUnavailable, what + "unavailable: 404 Not Found"},
		"a web page":          {status(200, "<html>"+hidden), fault.ErrUnavailable, what + "unavailable: the answer is not that of a Kubernetes API server"},
		"half an answer":      {status(200, `{"data": {"password": "`+hidden), fault.ErrUnavailable, what + "unavailable: the answer is not that of a Kubernetes API server"},
		"data that is no map": {status(200, `{"data": "`+hidden+`"}`), fault.ErrUnavailable, what + "unavailable: the answer is not that of a Kubernetes API server"},
		"a token that is not known": {status(401, `{"kind":"Status","message":"Unauthorized"}`), fault.ErrDenied,
			what + "denied: Unauthorized: the token or certificate that we log in with is wrong or has expired"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, fault.ErrUnavailable, what + "unavailable: 302 Found"},
		"endless words": {status(500, `{"kind":"Status","message":"`+strings.Repeat("a", 10_000)+`"}`), fault.ErrUnavailable,
			what + "unavailable: " + strings.Repeat("a", maxWords) + "…"},
	} {
		s := serve(t)
		s.secret("team", "pair", "username", "bot", "password", hidden)
		s.harms(c.harm)
		source := s.source()
		for range 2 {
			_, err := source.Registry(t.Context(), "team", reference(t, "secret:team/pair"))
			fails(t, name, err, c.fact, c.err)
		}
		if got := s.requests(); len(got) != 1 {
			t.Errorf("%s: asked %d times in one cycle", name, len(got))
		}
		source.Forget()
		s.harms(nil)
		if _, err := source.Registry(t.Context(), "team", reference(t, "secret:team/pair")); err != nil {
			t.Errorf("%s: the next cycle: %v", name, err)
		}
	}
}

// A list that cannot be had is an error of every repository; no other login is
// taken in its place.
func TestNoListNoLogin(t *testing.T) {
	s := serve(t)
	s.secret("updater", credential.LastResort, "password", hidden)
	s.deny("list", "secrets", "argocd")
	source := s.source()
	_, err := source.Git(t.Context(), plan.Location{URL: "https://git.corp/app"})
	fails(t, "no right", err, fault.ErrDenied, `credentials that Argo CD has for repositories: list secrets of namespace argocd: denied: secrets "" is forbidden: `+
		`User "system:serviceaccount:updater:argocd-image-updater" cannot list resource "secrets" in API group "" in the namespace "argocd": `+
		`let a Role of namespace argocd grant "list" on "secrets" of apiGroup "" to the ServiceAccount that we run as; or name a Secret of the Application's namespace with write-back-method: git:secret:<name>`)

	s = serve(t)
	s.deny("get", "secrets", "updater")
	_, err = s.source().Git(t.Context(), plan.Location{URL: "https://git.corp/app"})
	if !errors.Is(err, fault.ErrDenied) {
		t.Errorf("the last resort may not be read: %v", err)
	}

	s.Close()
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(Options{Server: at, Transport: http.DefaultTransport, Namespace: "updater", ArgoCD: "argocd"}).Git(t.Context(), plan.Location{URL: "https://git.corp/app"})
	if !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("nobody is there: %v", err)
	}
}
