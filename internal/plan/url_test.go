package plan

import (
	"strings"
	"testing"
	"unicode"
)

func TestRepositoryKey(t *testing.T) {
	same := []string{"https://git.example.com/org/app.git", "https://git.example.com/org/app", "https://git.example.com/org/app/", "HTTPS://Git.Example.com/org/app.git"}
	for _, url := range same {
		if got := repositoryKey(url); got != repositoryKey(same[0]) {
			t.Errorf("%s has the key %s", url, got)
		}
	}
	// What a server may keep apart is apart.
	for _, url := range []string{"https://git.example.com/Org/app", "https://git.example.com:8443/org/app", "ssh://git@git.example.com/org/app", "git@git.example.com:org/app", "/srv/app", "/srv/app.git"} {
		if got := repositoryKey(url); got == repositoryKey(same[0]) || got == repositoryKey("/srv/app/") {
			t.Errorf("%s has the key %s of another repository", url, got)
		}
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
