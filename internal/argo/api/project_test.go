package api

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // as the program has it

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/itest/argoserver"
)

// TestProject: whether windows hold an Application back is what the server
// says, whatever time zone they have.
func TestProject(t *testing.T) {
	night := argoserver.Window{Kind: "deny", Schedule: "0 22 * * *", Duration: "8h"}
	office := argoserver.Window{Kind: "allow", Schedule: "0 8 * * 1-5", Duration: "9h", ManualSync: true}
	blink := argoserver.Window{Kind: "deny", Schedule: "30 4 * * *", Duration: "5m"}
	tests := []struct {
		name     string
		windows  argoserver.Windows
		at       string // on Monday, 2026-11-23
		reason   string // "" if nothing is forbidden
		opens    string
		isFailed bool
	}{
		{name: "none", at: "12:00"},
		{name: "deny, over", windows: argoserver.Windows{Assigned: []argoserver.Window{night}}, at: "12:00"},
		{
			name: "deny, active", windows: argoserver.Windows{Assigned: []argoserver.Window{night}, Active: []argoserver.Window{night}}, at: "04:00",
			reason: `project shop: spec.syncWindows[0], deny "0 22 * * *" for 8h in UTC, is active`, opens: "06:00",
		},
		{
			name: "deny, active east of here", windows: argoserver.Windows{Assigned: []argoserver.Window{night}, Active: []argoserver.Window{night}}, at: "20:30",
			reason: `deny "0 22 * * *" for 8h in Etc/GMT-2, is active`, opens: "04:00",
		},
		{name: "deny, over east of here", windows: argoserver.Windows{Assigned: []argoserver.Window{night}}, at: "05:30"},
		{
			name: "deny, active west of here", windows: argoserver.Windows{Assigned: []argoserver.Window{night}, Active: []argoserver.Window{night}}, at: "06:30",
			reason: `deny "0 22 * * *" for 8h in Etc/GMT+1, is active`, opens: "07:00",
		},
		{name: "allow, active", windows: argoserver.Windows{Assigned: []argoserver.Window{office}, Active: []argoserver.Window{office}}, at: "12:00"},
		{
			name: "allow, over", windows: argoserver.Windows{Assigned: []argoserver.Window{office}}, at: "19:00",
			reason: `no allow window is active; the next is spec.syncWindows[0], allow "0 8 * * 1-5" for 9h in UTC`, opens: "08:00",
		},
		{
			name: "the same twice in two zones", windows: argoserver.Windows{Assigned: []argoserver.Window{night, night}, Active: []argoserver.Window{night}}, at: "21:30",
			reason: "in Etc/GMT-1, is active", opens: "06:00",
		},
		{name: "in no whole-hour zone", windows: argoserver.Windows{Assigned: []argoserver.Window{blink}, Active: []argoserver.Window{blink}}, at: "12:10", isFailed: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now, err := time.Parse("2006-01-02 15:04", "2026-11-23 "+test.at)
			if err != nil {
				t.Fatal(err)
			}
			server, client := start(t, argoserver.Options{}, Options{Clock: func() time.Time { return now }})
			put(t, server, web)
			server.SetWindows("argocd", "web", test.windows)
			app, err := client.Get(t.Context(), webKey())
			if err != nil {
				t.Fatal(err)
			}
			p, err := client.Project(t.Context(), app)
			if test.isFailed {
				if fact(err) != "unavailable" || !strings.Contains(err.Error(), `window deny "30 4 * * *" for 5m: active: true is not so in any time zone`) {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if reason, ok := p.Permits("https://git.example.com/any"); !ok {
				t.Error(reason)
			}
			reason, opens, forbidden := p.Forbids(app, now)
			if forbidden != (test.reason != "") || !strings.Contains(reason, test.reason) || forbidden && opens.Format("15:04") != test.opens {
				t.Errorf("%q until %s, want %q until %s", reason, opens, test.reason, test.opens)
			}
		})
	}
}

func TestProjectFaults(t *testing.T) {
	server, client := start(t, argoserver.Options{}, Options{})
	put(t, server, web)
	app := argo.Application{Key: webKey()}
	server.Break(itest.Fault{Kind: argoserver.KindWindows, Times: 1, Harm: itest.Truncate()})
	if p, err := client.Project(t.Context(), app); fact(err) != "unavailable" || p != nil {
		t.Error(p, err)
	}
	server.Break(itest.Fault{Kind: argoserver.KindWindows, Times: 1, Harm: argoserver.Refuse(argoserver.InvalidArgument, `app is not allowed in project "shop", or the project does not exist`)})
	if p, err := client.Project(t.Context(), app); fact(err) != "refused" || p != nil || !strings.HasPrefix(err.Error(), "read sync windows of application argocd/web at 127.0.0.1") {
		t.Error(p, err)
	}
	server.Delete("argocd", "web")
	if p, err := client.Project(t.Context(), app); fact(err) != "not found" || p != nil {
		t.Error(p, err)
	}
}
