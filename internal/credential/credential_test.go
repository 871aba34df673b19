package credential_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"argocd-image-updater/internal/credential"
)

const hidden = "hunter2-hidden"

func TestParseReference(t *testing.T) {
	tests := []struct {
		in   string
		want credential.Reference
		text string
	}{
		{"pullsecret:argocd/hub", credential.Reference{Kind: credential.PullSecret, Namespace: "argocd", Name: "hub"}, "pullsecret:argocd/hub"},
		{"secret:argocd/hub#creds", credential.Reference{Kind: credential.Secret, Namespace: "argocd", Name: "hub", Field: "creds"}, "secret:argocd/hub#creds"},
		{"secret:argocd/hub", credential.Reference{Kind: credential.Secret, Namespace: "argocd", Name: "hub"}, "secret:argocd/hub"},
		{"env:HUB_LOGIN", credential.Reference{Kind: credential.Env, Name: "HUB_LOGIN"}, "env:HUB_LOGIN"},
		{"ext:/scripts/ecr.sh", credential.Reference{Kind: credential.Script, Name: "/scripts/ecr.sh"}, "ext:/scripts/ecr.sh"},
		{"ext:/scripts/a=b", credential.Reference{Kind: credential.Script, Name: "/scripts/a=b"}, "ext:/scripts/a=b"},
		{" ENV:X ", credential.Reference{Kind: credential.Env, Name: "X"}, "env:X"},
		{"PullSecret:a/b", credential.Reference{Kind: credential.PullSecret, Namespace: "a", Name: "b"}, "pullsecret:a/b"},
		{"docker.io=env:X", credential.Reference{Kind: credential.Env, Name: "X"}, "env:X"},
		{"localhost:5000=secret:a/b#c", credential.Reference{Kind: credential.Secret, Namespace: "a", Name: "b", Field: "c"}, "secret:a/b#c"},
	}
	for _, tt := range tests {
		got, err := credential.ParseReference(tt.in)
		if err != nil || got != tt.want || got.String() != tt.text {
			t.Errorf("%q: got %#v %q, %v", tt.in, got, got, err)
		}
	}
}

func TestParseReferenceErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "pullsecret:<namespace>/<name>",
		"hub":                   "pullsecret:<namespace>/<name>",
		"vault:x":               `unknown type "vault"`,
		"pullsecret:hub":        "pullsecret: takes <namespace>/<name> of a Secret",
		"pullsecret:a/b/c":      "takes <namespace>/<name>",
		"pullsecret:a/b#c":      "takes <namespace>/<name>",
		"secret:a/B":            "takes <namespace>/<name>",
		"secret:/b":             "takes <namespace>/<name>",
		"secret:a/b#":           "the field after #",
		"secret:a/b#x/y":        "the field after #",
		"env:":                  "takes the name of an environment variable",
		"env:A B":               "takes the name of an environment variable",
		"ext:script.sh":         "takes the absolute path of a program",
		"ext:/a\x00b":           "takes the absolute path of a program",
		"docker.io=env:X=y":     "takes the name of an environment variable",
		"docker.io=quay.io=foo": "expected",
	} {
		_, err := credential.ParseReference(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestParseGitReference(t *testing.T) {
	for in, want := range map[string]credential.Reference{
		"":                {Kind: credential.RepoCreds},
		"repocreds":       {Kind: credential.RepoCreds},
		"secret:argocd/g": {Kind: credential.Secret, Namespace: "argocd", Name: "g"},
		"secret:g":        {Kind: credential.Secret, Name: "g"},
		"Secret:g":        {Kind: credential.Secret, Name: "g"},
	} {
		got, err := credential.ParseGitReference(in)
		if err != nil || got != want {
			t.Errorf("%q: %#v, %v", in, got, err)
		}
	}
	for _, in := range []string{"secret:", "secret:a/", "secret:/b", "secret:a/b#c", "secret:a/b/c", "env:X", "repocreds:x", ":"} {
		if got, err := credential.ParseGitReference(in); err == nil {
			t.Errorf("%q: %#v", in, got)
		}
	}
}

func TestScope(t *testing.T) {
	secret := func(ns string) credential.Reference {
		return credential.Reference{Kind: credential.Secret, Namespace: ns, Name: "s"}
	}
	app := credential.ApplicationScope("team")
	process := credential.ProcessScope("updater", "argocd")
	tests := []struct {
		scope credential.Scope
		ref   credential.Reference
		want  credential.Reference
		err   string
	}{
		{app, secret("team"), secret("team"), ""},
		{app, secret(""), secret("team"), ""},
		{app, secret("argocd"), credential.Reference{}, `credential "secret:argocd/s": a Secret of namespace "argocd" may not be used here: move it to the Application's own namespace (team)`},
		{process, secret("updater"), secret("updater"), ""},
		{process, secret("argocd"), secret("argocd"), ""},
		{process, secret("team"), credential.Reference{}, "move it to the namespaces of the updater and of Argo CD (updater, argocd)"},
		{credential.Scope{}, secret("team"), credential.Reference{}, "may not be used here"},
		{credential.ApplicationScope(""), secret(""), credential.Reference{}, "may not be used here"},
		{app, credential.Reference{Kind: credential.Env, Name: "X"}, credential.Reference{Kind: credential.Env, Name: "X"}, ""},
		{app, credential.Reference{}, credential.Reference{}, ""},
	}
	for _, tt := range tests {
		got, err := tt.scope.Resolve(tt.ref)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%v in %v: %v, %v", tt.ref, tt.scope, got, err)
		}
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestDockerConfigLookup(t *testing.T) {
	config := `{"auths": {
		"https://index.docker.io/v1/": {"auth": "` + b64("hub:p:w\n") + `"},
		"ghcr.io":            {"username": "host", "password": "pw\n"},
		"ghcr.io/org":        {"username": "org", "password": "pw"},
		"https://quay.io":    {"username": "a", "password": "pw", "auth": "` + b64("b:pw") + `"},
		"quay.io":            {"username": "z", "password": "pw"},
		"token.example":      {"auth": "` + b64("u:p") + `", "identitytoken": "refresh"},
		"empty.example":      {},
		"LocalHost:5000/v2/": {"auth": "` + strings.TrimRight(b64("l:pw"), "=") + `"},
		"broken.example":     {"auth": "%%%"},
		"nocolon.example":    {"auth": "` + b64(hidden) + `"}
	}}`
	c, err := credential.ParseDockerConfig([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	user := func(u, p string) credential.Registry { return credential.Registry{Username: u, Password: p} }
	tests := []struct {
		names []string
		want  credential.Registry
	}{
		{[]string{"docker.io/library/nginx"}, user("hub", "p:w")},
		{[]string{"registry-1.docker.io"}, user("hub", "p:w")},
		{[]string{"ghcr.io/organic/app"}, user("host", "pw")},
		{[]string{"ghcr.io/org/app"}, user("org", "pw")},
		{[]string{"quay.io/a/b"}, user("b", "pw")}, // the first in alphabetical order: https://quay.io
		{[]string{"token.example/x"}, credential.Registry{IdentityToken: "refresh"}},
		{[]string{"localhost:5000/x"}, user("l", "pw")},
		{[]string{"images.example/x", "ghcr.io"}, user("host", "pw")},
		{[]string{"empty.example/x"}, credential.Registry{}},
		{[]string{"ghcr.iox/org/app"}, credential.Registry{}},
		{nil, credential.Registry{}},
	}
	for range 20 { // the order of a map must not show
		for _, tt := range tests {
			got, found, err := c.Lookup(tt.names...)
			if err != nil || got != tt.want || found != (tt.want != credential.Registry{}) {
				t.Fatalf("%v: user %q, found %v, %v", tt.names, got.Username, found, err)
			}
		}
	}
	for host, want := range map[string]string{
		"broken.example":  `docker config entry "broken.example": auth is not base64 of user:password`,
		"nocolon.example": `docker config entry "nocolon.example": auth: user:password expected, and there is no colon in it`,
	} {
		if _, found, err := c.Lookup(host); found || err == nil || err.Error() != want {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestDockerConfigHelpers(t *testing.T) {
	c, err := credential.ParseDockerConfig([]byte(`{
		"auths": {"stored.example": {}, "plain.example": {"auth": "` + b64("u:p") + `"}},
		"credHelpers": {"1.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login"}, "credsStore": "desktop"}`))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"1.dkr.ecr.eu-west-1.amazonaws.com/app": "docker-credential-ecr-login",
		"stored.example/app":                    "docker-credential-desktop",
	} {
		if _, _, err := c.Lookup(host); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, found, err := c.Lookup("plain.example"); !found || err != nil {
		t.Errorf("plain.example: %v %v", found, err)
	}
	if _, found, err := c.Lookup("other.example"); found || err != nil {
		t.Errorf("other.example: %v %v", found, err)
	}
}

func TestFromSecret(t *testing.T) {
	content := func(pairs ...string) map[string][]byte {
		m := map[string][]byte{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = []byte(pairs[i+1])
		}
		return m
	}
	config := `{"auths": {"ghcr.io": {"auth": "` + b64("u:"+hidden) + `"}}}`
	legacy := `{"ghcr.io": {"auth": "` + b64("u:"+hidden) + `", "email": "x@y"}}`
	tests := []struct {
		ref     string
		content map[string][]byte
		err     string // "": the login is u and the hidden password
	}{
		{"pullsecret:a/b", content(".dockerconfigjson", config), ""},
		{"pullsecret:a/b", content(".dockercfg", legacy), ""},
		{"secret:a/b", content(".dockerconfigjson", config), ""},
		{"secret:a/b", content("username", "u\n", "password", hidden+"\n"), ""},
		{"secret:a/b#creds", content("creds", "u:"+hidden+"\r\n"), ""},
		{"secret:a/b#creds", content("token", hidden, "cred", hidden), `credential secret:a/b#creds: the Secret has no field "creds" (fields: cred, token)`},
		{"secret:a/b#creds", content(), `credential secret:a/b#creds: the Secret has no field "creds" (fields: none)`},
		{"secret:a/b#creds", content("creds", hidden), `credential secret:a/b#creds: user:password expected, and there is no colon in it`},
		{"secret:a/b", content("password", hidden), `credential secret:a/b: fields username and password: the user is empty`},
		{"secret:a/b", content("creds", "u:"+hidden), `credential secret:a/b: the Secret has neither username and password nor .dockerconfigjson (fields: creds): name the field that holds user:password after a #`},
		{"pullsecret:a/b", content("username", "u", "password", hidden), `credential pullsecret:a/b: the Secret has no field .dockerconfigjson (fields: password, username)`},
		{"pullsecret:a/b", content(".dockerconfigjson", `{"auths": {"quay.io": {"auth": "`+b64("u:"+hidden)+`"}}}`), `credential pullsecret:a/b: the docker config has no login for ghcr.io/org/app, but for quay.io`},
		{"pullsecret:a/b", content(".dockerconfigjson", `{}`), `credential pullsecret:a/b: the docker config has no login for ghcr.io/org/app, but for no registry at all`},
		{"pullsecret:a/b", content(".dockerconfigjson", hidden), `credential pullsecret:a/b: docker config is not JSON (byte 1)`},
		{"pullsecret:a/b", content(".dockerconfigjson", `{"auths": "`+hidden+`"}`), `credential pullsecret:a/b: docker config: map expected at byte 26`},
	}
	for _, tt := range tests {
		ref, err := credential.ParseReference(tt.ref)
		if err != nil {
			t.Fatal(err)
		}
		got, err := credential.FromSecret(tt.content, ref, "ghcr.io/org/app")
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%s\n got %v\nwant %s", tt.ref, err, tt.err)
			}
			continue
		}
		if want := (credential.Registry{Username: "u", Password: hidden, From: tt.ref}); err != nil || got != want {
			t.Errorf("%s: user %q from %q, %v", tt.ref, got.Username, got.From, err)
		}
	}
}

// A login gets into logs and error texts sooner or later; it must not tell.
func TestLoginsNeverPrintThemselves(t *testing.T) {
	registry := credential.Registry{Username: hidden, Password: hidden, IdentityToken: hidden, From: "env:X"}
	asNumbers := fmt.Sprint([]byte(hidden)) //nolint:staticcheck // it is the numbers that are wanted
	git := credential.Git{
		Username: hidden, Password: hidden, Bearer: hidden, SSHKey: []byte(hidden), Passphrase: hidden,
		ClientKey: []byte(hidden), Proxy: "http://u:" + hidden + "@proxy", From: "env:X",
	}
	for _, v := range []any{registry, &registry, git, &git, []any{registry, git}, struct{ R credential.Registry }{registry}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, hidden) || strings.Contains(got, asNumbers) {
				t.Errorf("%s of %T: %s", verb, v, got)
			}
		}
		if b, err := json.Marshal(v); err != nil || strings.Contains(string(b), hidden) || !strings.Contains(string(b), "(redacted) env:X") {
			t.Errorf("JSON of %T: %s %v", v, b, err)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"pullsecret:a/b", "x=secret:a/b#c", "env:A", "ext:/a", "localhost:5000=env:X"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := credential.ParseReference(s)
		if err != nil {
			return
		}
		again, err := credential.ParseReference(ref.String())
		if err != nil || again != ref {
			t.Errorf("%q prints as %q, which parses as %#v, %v", s, ref, again, err)
		}
	})
}

func FuzzDockerConfig(f *testing.F) {
	f.Add([]byte(`{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}}`), "docker.io")
	f.Add([]byte(`{"ghcr.io":{"username":"u","password":"p"}}`), "ghcr.io/org")
	f.Add([]byte(`{"credHelpers":{"x":"y"},"credsStore":"z"}`), "x")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		c, err := credential.ParseDockerConfig(b)
		if err != nil {
			return
		}
		login, found, err := c.Lookup(name)
		if found && (err != nil || login.IdentityToken == "" && (login.Username == "" || login.Password == "")) {
			t.Errorf("found a login without a secret: %v", err)
		}
	})
}
