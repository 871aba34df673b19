package argo

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestParseAddress(t *testing.T) {
	for url, want := range map[string]Address{
		"https://github.com/Org/App.git":      {"https", "github.com/org/app"},
		"HTTPS://me:pw@GitHub.com/org/app/\n": {"https", "github.com/org/app"},
		"https://github.com:8443/org/app":     {"https", "github.com:8443/org/app"},
		"https://github.com":                  {"https", "github.com"},
		"https://github.com/":                 {"https", "github.com"},
		"https://":                            {"https", ""},
		"http://git.corp/app":                 {"http", "git.corp/app"},
		"ssh://git@git.corp:2222/org/app":     {"ssh", "git.corp/org/app"},
		"git@git.corp:org/app.git":            {"ssh", "git.corp/org/app"},
		"git.corp:org/app":                    {"ssh", "git.corp/org/app"},
		"git.corp:org/app@v1":                 {"ssh", "git.corp/org/app@v1"},
		"git@git.corp:":                       {"ssh", "git.corp"},
		"git@git.corp":                        {"ssh", "git.corp"},
		"/srv/git/app.git":                    {"file", "/srv/git/app"},
		"/srv/git/me@home:app":                {"file", "/srv/git/me@home:app"},
		"file:///srv/git/app":                 {"file", "/srv/git/app"},
		"":                                    {"file", ""},
		// What looks like git.corp and is not.
		"https://evil.example?@git.corp/org/app":   {"https", "evil.example/?@git.corp/org/app"},
		"https://evil.example#@git.corp/org/app":   {"https", "evil.example/#@git.corp/org/app"},
		`https://evil.example\@git.corp/org/app`:   {"https", `evil.example/\@git.corp/org/app`},
		"https://git.corp:x@evil.example/org/app":  {"https", "evil.example/org/app"},
		"git.corp:x@evil.example:org/app":          {"ssh", "evil.example/org/app"},
		"git@evil.example:x@git.corp:org/app":      {"ssh", "evil.example/x@git.corp:org/app"},
		"git@evil.example:x://git@git.corp/org/ap": {"ssh", "evil.example/x://git@git.corp/org/ap"},
	} {
		if got := ParseAddress(url); got != want {
			t.Errorf("%q: %q, want %q", url, got, want)
		}
	}
}

func TestAddressAbove(t *testing.T) {
	var got []string
	for _, a := range ParseAddress("https://git.corp:8443/team/app.git").Above() {
		got = append(got, a.Protocol+" "+a.Place)
	}
	if diff := cmp.Diff([]string{"https git.corp:8443/team/app", "https git.corp:8443/team", "https git.corp:8443"}, got); diff != "" {
		t.Error(diff)
	}
	if len(Address{}.Above()) != 0 {
		t.Error("nothing is below of something")
	}
	if host := ParseAddress("https://git.corp:8443/team/app").Host(); host != "git.corp" {
		t.Errorf("host %q", host)
	}
}

// However a password is written into a URL, it is not shown.
func FuzzShownURL(f *testing.F) {
	for _, s := range []string{
		"https://user:S3CRET@host/x.git", "https://S3CRET@host/x.git", "ssh://git:S3CRET@host:22/x.git", "git@host:org/x.git",
		"https://u:S3CRET@host:bad/x", "https://u:S3%zzCRET@host/x", "https://u:S3CRET\n@host/", "//u:S3CRET@host", "http://a@b:S3CRET@c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := ShownURL(raw)
		if strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q is shown as %q", raw, got)
		}
		scheme, rest, ok := strings.Cut(raw, "://")
		if !ok || strings.ContainsAny(scheme, "/@:") || strings.HasPrefix(got, "ssh://") {
			return
		}
		authority, _, _ := strings.Cut(rest, "/")
		if i := strings.LastIndex(authority, "@"); i >= 0 && strings.Contains(got, authority[:i+1]) {
			t.Errorf("%q is shown as %q", raw, got)
		}
	})
}

func TestTheUserOfSSHIsShown(t *testing.T) {
	if got := ShownURL("ssh://git:S3CRET@host:22/x.git"); got != "ssh://git@host:22/x.git" {
		t.Errorf("got %q", got)
	}
}
