package update_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/registry"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

// world is a registry and a Git server, and an updater between them.
type world struct {
	*testing.T
	registry *itest.Registry
	git      *itest.GitServer
	repo     *itest.Repo
	apps     []argo.Application
	*update.Updater
}

func newWorld(t *testing.T, tags map[string][]string) *world {
	t.Helper()
	reg, err := itest.StartRegistry(itest.RegistryOptions{Handler: itest.TagServer{Tags: tags}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reg.Close)
	server, err := itest.StartGit(itest.GitOptions{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	repo, err := server.Init("deploy")
	if err != nil {
		t.Fatal(err)
	}
	registries, err := settings.ParseRegistries(fmt.Appendf(nil, "registries:\n- {name: r, prefix: reg.example.com, api_url: %q}\n", reg.URL()))
	if err != nil {
		t.Fatal(err)
	}
	message, err := plan.CompileMessage(plan.DefaultMessage)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, registry: reg, git: server, repo: repo}
	w.Updater = &update.Updater{
		Applications: w,
		Registry:     port{registry.New(registry.Options{Tries: 1})},
		Git:          git.New(git.Options{}),
		Credentials:  logins{},
		Options: update.Options{
			Namespace: "argocd", Registries: registries, Message: message, Author: plan.Identity{Name: "bot", Email: "bot@example.com"}, Backoff: time.Millisecond,
			Defaults: settings.Defaults{Platform: image.Platform{OS: "linux", Arch: "amd64"}},
		},
	}
	return w
}

// List implements update.Applications.
func (w *world) List(context.Context) ([]argo.Application, error) { return w.apps, nil }

type port struct{ client *registry.Client }

func (p port) Tags(ctx context.Context, at update.ImageSource) ([]string, error) {
	return p.client.Tags(ctx, registry.Target(at))
}

func (p port) Metadata(ctx context.Context, at update.ImageSource, q update.TagQuestion) (policy.Metadata, error) {
	return p.client.Metadata(ctx, registry.Target(at), registry.Question(q))
}

// logins gives everybody a name of their own and lets nobody fail but those
// without a variable.
type logins struct{}

func (logins) Registry(_ context.Context, q update.LoginQuestion) (credential.Registry, error) {
	if q.Reference.Kind == credential.None {
		return credential.Registry{}, nil
	}
	return credential.Registry{Username: q.Reference.Name, Password: "x", From: q.Reference.String()}, nil
}

func (logins) Git(context.Context, plan.Location) (credential.Git, error) {
	return credential.Git{}, nil
}

// seed commits files to a branch.
func (w *world) seed(branch string, files ...string) {
	w.Helper()
	c := itest.Commit{Branch: branch, Files: map[string]string{}}
	for i := 0; i < len(files); i += 2 {
		c.Files[files[i]] = files[i+1]
	}
	if err := w.repo.Commit(c); err != nil {
		w.Fatal(err)
	}
}

// app adds an Application of plain manifests; annotations are pairs without
// the prefix.
func (w *world) app(name, branch string, annotations ...string) {
	a := argo.Application{
		Key:         argo.Key{Namespace: "argocd", Name: name},
		Annotations: map[string]string{settings.Prefix + "write-back-method": "git"},
		Sources:     []argo.Source{{RepoURL: w.git.URL("deploy"), Path: name, TargetRevision: branch, Directory: &argo.Directory{}}},
	}
	for i := 0; i < len(annotations); i += 2 {
		a.Annotations[settings.Prefix+annotations[i]] = annotations[i+1]
	}
	w.apps = append(w.apps, a)
}

func pod(img string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: " + img + "\n"
}

// cycle plans and applies, and tells what became of each track as
// "app track State version".
func (w *world) cycle() []string {
	w.Helper()
	plans, err := w.Plan(w.Context(), update.Selection{})
	if err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, o := range w.Apply(w.Context(), plans) {
		line := fmt.Sprintf("%s %s %s %s", o.App.Name, o.Track, state(o.State), o.To.Head)
		if o.Reason != "" {
			line += ": " + o.Reason
		}
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

func state(s plan.State) string {
	return []string{"Pending", "Updated", "AlreadyDeclared", "NothingEligible", "NotLive", "Held", "Undecided", "Failed"}[s]
}

func (w *world) want(got []string, want ...string) {
	w.Helper()
	ok := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		// An expectation is the beginning of a line, with … for what stands between.
		begin, rest, _ := strings.Cut(want[i], "…")
		ok = ok && strings.HasPrefix(got[i], begin) && strings.Contains(got[i], rest)
	}
	if !ok {
		w.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (w *world) branches(want ...string) {
	w.Helper()
	got, err := w.repo.Branches()
	if err != nil || !slices.Equal(got, want) {
		w.Errorf("branches %q, %v, want %q", got, err, want)
	}
}

func (w *world) image(branch, app, want string) {
	w.Helper()
	got, err := w.repo.File(branch, app+"/pod.yaml")
	if err != nil || got != pod(want) {
		w.Errorf("%s of %s: got %q, %v, want image %s", app, branch, got, err, want)
	}
}

// J1: a repository is asked once for each credential, whoever asks.
func TestOneListForAllWhoFollow(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}, "b": {"1.0.0"}})
	var files []string
	for i := range 10 {
		name := fmt.Sprintf("app-%d", i)
		files = append(files, name+"/pod.yaml", pod("reg.example.com/a:1.0.0"))
		list := []string{"image-list", "reg.example.com/a, b=reg.example.com/b"}
		if i == 0 {
			list = append(list, "b.pull-secret", "env:OTHER")
		}
		w.app(name, "main", list...)
	}
	w.seed("main", files...)
	w.cycle()
	if got := w.registry.Count(itest.KindTags).Requests; got != 3 {
		t.Errorf("%d tag lists, want one of a and two of b", got)
	}
	if got := w.git.Count(itest.KindReceivePack).Requests; got != 1 {
		t.Errorf("%d pushes, want 1", got)
	}
}

func TestBranchesOfOurOwn(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"), "job/pod.yaml", pod("reg.example.com/a:1.0.0"))
	w.app("web", "main", "image-list", "a=reg.example.com/a", "write-back-method", "git:branch")
	w.app("job", "main", "image-list", "a=reg.example.com/a", "write-back-method", "git:branch", "git-branch-prefix", "up/")
	w.want(w.cycle(), "job a Updated up/a-1.1.0", "web a Updated image-update/a-1.1.0")
	w.branches("image-update/a-1.1.0", "main", "up/a-1.1.0")
	w.image("image-update/a-1.1.0", "web", "reg.example.com/a:1.1.0")
	w.image("image-update/a-1.1.0", "job", "reg.example.com/a:1.0.0")
	w.image("main", "web", "reg.example.com/a:1.0.0")

	// The branch is there: what it says is what is declared.
	w.git.Reset()
	w.want(w.cycle(), "job a AlreadyDeclared up/a-1.1.0", "web a AlreadyDeclared image-update/a-1.1.0")
	if got := w.git.Count(itest.KindReceivePack).Requests; got != 0 {
		t.Errorf("%d pushes, want none", got)
	}

	// Somebody else works on it, too: their commit stays.
	w.seed("image-update/a-1.1.0", "web/pod.yaml", pod("reg.example.com/a:1.0.0"), "web/README", "theirs")
	w.want(w.cycle(), "job a AlreadyDeclared", "web a Updated image-update/a-1.1.0")
	w.image("image-update/a-1.1.0", "web", "reg.example.com/a:1.1.0")
	if _, err := w.repo.File("image-update/a-1.1.0", "web/README"); err != nil {
		t.Errorf("their file is gone: %v", err)
	}

	// It was merged: there is nothing to do any more.
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.1.0"), "job/pod.yaml", pod("reg.example.com/a:1.1.0"))
	w.want(w.cycle(), "job a AlreadyDeclared", "web a AlreadyDeclared")
}

func TestTwoBasesNeverShareAHead(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	for _, branch := range []string{"main", "next"} {
		w.seed(branch, branch+"/pod.yaml", pod("reg.example.com/a:1.0.0"))
		w.app(branch, branch, "image-list", "a=reg.example.com/a", "write-back-method", "git:branch")
	}
	w.want(w.cycle(), "main a Updated image-update/a-1.1.0-main", "next a Updated image-update/a-1.1.0-next")
	w.image("image-update/a-1.1.0-next", "next", "reg.example.com/a:1.1.0")
}

func TestHeadTemplates(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"), "job/pod.yaml", pod("reg.example.com/a:1.0.0"), "bad/pod.yaml", pod("reg.example.com/a:1.0.0"))
	w.app("web", "main", "image-list", "a=reg.example.com/a", "git-branch", `main:bump{{range .Images}}-{{.Name}}-{{.OldTag}}-{{.NewTag}}{{end}}`)
	w.app("job", "other", "image-list", "a=reg.example.com/a", "git-branch", "main")
	w.app("bad", "main", "image-list", "a=reg.example.com/a", "git-branch", "main:main/x")
	w.want(w.cycle(), "bad a Failed…there is a branch main", "job a Updated main", "web a Updated bump-a-1.0.0-1.1.0")
	w.branches("bump-a-1.0.0-1.1.0", "main")
}

// Of two tracks of one repository each has the containers that its rules admit.
func TestTwoTracksOfOneRepository(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0", "2.0.0", "2.2.0"}})
	w.seed("main", "web/old.yaml", pod("reg.example.com/a:1.0.0"), "web/new.yaml", pod("reg.example.com/a:2.0.0"))
	w.app("web", "main", "image-list", "one=reg.example.com/a:1.x, two=reg.example.com/a:2.x")
	w.want(w.cycle(), "web one Updated", "web two Updated")
	for file, want := range map[string]string{"web/old.yaml": "reg.example.com/a:1.1.0", "web/new.yaml": "reg.example.com/a:2.2.0"} {
		if got, err := w.repo.File("main", file); err != nil || got != pod(want) {
			t.Errorf("%s: got %q, %v", file, got, err)
		}
	}
}

// Two Applications that write one value differently: one of them is written,
// the other is told why not, and it stays so.
func TestTwoApplicationsWantOneValue(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0", "2.0.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"))
	w.app("web", "main", "image-list", "a=reg.example.com/a:1.x")
	w.app("zoo", "main", "image-list", "a=reg.example.com/a", "write-back-target", "manifests:/web")
	for range 3 {
		got := w.cycle()
		w.want(got[1:], "zoo a Failed…application argocd/web (a) wants")
		w.image("main", "web", "reg.example.com/a:1.1.0")
	}
}

func TestNoDowngradeByAccident(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.2.0"), "back/pod.yaml", pod("reg.example.com/a:1.2.0"), "odd/pod.yaml", pod("reg.example.com/a:main"))
	w.app("web", "main", "image-list", "a=reg.example.com/a")
	w.app("back", "main", "image-list", "a=reg.example.com/a", "allow-downgrade", "true")
	w.app("odd", "main", "image-list", "a=reg.example.com/a")
	w.want(w.cycle(), "back a Updated", "odd a Updated", "web a Held…1.1.0 is below the declared 1.2.0")
	w.image("main", "web", "reg.example.com/a:1.2.0")
}

// What Argo CD reports decides whether an image is in use.
func TestNotLiveIsExplained(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"), "none/pod.yaml", pod("other:1"))
	w.app("web", "main", "image-list", "a=reg.example.com/a")
	w.apps[0].Status = argo.Status{Reported: true, Images: []string{"mirror.example.com/a:1.0.0", "nginx:1"}}
	w.app("none", "main", "image-list", "a=reg.example.com/a")
	w.want(w.cycle(), "none a NotLive…no container in the manifests of \"none\" uses image", "web a NotLive…it runs [\"mirror.example.com/a\"]")
}

func TestNoopChangesNothing(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"))
	w.app("web", "main", "image-list", "a=reg.example.com/a", "write-back-method", "git:noop")
	w.want(w.cycle(), "web a Pending main")
	w.image("main", "web", "reg.example.com/a:1.0.0")
}

// Whatever order the Applications come in, the same commit comes out.
func TestOrderDoesNotMatter(t *testing.T) {
	plans := func(reverse bool) []plan.Changeset {
		w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
		w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"), "job/pod.yaml", pod("reg.example.com/a:1.0.0"))
		w.app("web", "main", "image-list", "a=reg.example.com/a")
		w.app("job", "main", "image-list", "a=reg.example.com/a")
		if reverse {
			slices.Reverse(w.apps)
		}
		got, err := w.Plan(t.Context(), update.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i].Intent, got[i].To.URL = nil, ""
			for j := range got[i].Items {
				got[i].Items[j].Asked = ""
			}
		}
		if reverse {
			slices.Reverse(got)
		}
		return plan.Group(got)
	}
	options := cmp.Options{cmp.Comparer(func(a, b image.Ref) bool { return a == b }), cmp.Comparer(errors.Is)}
	if diff := cmp.Diff(plans(false), plans(true), options); diff != "" {
		t.Error(diff)
	}
}

// A registry that fails is an error of those who asked it, and of nobody else.
func TestOneRegistryFails(t *testing.T) {
	for code, class := range map[int]update.Class{401: update.Denied, 403: update.Denied, 404: update.Invalid, 429: update.Transient, 500: update.Transient} {
		w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}, "b": {"1.0.0", "1.1.0"}})
		w.registry.Break(itest.Fault{Kind: itest.KindTags, Times: 1, Harm: itest.Status(code)})
		w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"), "job/pod.yaml", pod("reg.example.com/b:1.0.0"))
		w.app("web", "main", "image-list", "a=reg.example.com/a")
		w.app("job", "main", "image-list", "b=reg.example.com/b")
		w.Options.Concurrency = 1 // the repository that is asked first suffers
		plans, err := w.Plan(t.Context(), update.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		states := map[string]plan.Item{}
		for _, o := range w.Apply(t.Context(), plans) {
			states[o.App.Name] = o.Item
		}
		if got := states["job"]; got.State != plan.Updated {
			t.Errorf("%d: job is %s: %s", code, state(got.State), got.Reason)
		}
		if got := states["web"]; got.State != plan.Failed || update.Classify(got.Err) != class {
			t.Errorf("%d: web is %s, %s: %s, want %s", code, state(got.State), update.Classify(got.Err), got.Reason, class)
		}
		w.image("main", "web", "reg.example.com/a:1.0.0")
	}
}

func TestClassify(t *testing.T) {
	for fact, want := range map[error]update.Class{
		fault.ErrDenied: update.Denied, fault.ErrRefused: update.Denied, fault.ErrNotFound: update.Invalid,
		fault.ErrUnavailable: update.Transient, fault.ErrSuspect: update.Transient, fault.ErrLostRace: update.Conflict,
		settings.ErrConflict: update.Conflict,
		context.Canceled:     update.Transient, errors.New("a broken file"): update.Invalid,
	} {
		if got := update.Classify(fmt.Errorf("list tags of x: %w", fact)); got != want {
			t.Errorf("%v: %s, want %s", fact, got, want)
		}
	}
}

// The updater tells an observer about each repository and each push.
func TestObserver(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"))
	w.app("web", "main", "image-list", "a=reg.example.com/a")
	seen := map[string]int{}
	w.Observer = observer(func(e update.Event) { seen[fmt.Sprintf("%T", e)]++ })
	w.cycle()
	want := map[string]int{"update.CycleStarted": 1, "update.ImageRead": 1, "update.Pushed": 1}
	if !maps.Equal(seen, want) {
		t.Errorf("observed %v, want %v", seen, want)
	}
}

type observer func(update.Event)

func (o observer) Observe(e update.Event) { o(e) }

// gitIn runs a git command that reads the text.
func (w *world) gitIn(text string, args ...string) (string, error) {
	cmd := exec.CommandContext(w.Context(), "git", args...)
	cmd.Dir, cmd.Stdin = w.repo.Dir, strings.NewReader(text)
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}
