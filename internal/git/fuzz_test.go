package git

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
)

// A verdict is success only if the report says so of this branch, and it is
// one short line.
func FuzzVerdict(f *testing.F) {
	for _, s := range [][3]string{
		{"ok", "ok", ""}, {"ok", "non-fast-forward", ""}, {"ok", "pre-receive hook declined", "main is\nprotected"}, {"ok", "failed to update ref", ""},
		{"index-pack abnormal exit", "unpacker error", "\x1b[31mdisk full"}, {"", "", ""},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, unpack, status, said string) {
		const name = "refs/heads/main"
		report := &packp.ReportStatus{UnpackStatus: unpack, CommandStatuses: []*packp.CommandStatus{{ReferenceName: name, Status: status}}}
		err := verdict(name, report, nil, said)
		if (err == nil) != (unpack == "ok" && status == "ok") {
			t.Fatalf("got %v", err)
		}
		if other := verdict("refs/heads/other", report, nil, said); other == nil || errors.Is(other, fault.ErrLostRace) {
			t.Errorf("of another branch: got %v", other)
		}
		if err == nil {
			return
		}
		if len(err.Error()) > 2*maxWords+200 || strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Errorf("got %q", err)
		}
		if errors.Is(err, fault.ErrLostRace) != (unpack == "ok" && isRace(status)) {
			t.Errorf("got %v", err)
		}
	})
}

// No URL makes us panic, and none goes where nobody asked for.
func FuzzDial(f *testing.F) {
	for _, s := range []string{"https://h/x", "git@h:x", "ssh://h:1/x", "file:///x", "/x", "ftp://h/x", "git://h/x", "https://[::1]:1/x", ":", "", "ssh://h:99999999999/x"} {
		f.Add(s)
	}
	c := New(Options{})
	f.Fuzz(func(t *testing.T, raw string) {
		e, err := c.dialled(plan.Remote{URL: raw})
		if err == nil && e.transport == nil {
			t.Errorf("%q: SSH without a key", raw)
		}
	})
}

// The address by which a login is chosen has the host that is connected to.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"https://me:pw@git.corp:8443/team/app.git", "ssh://git@git.corp:22/app", "git@git.corp:team/app", "git.corp:x@evil:y", "/srv/git/app", "./a:b",
		"https://evil?@git.corp/app", "https://evil#@git.corp/app", `https://evil\@git.corp/app`, "git@evil:x@git.corp:app", "https://[::1]:1/app",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := transport.NewEndpoint(s)
		got := argo.ParseAddress(s)
		if err != nil || at.Protocol == "file" || got.Protocol == "file" { // nowhere to log in, or with nothing
			return
		}
		if strings.Trim(at.Host, "[:]") == "" || !slices.Contains([]string{"http", "https", "ssh", "git"}, at.Protocol) { // nobody is there
			return
		}
		rest, ok := strings.CutPrefix(got.Place, strings.ToLower(at.Host))
		if got.Protocol != at.Protocol || !ok || rest != "" && !strings.ContainsRune("/:", rune(rest[0])) {
			t.Errorf("%q: chosen by %q, connected by %s to %q", s, got, at.Protocol, at.Host)
		}
	})
}
