package argo

import (
	"strings"
	"testing"
	"time"
)

func TestDecodeProject(t *testing.T) {
	p, err := DecodeProject([]byte(`{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "team", "namespace": "argocd"},
		"spec": {"description": "unknown here", "sourceRepos": ["https://git.example.com/team/*"], "syncWindows": [
			{"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "timeZone": "Europe/Berlin", "applications": ["web"],
			 "clusters": ["prod"], "namespaces": ["web"], "andOperator": true, "manualSync": true, "description": "night"},
			null]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if p.Key != (Key{"argocd", "team"}) {
		t.Error("the key is", p.Key)
	}
	if _, ok := p.Permits("https://git.example.com/team/deploy"); !ok {
		t.Error("the repository is not permitted")
	}
	app := Application{Key: Key{"argocd", "web"}, Destination: Destination{Name: "prod", Namespace: "web"}}
	night := time.Date(2026, 11, 22, 21, 30, 0, 0, time.UTC)
	if _, _, forbidden := p.Forbids(app, night); !forbidden {
		t.Error("the window does not count")
	}
	app.Destination.Namespace = "other"
	if reason, _, forbidden := p.Forbids(app, night); forbidden {
		t.Error("andOperator does not count:", reason)
	}
}

func TestDecodeProjectRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no JSON", `{"spec": `, "project: unexpected end of JSON input"},
		{"another kind", `{"kind": "Application", "metadata": {"name": "web"}}`, `kind "Application": an AppProject expected`},
		{"no name", `{"kind": "AppProject"}`, `project name "": lower-case letters, digits, - and . expected`},
		{"a name that is a path", `{"metadata": {"name": "../x"}}`, `project name "../x"`},
		{"a duration that is a number", `{"metadata": {"name": "team"}, "spec": {"syncWindows": [{"duration": 1}]}}`,
			"project team: spec.syncWindows.duration: number where a string is expected"},
		{"windows that are none", `{"metadata": {"name": "team", "namespace": "argocd"}, "spec": {"syncWindows": {"kind": "deny"}}}`,
			"project argocd/team: spec.syncWindows: object where a slice is expected"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := DecodeProject([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("DecodeProject = %v, %v; want an error with %q", p, err, test.want)
			}
		})
	}
}

func TestPermits(t *testing.T) {
	const (
		app   = "https://git.example.com/team/app"
		scp   = "git@git.example.com:team/app.git"
		none  = "project argocd/team: none of spec.sourceRepos permits the repository: add it there"
		first = `project argocd/team: spec.sourceRepos[0] "!`
	)
	tests := []struct {
		name       string
		rules      []string
		repository string
		refused    string // beginning of the reason; "" if it is permitted
	}{
		{"no entries", nil, app, none},
		{"everything", []string{"*"}, app, ""},
		{"everything, over SSH", []string{"*"}, scp, ""},
		{"by name", []string{app}, app, ""},
		{"case, spaces and .git", []string{" HTTPS://Git.Example.com/Team/App.git "}, app, ""},
		{"a slash at the end is another", []string{app + "/"}, app, none},
		{"the beginning of a name", []string{"https://git.example.com/team/ap"}, app, none},
		{"another protocol", []string{app}, scp, none},
		{"scp and ssh", []string{"ssh://git@git.example.com/team/*"}, scp, ""},
		{"another user", []string{"git@git.example.com:team/app"}, "bot@git.example.com:team/app", none},
		{"a port", []string{"https://git.example.com:8443/team/app"}, app, none},
		{"a star is one element", []string{"https://git.example.com/*"}, app, none},
		{"a star for each", []string{"https://git.example.com/*/*"}, app, ""},
		{"two stars are all below", []string{"https://git.example.com/**"}, app, ""},
		{"a star in the host", []string{"https://*.example.com/team/app"}, app, ""},
		{"a star in an address of scp", []string{"git@git.example.com:team/*"}, scp, ""},
		{"the second of two", []string{"https://a.example.com/x", app}, app, ""},
		{"groups are no globs in URLs", []string{"https://git.example.com/{team,x}/app"}, app, none},
		{"taken away", []string{"*", "!" + app}, app, `project argocd/team: spec.sourceRepos[1] "!` + app + `" takes the repository away`},
		{"taken away, whatever comes behind", []string{"!" + app, "*"}, app, first},
		{"taken away by a glob", []string{"!https://git.example.com/team/*", "*"}, app, first},
		{"all but another", []string{"!https://git.example.com/other/*"}, app, ""},
		{"everything taken away", []string{"!*"}, app, first},
		{"no glob permits nothing", []string{"https://git.example.com/team/[a"}, app, none},
		{"no glob beside one", []string{"https://git.example.com/team/[a", "*"}, app, ""},
		{"no glob takes everything away", []string{"*", "!https://git.example.com/[x"}, app,
			`project argocd/team: spec.sourceRepos[1] "!https://git.example.com/[x": no glob: between [ and ] characters or one range are expected`},
		{"no URLs", []string{"ssh://git@git.example.com:team/a"}, "ssh://git@git.example.com:team/b", none},
		{"no URL, but the same", []string{"ssh://git@GIT.example.com:team/a"}, "ssh://git@git.example.com:team/a", ""},
		{"a path on the disk", []string{"/srv/git/*"}, "/srv/git/app.git", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := CompileProject(Key{"argocd", "team"}, ProjectSpec{SourceRepos: test.rules})
			reason, ok := p.Permits(test.repository)
			if ok != (test.refused == "") || !strings.HasPrefix(reason, test.refused) {
				t.Errorf("Permits = %q, %v; want %q", reason, ok, test.refused)
			}
		})
	}
}

func FuzzDecodeProject(f *testing.F) {
	f.Add([]byte(`{"metadata": {"name": "team"}, "spec": {"sourceRepos": ["!git@x:y/[a]*", "*"], "syncWindows": [{"kind": "deny", "schedule": "*/7 1-5 * 2,3 1", "duration": "90s", "timeZone": "Asia/Tokyo", "applications": ["{w,x}*"]}]}}`))
	f.Add([]byte(`{"metadata": {"name": "team"}, "spec": {"syncWindows": [{"kind": "allow", "schedule": "CRON_TZ=UTC 0 0 29 2 ?", "duration": "-1h", "clusters": ["[!a-c]?"], "andOperator": true}]}}`))
	f.Add([]byte(`{"metadata": {"name": "team"}, "spec": {"syncWindows": [{"kind": "deny", "schedule": "TZ=", "namespaces": ["*"]}]}}`))
	app := Application{Key: Key{Name: "web"}, Destination: Destination{Server: "https://10.0.0.1"}}
	now := time.Date(2026, 11, 22, 6, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := DecodeProject(text)
		if err != nil {
			return
		}
		p.Permits("https://git.example.com/team/app")
		reason, opens, forbidden := p.Forbids(app, now)
		if forbidden != (reason != "") || !forbidden && !opens.IsZero() || forbidden && !opens.IsZero() && !opens.After(now) {
			t.Errorf("%s: %q, opens %v, forbidden %v", text, reason, opens, forbidden)
		}
	})
}
