package argo

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at reads a time: "2026-11-22 06:30 Europe/Berlin", or with an offset where
// clocks show it twice: "2026-10-25 02:30 +0200". Without a zone it is UTC.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	const layout = "2006-01-02 15:04"
	zone := text[len(layout):]
	if zone != "" && (zone[1] == '+' || zone[1] == '-') {
		moment, err := time.Parse(layout+" -0700", text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	location := time.UTC
	if zone != "" {
		var err error
		if location, err = time.LoadLocation(zone[1:]); err != nil {
			t.Fatal(err)
		}
	}
	moment, err := time.ParseInLocation(layout, text[:len(layout)], location)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

var everyApp = []string{"*"}

func deny(schedule, duration, zone string) SyncWindow {
	return SyncWindow{Kind: "deny", Schedule: schedule, Duration: duration, TimeZone: zone, Applications: everyApp}
}

func allow(schedule, duration, zone string) SyncWindow {
	return SyncWindow{Kind: "allow", Schedule: schedule, Duration: duration, TimeZone: zone, Applications: everyApp}
}

func project(windows ...SyncWindow) Project {
	return CompileProject(Key{"argocd", "team"}, ProjectSpec{SyncWindows: windows})
}

var web = Application{Key: Key{"argocd", "web"}}

// TestForbids: 2026-11-22 is a Sunday.
func TestForbids(t *testing.T) {
	const berlin = "Europe/Berlin"
	night, workday := deny("0 22 * * *", "8h", ""), allow("0 9 * * 1-5", "8h", "")
	tests := []struct {
		name    string
		windows []SyncWindow
		now     string
		opens   string // "" if a sync is allowed, "never" if it never opens
	}{
		{"no windows", nil, "2026-11-22 12:00", ""},
		{"a deny window that is active", []SyncWindow{night}, "2026-11-22 23:00", "2026-11-23 06:00"},
		{"a deny window that is not", []SyncWindow{night}, "2026-11-22 12:00", ""},
		{"its first moment", []SyncWindow{night}, "2026-11-22 22:00", "2026-11-23 06:00"},
		{"its end", []SyncWindow{night}, "2026-11-22 06:00", ""},
		{"an allow window that is active", []SyncWindow{workday}, "2026-11-23 12:00", ""},
		{"an allow window that is not", []SyncWindow{workday}, "2026-11-22 12:00", "2026-11-23 09:00"},
		{"its first moment", []SyncWindow{workday}, "2026-11-23 09:00", ""},
		{"its end", []SyncWindow{workday}, "2026-11-23 17:00", "2026-11-24 09:00"},
		{"deny over allow", []SyncWindow{workday, deny("0 12 * * *", "1h", "")}, "2026-11-23 12:30", "2026-11-23 13:00"},
		{"a deny window ends outside of the allow windows", []SyncWindow{workday, deny("0 12 * * *", "6h", "")}, "2026-11-23 12:30", "2026-11-24 09:00"},
		{"an allow window begins in a deny window", []SyncWindow{workday, deny("0 8 * * *", "2h", "")}, "2026-11-22 12:00", "2026-11-23 10:00"},
		{"one of two allow windows is enough", []SyncWindow{workday, allow("0 11 * * *", "3h", "")}, "2026-11-22 12:00", ""},
		{"the earlier of two allow windows", []SyncWindow{workday, allow("0 20 * * *", "1h", "")}, "2026-11-22 12:00", "2026-11-22 20:00"},
		{"deny windows that overlap", []SyncWindow{deny("0 12 * * *", "2h", ""), deny("30 13 * * *", "2h", ""), deny("0 11 * * *", "90m", "")}, "2026-11-22 12:00", "2026-11-22 15:30"},
		{"deny windows that touch", []SyncWindow{deny("0 13 * * *", "1h", ""), deny("0 12 * * *", "1h", "")}, "2026-11-22 12:30", "2026-11-22 14:00"},
		{"a window that overlaps itself", []SyncWindow{deny("0 8-12 * * *", "90m", "")}, "2026-11-22 08:10", "2026-11-22 13:30"},
		{"a window longer than a day", []SyncWindow{deny("0 18 * * 5", "60h", "")}, "2026-11-22 12:00", "2026-11-23 06:00"},
		{"always denied", []SyncWindow{deny("* * * * *", "1h", "")}, "2026-11-22 12:00", "never"},
		{"allowed only while denied", []SyncWindow{workday, deny("0 9 * * *", "8h", "")}, "2026-11-22 12:00", "never"},
		{"no time to sync in", []SyncWindow{allow("0 9 * * *", "0s", "")}, "2026-11-22 12:00", "never"},
		{"no time to deny", []SyncWindow{deny("* * * * *", "0s", ""), deny("* * * * *", "-1h", "")}, "2026-11-22 12:00", ""},
		{"once a year", []SyncWindow{allow("0 0 1 11 *", "1h", "")}, "2026-11-22 12:00", "2027-11-01 00:00"},
		{"later than in a year", []SyncWindow{allow("0 0 29 2 *", "1h", "")}, "2026-11-22 12:00", "never"},
		{"the next is in eight years", []SyncWindow{allow("0 0 29 2 *", "1h", "")}, "2096-03-01 12:00", "never"},
		{"half of the year", []SyncWindow{deny("* * * 1-6 *", "1m", "")}, "2027-01-01 00:00", "2027-07-01 00:00"},
		{"a day of the month or of the week", []SyncWindow{allow("0 12 24 * 1", "1h", "")}, "2026-11-22 12:00", "2026-11-23 12:00"},
		{"a duration with seconds", []SyncWindow{deny("0 12 * * *", "119m60s", "")}, "2026-11-22 12:00", "2026-11-22 14:00"},

		{"in its time zone", []SyncWindow{deny("0 22 * * *", "8h", berlin)}, "2026-11-22 21:30", "2026-11-23 05:00"},
		{"in its time zone not yet", []SyncWindow{deny("0 22 * * *", "8h", berlin)}, "2026-11-22 20:30", ""},
		{"in summer an hour earlier", []SyncWindow{deny("0 22 * * *", "8h", berlin)}, "2026-07-22 20:30", "2026-07-23 04:00"},
		{"a zone in the schedule", []SyncWindow{deny("TZ=Europe/Berlin 0 22 * * *", "8h", "")}, "2026-11-22 21:30", "2026-11-23 05:00"},
		{"two zones", []SyncWindow{deny("0 0 * * *", "12h", berlin), deny("0 0 * * *", "12h", "America/New_York")}, "2026-11-22 06:00", "2026-11-22 17:00"},

		{"clocks go forward: it ends by the clock", []SyncWindow{deny("0 1 * * *", "3h", berlin)}, "2026-03-29 01:30 Europe/Berlin", "2026-03-29 04:00 Europe/Berlin"},
		{"clocks go forward over its beginning", []SyncWindow{deny("30 2 * * *", "1h", berlin)}, "2026-03-29 03:00 Europe/Berlin", "2026-03-29 03:30 Europe/Berlin"},
		{"clocks go forward over the end", []SyncWindow{deny("0 1 * * *", "90m", berlin)}, "2026-03-29 01:30 Europe/Berlin", "2026-03-29 03:00 Europe/Berlin"},
		{"clocks go back: it ends by the clock", []SyncWindow{deny("0 1 * * *", "3h", berlin)}, "2026-10-25 01:30 Europe/Berlin", "2026-10-25 04:00 Europe/Berlin"},
		{"clocks go back to before it began", []SyncWindow{deny("30 2 * * *", "1h", berlin)}, "2026-10-25 02:45 +0200", "2026-10-25 02:00 +0100"},
		{"clocks go back to before it ended", []SyncWindow{deny("0 1 * * *", "90m", berlin)}, "2026-10-25 02:45 +0200", ""},
		{"and it is active once more", []SyncWindow{deny("0 1 * * *", "90m", berlin)}, "2026-10-25 02:15 +0100", "2026-10-25 02:30 +0100"},
		{"clocks go back to an allow window", []SyncWindow{allow("0 1 * * *", "90m", berlin)}, "2026-10-25 02:45 +0200", "2026-10-25 02:00 +0100"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var want time.Time
			if test.opens != "" && test.opens != "never" {
				want = at(t, test.opens).UTC()
			}
			_, opens, forbidden := project(test.windows...).Forbids(web, at(t, test.now))
			if forbidden != (test.opens != "") || opens != want {
				t.Errorf("Forbids = %v, %v; want %q", opens, forbidden, test.opens)
			}
		})
	}
}

// TestForbidsWhom: of what a window is about, by the name of the Application,
// its cluster and its namespace there.
func TestForbidsWhom(t *testing.T) {
	app := Application{Key: Key{"team-a", "web-prod"}, Destination: Destination{Server: "https://10.0.0.1:6443", Namespace: "web"}}
	named := app
	named.Destination = Destination{Name: "in-cluster"}
	tests := []struct {
		name                               string
		applications, clusters, namespaces []string
		and                                bool
		app                                Application
		want                               bool
	}{
		{"nothing", nil, nil, nil, false, app, false},
		{"nothing, and", nil, nil, nil, true, app, false},
		{"the name", []string{"web-prod"}, nil, nil, false, app, true},
		{"not the namespace of the Application", nil, nil, []string{"team-a"}, false, app, false},
		{"a glob", []string{"*-prod"}, nil, nil, false, app, true},
		{"the beginning of a name", []string{"web"}, nil, nil, false, app, false},
		{"a group", []string{"{api,web}-*"}, nil, nil, false, app, true},
		{"no negation", []string{"!api"}, nil, nil, false, app, false},
		{"the second of two", []string{"api", "web-*"}, nil, nil, false, app, true},
		{"the server", nil, []string{"https://10.0.0.1:6443"}, nil, false, app, true},
		{"a star matches slashes", nil, []string{"https:*"}, nil, false, app, true},
		{"a name that the Application does not give", nil, []string{"in-cluster"}, nil, false, app, false},
		{"the name of the cluster", nil, []string{"in-cluster"}, nil, false, named, true},
		{"no server is none", nil, []string{""}, nil, false, named, false},
		{"the namespace", nil, nil, []string{"web"}, false, app, true},
		{"no namespace", nil, nil, []string{"*"}, false, named, true},
		{"one of three", []string{"x"}, []string{"x"}, []string{"web"}, false, app, true},
		{"none of three", []string{"x"}, []string{"x"}, []string{"x"}, false, app, false},
		{"all of three", []string{"*"}, []string{"*"}, []string{"web"}, true, app, true},
		{"two of three", []string{"*"}, []string{"*"}, []string{"x"}, true, app, false},
		{"both that are given", []string{"*"}, nil, []string{"web"}, true, app, true},
		{"one of both that are given", nil, []string{"x"}, []string{"web"}, true, app, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := deny("* * * * *", "1h", "")
			w.Applications, w.Clusters, w.Namespaces, w.UseAndOperator = test.applications, test.clusters, test.namespaces, test.and
			if _, _, got := project(w).Forbids(test.app, at(t, "2026-11-22 12:00")); got != test.want {
				t.Errorf("forbidden is %v", got)
			}
		})
	}
}

// TestForbidsTells holds the texts; docs/sync-windows.md shows them.
func TestForbidsTells(t *testing.T) {
	broken := func(change func(*SyncWindow)) []SyncWindow {
		w := deny("0 22 * * *", "8h", "")
		change(&w)
		return []SyncWindow{allow("0 9 * * *", "8h", ""), w}
	}
	other := deny("* * * * *", "1h", "")
	other.Applications = []string{"other"}
	tests := []struct {
		windows []SyncWindow
		want    string
	}{
		{[]SyncWindow{other, deny("0 5 * * *", "8h", "Europe/Berlin"), deny("0 1 * * *", "8h", "")},
			`project argocd/team: spec.syncWindows[1], deny "0 5 * * *" for 8h in Europe/Berlin, is active; opens 2026-11-22 12:00:00 +0000 UTC`},
		{[]SyncWindow{allow("0 9 * * 1-5", "8h", ""), allow("0 20 * * *", "1h", "")},
			`project argocd/team: no allow window is active; the next is spec.syncWindows[1], allow "0 20 * * *" for 1h in UTC; opens 2026-11-22 20:00:00 +0000 UTC`},
		{[]SyncWindow{other, allow("0 9 29 2 *", "8h", "")},
			`project argocd/team: no allow window is active; the first is spec.syncWindows[1], allow "0 9 29 2 *" for 8h in UTC; opens never`},
		{broken(func(w *SyncWindow) { w.Kind = "Deny" }),
			`project argocd/team: spec.syncWindows[1].kind "Deny": allow or deny expected; opens never`},
		{broken(func(w *SyncWindow) { w.Schedule = "0 25 * * *" }),
			`project argocd/team: spec.syncWindows[1].schedule "0 25 * * *": end of range (25) above maximum (23): 25: five fields of cron expected, as in "0 22 * * 1-5"; opens never`},
		{broken(func(w *SyncWindow) { w.Schedule = "@daily" }),
			`project argocd/team: spec.syncWindows[1].schedule "@daily": parser does not accept descriptors: @daily: five fields of cron expected, as in "0 22 * * 1-5"; opens never`},
		{broken(func(w *SyncWindow) { w.Schedule = "TZ=UTC" }),
			`project argocd/team: spec.syncWindows[1].schedule "TZ=UTC": five fields of cron expected, as in "0 22 * * 1-5"; opens never`},
		{broken(func(w *SyncWindow) { w.Schedule = "0 0 31 2 *" }),
			`project argocd/team: spec.syncWindows[1].schedule "0 0 31 2 *": it never comes: a time and a day that exist expected; opens never`},
		{broken(func(w *SyncWindow) { w.Schedule = ", 0 * * *" }),
			`project argocd/team: spec.syncWindows[1].schedule ", 0 * * *": it never comes: a time and a day that exist expected; opens never`},
		{broken(func(w *SyncWindow) { w.Duration = "1 hour" }),
			`project argocd/team: spec.syncWindows[1].duration "1 hour": a duration such as 1h30m expected; opens never`},
		{broken(func(w *SyncWindow) { w.TimeZone = "Europe/Berln" }),
			`project argocd/team: spec.syncWindows[1].timeZone "Europe/Berln": the IANA name of a time zone expected, as in Europe/Berlin; opens never`},
		{broken(func(w *SyncWindow) { w.TimeZone = "Local" }),
			`project argocd/team: spec.syncWindows[1].timeZone "Local": the IANA name of a time zone expected, as in Europe/Berlin; opens never`},
		{broken(func(w *SyncWindow) { w.Applications, w.Namespaces = []string{"x"}, []string{"[a"} }),
			`project argocd/team: spec.syncWindows[1].namespaces "[a": no glob: between [ and ] characters or one range are expected, as in [abc] or [a-z]; opens never`},
	}
	for _, test := range tests {
		reason, opens, _ := project(test.windows...).Forbids(web, at(t, "2026-11-22 06:00"))
		if opens.IsZero() {
			reason += "; opens never"
		} else {
			reason += "; opens " + opens.String()
		}
		if diff := cmp.Diff(test.want, reason); diff != "" {
			t.Error(diff)
		}
	}
}

// TestForbidsAsTold: what a server says of a window counts, and not its clock.
func TestForbidsAsTold(t *testing.T) {
	told := func(w SyncWindow, active bool) SyncWindow {
		w.Active = &active
		return w
	}
	always := deny("* * * * *", "1h", "")
	tests := []struct {
		windows []SyncWindow
		want    string
	}{
		{[]SyncWindow{told(always, false)}, ""},
		{[]SyncWindow{told(deny("0 22 * * *", "8h", ""), true)},
			`project argocd/team: spec.syncWindows[0], deny "0 22 * * *" for 8h, is active`},
		{[]SyncWindow{told(always, false), told(allow("0 22 * * *", "8h", ""), true)}, ""},
		{[]SyncWindow{told(allow("* * * * *", "8h", ""), false)},
			`project argocd/team: no allow window is active; the first is spec.syncWindows[0], allow "* * * * *" for 8h`},
	}
	for _, test := range tests {
		reason, opens, forbidden := project(test.windows...).Forbids(web, at(t, "2026-11-22 12:00"))
		if reason != test.want || !opens.IsZero() || forbidden != (test.want != "") {
			t.Errorf("Forbids = %q, %v, %v; want %q", reason, opens, forbidden, test.want)
		}
	}
}

// TestForbidsOnlyWhomItConcerns: a window that does not compile holds back the
// Applications that it is about.
func TestForbidsOnlyWhomItConcerns(t *testing.T) {
	w := deny("", "", "")
	w.Applications = []string{"api"}
	if reason, _, forbidden := project(w).Forbids(web, at(t, "2026-11-22 06:00")); forbidden {
		t.Error(reason)
	}
}
