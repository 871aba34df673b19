package update_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

const values = "image:\n  tag: 1.0.0\nother:\n  tag: 1.0.0\n"

// A push that was overtaken is made again from what is there now: nothing of
// the first plan is pushed.
func TestReplayForgetsTheFirstPlan(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "gone/pod.yaml", pod("reg.example.com/a:1.0.0"), "stays/pod.yaml", pod("reg.example.com/a:1.0.0"))
	w.app("gone", "main", "image-list", "a=reg.example.com/a")
	w.app("stays", "main", "image-list", "a=reg.example.com/a")
	w.git.Break(itest.Fault{Kind: itest.KindReceivePack, Times: 1, Harm: itest.Before(func() {
		tree, err := w.repo.Git("rev-parse", "main:stays")
		if err == nil {
			tree, err = w.gitIn("040000 tree "+tree+"\tstays\n", "mktree")
		}
		if err == nil {
			tree, err = w.repo.Git("-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", "-p", "main", "-m", "gone", tree)
		}
		if err == nil {
			_, err = w.repo.Git("update-ref", "refs/heads/main", tree)
		}
		if err != nil {
			t.Error(err)
		}
	})})
	w.want(w.cycle(), "gone a Failed…folder \"gone\" does not exist", "stays a Updated")
	if _, err := w.repo.File("main", "gone/pod.yaml"); err == nil {
		t.Error("the file that was removed is back")
	}
	w.image("main", "stays", "reg.example.com/a:1.1.0")
}

// What one Application only shows is not pushed with what another writes into
// the same file.
func TestNoopStaysOutOfOthersPushes(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "x/values.yaml", values, "x/Chart.yaml", "name: x\n")
	for name, key := range map[string]string{"noop": "image.tag", "real": "other.tag"} {
		w.app(name, "main", "image-list", "a=reg.example.com/a", "write-back-target", "helmvalues:/x/values.yaml", "a.helm.image-tag", key, "a.force-update", "true")
	}
	for i := range w.apps {
		w.apps[i].Sources[0].Directory, w.apps[i].Sources[0].Path = nil, "x"
		if w.apps[i].Name == "noop" {
			w.apps[i].Annotations[settings.Prefix+"write-back-method"] = "git:noop"
		}
	}
	w.want(w.cycle(), "noop a Pending", "real a Updated")
	if got, err := w.repo.File("main", "x/values.yaml"); err != nil || got != "image:\n  tag: 1.0.0\nother:\n  tag: 1.1.0\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// While one of two tracks of a repository is broken nobody can tell whose
// container is whose.
func TestABrokenTrackDoesNotWidenItsNeighbour(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.2.3", "1.4.0", "2.0.0", "2.4.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.2.3"), "web/two.yaml", pod("reg.example.com/a:2.0.0"))
	w.app("web", "main", "image-list", "one=reg.example.com/a:~1, two=reg.example.com/a:~2", "one.allow-tags", "regexp:(")
	w.want(w.cycle(), "web one Failed…allow-tags", "web two NotLive")
	w.image("main", "web", "reg.example.com/a:1.2.3")
}

// Two tracks that want one key differently are both refused, in any order.
func TestTwoTracksWantOneKey(t *testing.T) {
	for _, list := range []string{"one=reg.example.com/a:~1, two=reg.example.com/b", "two=reg.example.com/b, one=reg.example.com/a:~1"} {
		w := newWorld(t, map[string][]string{"a": {"1.1.0"}, "b": {"2.0.0"}})
		w.seed("main", "x/values.yaml", values, "x/Chart.yaml", "name: x\n")
		w.app("x", "main", "image-list", list, "write-back-target", "helmvalues", "force-update", "true", "one.helm.image-tag", "image.tag", "two.helm.image-tag", "image.tag")
		for _, line := range w.cycle() {
			if !strings.Contains(line, "Failed") || !strings.Contains(line, "one") || !strings.Contains(line, "two") {
				t.Errorf("%s: got %s", list, line)
			}
		}
		if got := w.git.Count(itest.KindReceivePack).Requests; got != 0 {
			t.Errorf("%s: %d pushes", list, got)
		}
	}
}

// An override that would say what is said beneath it already is not made.
func TestNothingToOverride(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "x/kustomization.yaml", "images:\n- name: reg.example.com/a\n  newTag: 1.1.0\n", "y/kustomization.yaml", "resources: [../base]\n")
	w.app("x", "main", "image-list", "a=reg.example.com/a")
	w.app("y", "main", "image-list", "a=reg.example.com/a")
	w.apps[1].Status = argo.Status{Reported: true, Images: []string{"reg.example.com/a:1.1.0"}, Types: []argo.Type{argo.TypeKustomize}}
	for i := range w.apps {
		w.apps[i].Sources[0].Directory = nil
	}
	w.want(w.cycle(), "x a AlreadyDeclared", "y a AlreadyDeclared")
	if got := w.git.Count(itest.KindReceivePack).Requests; got != 0 {
		t.Errorf("%d pushes", got)
	}
}

// A head keeps its name while another base has nothing to change any more.
func TestHeadsKeepTheirNames(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	for _, branch := range []string{"main", "next"} {
		w.seed(branch, branch+"/pod.yaml", pod("reg.example.com/a:1.0.0"))
		w.app(branch, branch, "image-list", "a=reg.example.com/a", "write-back-method", "git:branch")
	}
	w.apps[1].Sources[0].RepoURL = strings.TrimSuffix(w.apps[1].Sources[0].RepoURL, ".git") + ".git/" // another spelling
	w.cycle()
	w.branches("image-update/a-1.1.0-main", "image-update/a-1.1.0-next", "main", "next")
	w.seed("main", "main/pod.yaml", pod("reg.example.com/a:1.1.0"))
	w.want(w.cycle(), "main a AlreadyDeclared", "next a AlreadyDeclared image-update/a-1.1.0-next: waits on branch image-update/a-1.1.0-next to be merged into next")
	w.branches("image-update/a-1.1.0-main", "image-update/a-1.1.0-next", "main", "next")
}

// Of two tracks the one whose images do not run is not live, and no error.
func TestOneOfTwoTracksIsLive(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0", "2.0.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"))
	w.app("web", "main", "image-list", "one=reg.example.com/a:~1, two=reg.example.com/a:~2")
	w.apps[0].Status = argo.Status{Reported: true, Images: []string{"reg.example.com/a:1.0.0"}}
	w.want(w.cycle(), "web one Updated", "web two NotLive")
	// An image that both stand for is nobody's.
	w.apps[0].Annotations[settings.Prefix+"image-list"] = "one=reg.example.com/a:~1, two=reg.example.com/a:>=1"
	w.want(w.cycle(), "web one Failed…make them exclude each other", "web two Failed…make them exclude each other")
}

// A held change tells what it is held against.
func TestHeldShowsWhatIsDeclared(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:9.0.0"))
	w.app("web", "main", "image-list", "a=reg.example.com/a")
	plans, err := w.Plan(t.Context(), update.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if it := plans[0].Items[0]; it.State != plan.Held || it.Declared.Tag != "9.0.0" {
		t.Errorf("got %s, declared %s", state(it.State), it.Declared)
	}
}

// The type of an Application without status is found from its files for a
// target of the user's choice as well.
func TestTypeIsFoundForAnyOverride(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "x/kustomization.yaml", "images:\n- name: reg.example.com/a\n  newTag: 1.0.0\n")
	w.app("x", "main", "image-list", "a=reg.example.com/a", "write-back-target", "x/.argocd-source-x.yaml")
	w.apps[0].Sources[0].Directory = nil
	w.want(w.cycle(), "x a Updated")
	if got, err := w.repo.File("main", "x/.argocd-source-x.yaml"); err != nil || got != "kustomize:\n  images:\n  - reg.example.com/a:1.1.0\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// The outcome names the commit that holds the change.
func TestOutcomesNameTheirCommits(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "one/pod.yaml", pod("reg.example.com/a:1.0.0"), "two/pod.yaml", pod("reg.example.com/a:1.0.0"))
	w.app("one", "main", "image-list", "a=reg.example.com/a")
	w.app("two", "main", "image-list", "a=reg.example.com/a")
	plans, err := w.Plan(t.Context(), update.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range w.Apply(t.Context(), plans) {
		files, err := w.repo.Git("diff-tree", "--no-commit-id", "--name-only", "-r", o.Commit)
		if want := o.App.Name + "/pod.yaml"; err != nil || files != want {
			t.Errorf("commit %s changes %q, %v, want %s", o.Commit, files, err, want)
		}
	}
}

// Looking at one Application alone shows the branch that a whole cycle uses.
func TestSelectionDoesNotRenameHeads(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	for _, branch := range []string{"main", "next"} {
		w.seed(branch, branch+"/pod.yaml", pod("reg.example.com/a:1.0.0"))
		w.app(branch, branch, "image-list", "a=reg.example.com/a", "write-back-method", "git:branch")
	}
	plans, err := w.Plan(t.Context(), update.Selection{App: "main"})
	if err != nil {
		t.Fatal(err)
	}
	if len(plans) != 1 || plans[0].To.Head != "image-update/a-1.1.0-main" {
		t.Errorf("got %v", plans)
	}
	if _, err := w.Plan(t.Context(), update.Selection{App: "none"}); err == nil {
		t.Error("an application that is not there was found")
	}
}

// What a value file of the Application says counts as declared, and so does
// what runs, where the override says nothing.
func TestTheGuardLooksBeneathTheOverride(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	chart := "name: x\n"
	w.seed("main", "files/Chart.yaml", chart, "files/values.yaml", "image: {name: reg.example.com/a, tag: 1.0.0}\n",
		"files/prod.yaml", "image: {name: reg.example.com/a, tag: 9.0.0}\n",
		"live/Chart.yaml", chart, "live/values.yaml", "image: {name: reg.example.com/a, tag: 1.0.0}\n", "params/Chart.yaml", chart)
	for _, name := range []string{"files", "live", "params"} {
		w.app(name, "main", "image-list", "a=reg.example.com/a")
	}
	for i := range w.apps {
		w.apps[i].Sources[0].Directory = nil
	}
	w.apps[0].Sources[0].Helm = &argo.Helm{ValueFiles: []string{"prod.yaml", "$values/x.yaml"}}
	w.apps[1].Status = argo.Status{Reported: true, Images: []string{"reg.example.com/a:8.0.0"}, Types: []argo.Type{argo.TypeHelm}}
	w.apps[2].Sources[0].Helm = &argo.Helm{Parameters: []argo.HelmParameter{{Name: "image.tag", Value: "7.0.0"}}}
	w.want(w.cycle(), "files a Held…declared 9.0.0", "live a Held…8.0.0", "params a Held…declared 7.0.0")
}

// A manifest that a target names and that is not there is said to be missing.
func TestAMissingManifestIsNamed(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0"}})
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"))
	w.app("web", "main", "image-list", "a=reg.example.com/a", "write-back-target", "manifests:none.yaml")
	w.want(w.cycle(), "web a Failed…\"web/none.yaml\" does not exist")
}

// A key that a values file does not have yet may be misspelt: it is added, and
// that is said.
func TestAddedKeysAreSaid(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "x/Chart.yaml", "name: x\n", "x/values.yaml", "image:\n  name: reg.example.com/a\n  tag: 1.0.0\n")
	w.app("x", "main", "image-list", "a=reg.example.com/a", "write-back-target", "helmvalues", "a.helm.image-name", "image.name", "a.helm.image-tag", "image.tga")
	w.app("y", "main", "image-list", "a=reg.example.com/a", "write-back-target", "helmvalues:none.yaml", "a.helm.image-tag", "image.tag")
	for i := range w.apps {
		w.apps[i].Sources[0].Directory = nil
		w.apps[i].Sources[0].Path = "x"
	}
	plans, err := w.Plan(t.Context(), update.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(plans[0].Warnings, "\n"); !strings.Contains(got, "image.tga is not in x/values.yaml") {
		t.Errorf("warnings %q", got)
	}
	if it := plans[1].Items[0]; it.State != plan.NotLive || !strings.Contains(it.Reason, "x/none.yaml does not exist") {
		t.Errorf("got %s: %s", state(it.State), it.Reason)
	}
}

// An Application whose image list is misspelt is told apart from one that asks
// for nothing.
func TestAMisspeltImageListIsSaid(t *testing.T) {
	w := newWorld(t, nil)
	w.app("x", "main", "images-list", "a=reg.example.com/a")
	w.apps = append(w.apps, argo.Application{Key: argo.Key{Name: "none"}})
	plans, err := w.Plan(t.Context(), update.Selection{})
	if err != nil || len(plans) != 1 || len(plans[0].Items) != 0 || !strings.Contains(strings.Join(plans[0].Warnings, ""), "images-list") {
		t.Errorf("got %+v, %v", plans, err)
	}
}

// A manifest that Argo CD does not read is not written either.
func TestWhatArgoCDSkipsIsLeftAlone(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	skipped := "# +argocd:skip-file-rendering\n" + pod("reg.example.com/a:1.0.0")
	w.seed("main", "web/pod.yaml", pod("reg.example.com/a:1.0.0"), "web/skipped.yaml", skipped)
	w.app("web", "main", "image-list", "a=reg.example.com/a")
	w.want(w.cycle(), "web a Updated")
	if got, err := w.repo.File("main", "web/skipped.yaml"); err != nil || got != skipped {
		t.Errorf("got %q, %v", got, err)
	}
}

// ofProjects has a login for all projects, and one for project apart alone.
type ofProjects struct{ logins }

func (ofProjects) Git(_ context.Context, at plan.Location) (credential.Git, error) {
	if at.Project == "broken" {
		return credential.Git{}, errors.New("secret argocd/broken: it has no password")
	}
	if at.Project == "apart" {
		return credential.Git{Password: "x", From: "secret argocd/apart"}, nil
	}
	return credential.Git{Password: "y", From: "secret argocd/all"}, nil
}

// Projects push together, unless Argo CD has a credential for one of them.
func TestProjectsPushTogether(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	var files []string
	for i, project := range []string{"", "default", "team", "apart", "broken"} {
		name := fmt.Sprintf("app-%d", i)
		files = append(files, name+"/pod.yaml", pod("reg.example.com/a:1.0.0"))
		w.app(name, "main", "image-list", "reg.example.com/a")
		w.apps[i].Project = project
	}
	w.seed("main", files...)
	w.Credentials = ofProjects{}
	plans, err := w.Plan(t.Context(), update.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	var together []string
	for _, c := range plan.Group(plans) {
		together = append(together, fmt.Sprint(c.To.Project, len(c.Plans)))
	}
	if want := "[apart1 default3]"; fmt.Sprint(together) != want {
		t.Errorf("%v push together, want %s", together, want)
	}
	if got := w.git.Count(itest.KindUploadRefs).Requests; got != 2 {
		t.Errorf("looked %d times, want 2: once with each credential", got)
	}
	if got := plans[4].Items[0]; got.State != plan.Failed || !strings.Contains(got.Reason, "secret argocd/broken: it has no password") {
		t.Errorf("without a credential: %s", got.Reason)
	}
}

// A cycle about one Application decides as one about all does where others write
// into the same file.
func TestAPartSeesWhoWritesTheSameFile(t *testing.T) {
	for _, target := range []string{"helmvalues:/x/values.yaml", "helmvalues"} {
		w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0", "1.2.0"}})
		w.seed("main", "x/values.yaml", values, "x/Chart.yaml", "name: x\n", "y/values.yaml", values, "y/Chart.yaml", "name: y\n")
		for name, constraint := range map[string]string{"low": "~1.1", "high": "~1.2", "apart": "~1.2"} {
			w.app(name, "main", "image-list", "a=reg.example.com/a:"+constraint, "write-back-target", target, "a.helm.image-tag", "image.tag", "a.force-update", "true")
			source := &w.apps[len(w.apps)-1].Sources[0]
			source.Directory, source.Path = nil, "x"
			if name == "apart" {
				w.apps[len(w.apps)-1].Annotations[settings.Prefix+"write-back-target"] = "helmvalues:/y/values.yaml"
			}
		}
		plans, err := w.Plan(t.Context(), update.Selection{Pokes: []update.Poke{{App: argo.Key{Namespace: "argocd", Name: "low"}}}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range w.Apply(t.Context(), plans) {
			got = append(got, o.App.Name+" "+state(o.State)+" "+o.Reason)
		}
		w.want(got, "high Updated", `low Failed file "x/values.yaml", image.tag: this wants "1.1.0", application argocd/high (a) wants "1.2.0"`)
	}
}
