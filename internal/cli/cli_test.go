package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/credential/env"
	"argocd-image-updater/internal/demo"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
)

// terminal runs commands against the demo's world and looks at what they print.
type terminal struct {
	*testing.T
	world *demo.World
	env   map[string]string
	tty   bool
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	w, err := demo.Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	for tag, hours := range map[string]int{"1.2.0": 0, "1.3.0": 1, "2.0.0": 2, "1.4.0-rc1": 3} {
		for _, name := range []string{"team/web", "team/api"} {
			if err := demo.Push(t.Context(), w.Address, build(name, tag, hours)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tag := range []string{"v5.0.0", "v5.1.0"} {
		if err := demo.Push(t.Context(), w.Address, build("team/worker", tag, 0)); err != nil {
			t.Fatal(err)
		}
	}
	return &terminal{T: t, world: w, env: map[string]string{}}
}

// run runs a command and returns what it printed and its exit code.
func (t *terminal) run(args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	sh := shell{out: &stdout, err: &stderr, env: func(name string) string { return t.env[name] }, tty: t.tty}
	code = sh.run(t.Context(), args)
	return stdout.String(), stderr.String(), code
}

// on adds the flags that lead to the world.
func (t *terminal) on(args ...string) []string {
	return append(args, "--applications", t.world.Applications, "--registries-conf-path", t.world.RegistriesConf)
}

func (t *terminal) wants(args []string, code int, texts ...string) string {
	t.Helper()
	out, errs, got := t.run(args...)
	if got != code {
		t.Errorf("%v: exit code %d, want %d\n%s%s", args, got, code, out, errs)
	}
	for _, text := range texts {
		if !regexp.MustCompile(text).MatchString(out + errs) {
			t.Errorf("%v: want %q in\n%s%s", args, text, out, errs)
		}
	}
	return out
}

// The diff that plan prints is one that git can apply, and what it makes is
// what run commits.
func TestPlanPrintsAPatch(t *testing.T) {
	term := newTerminal(t)
	out := term.wants(term.on("plan", "staging-web"), 0, `staging-web +web +Pending +1\.2\.0 +1\.4\.0-rc1`)
	work := filepath.Join(t.TempDir(), "work")
	for _, args := range [][]string{{"clone", "--quiet", term.world.Repository, work}, {"-C", work, "apply", "-"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Stdin = strings.NewReader(out)
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, msg)
		}
	}
	applied, err := os.ReadFile(filepath.Join(work, "staging", "web", "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	term.wants(term.on("run", "--once"), 0, "Checking 6 applications",
		"Setting new image to registry.example.com/team/web:1.4.0-rc1", "Successfully updated image",
		"Processing results: applications=6 images_considered=6 images_skipped=[0-9] images_updated=[0-9] errors=0")
	committed, err := term.world.Git(t.Context(), "show", "main:staging/web/values.yaml")
	if err != nil || committed != string(applied) {
		t.Errorf("committed %q, %v; the patch makes %q", committed, err, applied)
	}
}

func TestExitCodes(t *testing.T) {
	term := newTerminal(t)
	term.wants([]string{"plan"}, exitUsage, "--applications")
	term.wants([]string{"plan", "--bogus"}, exitUsage, "--help")
	term.wants(term.on("plan", "--loglevel", "loud"), exitUsage, `--loglevel "loud"`)
	term.wants(term.on("plan", "--git-commit-grouping", "x"), exitUsage, "application or repository")
	term.wants(term.on("plan", "nobody"), exitFailed, `"nobody"`)
	term.wants(term.on("plan", "--exit-code"), exitPending)
	term.wants(term.on("run", "--once"), exitOK)
	term.wants(term.on("plan", "--exit-code", "staging-web"), exitOK, "AlreadyDeclared")
	term.wants(term.on("run", "--once", "--git-commit-signing-key", "k"), exitUsage, "not supported yet")
	term.wants(term.on("run", "--once", "--enable-webhook"), exitUsage, "not supported yet")
	term.wants(term.on("run", "--git-commit-method", "api"), exitUsage, "not supported yet")
	// What asks for nothing else than what is done is no reason to end.
	term.wants(term.on("run", "--once", "--enable-webhook=false", "--git-commit-sign-off=false", "--git-commit-method=git", "--git-commit-signing-key="), exitOK)
}

// Switches of the incumbent that do nothing take no word that follows them: the
// next flag still counts.
func TestRetiredSwitches(t *testing.T) {
	term := newTerminal(t)
	term.wants(term.on("run", "--warmup-cache", "--once", "--metrics-port", "1"), exitOK, "warmup-cache has been deprecated")
	term.wants(term.on("run", "--webhook-require-secret", "--dry-run", "--warmup-cache=false", "--once"), exitOK, "Processing results: .*errors=0")
}

// A variable that cannot be obeyed ends the program if that would do something
// else than was asked for, and is told of otherwise.
func TestIncumbentVariables(t *testing.T) {
	term := newTerminal(t)
	term.env["MAX_CONCURRENT_RECONCILES"], term.env["GIT_COMMIT_METHOD"] = "4", "git"
	term.wants(term.on("run", "--once"), exitOK, "MAX_CONCURRENT_RECONCILES: the variable does nothing here")
	term.env["GIT_COMMIT_METHOD"] = "api"
	term.wants(term.on("run", "--once"), exitUsage, "variable GIT_COMMIT_METHOD \"api\": commits cannot be made through a forge yet")
}

func TestExplainNamesEveryTag(t *testing.T) {
	term := newTerminal(t)
	term.wants(term.on("explain", "production-web"), 0,
		"strategy +semver", "asked +registry.example.com/team/web at http://127.0.0.1:[0-9]+ without a credential", "tags +4, of which 2 eligible",
		`chosen +registry.example.com/team/web:1\.3\.0`, `2\.0\.0 +constraint`, `1\.4\.0-rc1 +pre-release`, `1\.2\.0 +outranked`,
		`change +production/web/values.yaml: image.tag: 1.2.0 -> 1.3.0`)
	term.wants(term.on("explain", "production-web", "nothing"), exitFailed, `"nothing"`)
}

func TestTestCommand(t *testing.T) {
	term := newTerminal(t)
	conf := []string{"--registries-conf-path", term.world.RegistriesConf}
	term.wants(append([]string{"test", "registry.example.com/team/web:9.9"}, conf...), 0, `(?m)^latest image according to constraint is registry.example.com/team/web:2\.0\.0$`)
	term.wants(append([]string{"test", "registry.example.com/team/web", "--semver-constraint", "1.x"}, conf...), 0, `web:1\.3\.0`)
	term.wants(append([]string{"test", "registry.example.com/team/web", "--update-strategy", "latest"}, conf...), 0, `web:1\.4\.0-rc1`)
	term.wants(append([]string{"test", "registry.example.com/team/web", "--allow-tags", "regexp:^x"}, conf...), 0, "No new image found")
	term.wants(append([]string{"test", "registry.example.com/team/none"}, conf...), exitFailed, "NAME_UNKNOWN")
}

// Every command that prints prints JSON as well, also of what went wrong.
func TestJSON(t *testing.T) {
	term := newTerminal(t)
	for _, args := range [][]string{
		term.on("plan"), term.on("explain", "production-web"), term.on("run", "--once"), {"version"}, {"template"}, {"demo"},
		{"test", "registry.example.com/team/web", "--registries-conf-path", term.world.RegistriesConf},
		{"test", "registry.example.com/team/none", "--registries-conf-path", term.world.RegistriesConf},
		term.on("plan", "nobody"),
	} {
		out, errs, _ := term.run(append(args, "-o", "json")...)
		if !json.Valid([]byte(out)) || len(out) < 3 {
			t.Errorf("%v: stdout is no JSON:\n%s%s", args, out, errs)
		}
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	term := newTerminal(t)
	if out, _, _ := term.run(term.on("plan")...); strings.Contains(out, "\x1b[") {
		t.Error("there are colours in a pipe")
	}
	term.tty = true
	if out, _, _ := term.run(term.on("plan")...); !strings.Contains(out, green) {
		t.Error("there are no colours on a terminal")
	}
	term.env["NO_COLOR"] = "1"
	if out, _, _ := term.run(term.on("plan")...); strings.Contains(out, "\x1b[") {
		t.Error("NO_COLOR is passed over")
	}
}

func TestDryRunAndFilters(t *testing.T) {
	term := newTerminal(t)
	before, err := term.world.Git(t.Context(), "rev-parse", "main")
	if err != nil {
		t.Fatal(err)
	}
	term.wants(term.on("run", "--once", "--dry-run", "--match-application-name", "staging-*"), 0, "Checking 3 applications", "Dry run - not committing 1 changes")
	if after, err := term.world.Git(t.Context(), "rev-parse", "main"); err != nil || after != before {
		t.Errorf("main moved from %s to %s, %v", before, after, err)
	}
}

// A broken manifest is an error; the others are updated all the same.
func TestABrokenManifestStopsNobody(t *testing.T) {
	term := newTerminal(t)
	broken := filepath.Join(term.world.Applications, "broken.yaml")
	if err := os.WriteFile(broken, []byte("apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	term.wants(term.on("run", "--once"), exitFailed, "broken.yaml:1", "images_updated=[1-9] errors=1")
}

func TestDemo(t *testing.T) {
	term := newTerminal(t)
	out := term.wants([]string{"demo"}, 0, "6 commits were pushed", "2 commits were pushed", "Nothing was written", "image-update/worker-v5.1.0")
	for _, dir := range regexp.MustCompile(`/\S*image-updater-demo-\d+`).FindAllString(out, -1) {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s was left behind", dir)
		}
	}
}

// Ended in the middle, the demo leaves nothing behind either.
func TestDemoLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sh := shell{out: &bytes.Buffer{}, err: &bytes.Buffer{}, env: func(string) string { return "" }}
	if code := sh.run(ctx, []string{"demo"}); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Among manifests the order is: the Secret that is named, Argo CD's own, the
// last resort, what the user has. Each keeps to its protocol.
func TestLoginsAmongManifests(t *testing.T) {
	secrets := `apiVersion: v1
kind: Secret
metadata: {name: web, labels: {argocd.argoproj.io/secret-type: repository}}
stringData: {url: "https://git.corp/org/app", username: u, password: x}
---
apiVersion: v1
kind: Secret
metadata: {name: key, labels: {argocd.argoproj.io/secret-type: repo-creds}}
stringData: {url: "git@git.corp:org", sshPrivateKey: x}
---
apiVersion: v1
kind: Secret
metadata: {name: elsewhere, namespace: team, labels: {argocd.argoproj.io/secret-type: repository}}
stringData: {url: "https://git.corp/org/team", password: x}
---
apiVersion: v1
kind: Secret
metadata: {name: public, labels: {argocd.argoproj.io/secret-type: repository}}
stringData: {url: "https://old.corp/app", insecure: "true"}
---
apiVersion: v1
kind: Secret
metadata: {name: git-creds}
stringData: {url: "https://git.corp", username: u, password: x}
`
	path := filepath.Join(t.TempDir(), "secrets.yaml")
	if err := os.WriteFile(path, []byte(secrets), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &files{paths: []string{path}, namespace: "argocd"}
	if _, err := f.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"GIT_PASSWORD": "x"}
	l := &logins{user: user{env: func(name string) string { return vars[name] }}, files: f, namespace: "argocd"}
	own := credential.Reference{Kind: credential.Secret, Namespace: "team", Name: "elsewhere"}
	for _, c := range []struct {
		at   plan.Location
		from string
		err  string
	}{
		{plan.Location{URL: "https://git.corp/org/app.git"}, "secret argocd/web", ""},
		{plan.Location{URL: "git@git.corp:org/app.git"}, "secret argocd/key", ""},
		{plan.Location{URL: "https://git.corp/org/team"}, "secret argocd/git-creds", ""},
		{plan.Location{URL: "https://other.corp/org/team"}, "env:GIT_PASSWORD", ""},
		{plan.Location{URL: "https://old.corp/app"}, "env:GIT_PASSWORD", ""},
		{plan.Location{URL: "http://git.corp/org/app"}, "", ""},
		{plan.Location{URL: "https://git.corp/org/app", Credential: own, Namespace: "team"}, "secret team/elsewhere", ""},
		{plan.Location{URL: "https://git.corp/org/app", Credential: own, Namespace: "other"}, "", `credential "secret:team/elsewhere": a Secret of namespace "team" may not be used here`},
		{plan.Location{URL: "git@git.corp:org/app", Credential: own, Namespace: "team"}, "", "secret team/elsewhere: it has no sshPrivateKey, and SSH needs one (fields: password, url)"},
	} {
		login, err := l.Git(t.Context(), c.at)
		if login.From != c.from || (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
			t.Errorf("%s: %s, %v; want %q, %q", c.at.URL, login, err, c.from, c.err)
		}
		if login.Insecure != (c.at.URL == "https://old.corp/app") {
			t.Errorf("%s: insecure is %v", c.at.URL, login.Insecure)
		}
	}
}

// Without access to Kubernetes there are the user's own logins, and whoever
// needs another is told so.
func TestLoginsWithoutKubernetes(t *testing.T) {
	vars := map[string]string{"LOGIN": "u:x"}
	l := remoteLogins{user: user{env: func(name string) string { return vars[name] }, machine: env.New(env.Options{Lookup: func(name string) (string, bool) { return vars[name], vars[name] != "" }})}}
	secret := credential.Reference{Kind: credential.Secret, Namespace: "team", Name: "login"}
	for _, c := range []struct {
		at  plan.Location
		err string
	}{
		{plan.Location{URL: "https://git.corp/app", Credential: secret, Namespace: "team"}, "credential secret:team/login: Secrets cannot be read without access to Kubernetes: give access to it, or set GIT_USERNAME and GIT_PASSWORD for HTTPS, --git-ssh-key for SSH, with write-back-method: git"},
		{plan.Location{URL: "https://git.corp/app", Credential: credential.Reference{Kind: credential.RepoCreds}}, "credential repocreds: Argo CD's own, as those of git:secret:<name>, cannot be read without access to Kubernetes: give access to it, or set GIT_USERNAME and GIT_PASSWORD for HTTPS, --git-ssh-key for SSH"},
		{plan.Location{URL: "/srv/git/app", Credential: credential.Reference{Kind: credential.RepoCreds}}, ""},
	} {
		if _, err := l.Git(t.Context(), c.at); (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %v, want %s", c.at.URL, err, c.err)
		}
	}
	vars["GIT_PASSWORD"] = "x"
	if login, err := l.Git(t.Context(), plan.Location{URL: "https://git.corp/app", Credential: credential.Reference{Kind: credential.RepoCreds}}); err != nil || login.From != "env:GIT_PASSWORD" {
		t.Errorf("the user's own: %s, %v", login, err)
	}
	if _, err := l.Registry(t.Context(), update.LoginQuestion{Reference: secret, Namespace: "team"}); err == nil || !strings.Contains(err.Error(), "Secrets cannot be read without access to Kubernetes") {
		t.Errorf("a Secret for a registry: %v", err)
	}
	if login, err := l.Registry(t.Context(), update.LoginQuestion{Reference: credential.Reference{Kind: credential.Env, Name: "LOGIN"}}); err != nil || login.Username != "u" {
		t.Errorf("a variable for a registry: %s, %v", login, err)
	}
}
