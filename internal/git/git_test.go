package git_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
)

var bot = plan.Identity{Name: "bot", Email: "bot@example.com"}

func when() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

func commit(message string, files ...string) plan.Commit {
	c := plan.Commit{Message: message + "\n", Author: bot, When: when()}
	for i := 0; i < len(files); i += 2 {
		c.Files = append(c.Files, plan.FileWrite{Path: files[i], Bytes: []byte(files[i+1])})
	}
	return c
}

// served is a repository behind a server, and a client that looks at it.
type served struct {
	*testing.T
	server *itest.GitServer
	repo   *itest.Repo
	client *git.Client
	at     plan.Remote
}

func serve(t *testing.T, o itest.GitOptions, c itest.Commit) served {
	t.Helper()
	o.Root = t.TempDir()
	server, err := itest.StartGit(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	repo, err := server.Init("deploy")
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Commit(c); err != nil {
		t.Fatal(err)
	}
	at := plan.Remote{URL: server.URL("deploy"), Auth: credential.Git{Username: o.Username, Password: o.Password, CA: server.CA(), From: "test"}}
	return served{t, server, repo, git.New(git.Options{}), at}
}

func (s served) head(branch string) string {
	s.Helper()
	head, err := s.repo.Head(branch)
	if err != nil {
		s.Fatal(err)
	}
	return head
}

func (s served) read(commit string, paths ...string) map[string]plan.File {
	s.Helper()
	files, err := s.client.Read(s.Context(), s.at, commit, paths)
	if err != nil {
		s.Fatal(err)
	}
	return files
}

func (s served) counts() [4]int {
	return [4]int{
		s.server.Count(itest.KindUploadRefs).Requests, s.server.Count(itest.KindUploadPack).Requests,
		s.server.Count(itest.KindReceiveRefs).Requests, s.server.Count(itest.KindReceivePack).Requests,
	}
}

func many(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("apps/%03d/values.yaml", i)] = fmt.Sprintf("tag: %d\n", i)
	}
	return files
}

// One look, one fetch of trees, one fetch of files and one push, however many
// files there are; and nothing but a look while the branch stays where it is.
func TestRequestsDoNotGrowWithFiles(t *testing.T) {
	for _, n := range []int{1, 300} {
		s := serve(t, itest.GitOptions{TLS: true, Username: "u", Password: "p"}, itest.Commit{Files: many(400)})
		s.server.Reset()
		refs, err := s.client.Look(t.Context(), s.at)
		if err != nil {
			t.Fatal(err)
		}
		if refs.Default != "main" || refs.Branches["main"] != s.head("main") {
			t.Fatalf("got %+v", refs)
		}
		var paths []string
		c := commit("bump")
		for i := range n {
			path := fmt.Sprintf("apps/%03d/values.yaml", i)
			paths = append(paths, path)
			c.Files = append(c.Files, plan.FileWrite{Path: path, Bytes: []byte("tag: new\n")})
		}
		if _, err := s.client.List(t.Context(), s.at, refs.Branches["main"], []plan.Dir{{Path: "apps", Recurse: true}}); err != nil {
			t.Fatal(err)
		}
		files := s.read(refs.Branches["main"], paths...)
		if got := string(files["apps/000/values.yaml"].Bytes); got != "tag: 0\n" {
			t.Fatalf("got %q", got)
		}
		ids, err := s.client.Push(t.Context(), s.at, plan.Push{Branch: "main", Old: s.head("main"), Parent: s.head("main"), Commits: []plan.Commit{c}})
		if err != nil {
			t.Fatal(err)
		}
		head := ids[0]
		if got, want := s.counts(), [4]int{1, 2, 1, 1}; got != want {
			t.Errorf("%d files: info/refs, upload-pack, info/refs, receive-pack: %v requests, want %v", n, got, want)
		}
		s.server.Reset()
		refs, err = s.client.Look(t.Context(), s.at)
		if err != nil || refs.Branches["main"] != head || head != s.head("main") {
			t.Fatalf("%v, %+v, want head %s", err, refs, head)
		}
		if got := string(s.read(head, paths...)["apps/000/values.yaml"].Bytes); got != "tag: new\n" {
			t.Errorf("read back %q", got)
		}
		if got, want := s.counts(), [4]int{1, 0, 0, 0}; got != want {
			t.Errorf("nothing to do: %v requests, want %v", got, want)
		}
		if err := s.repo.Check(); err != nil {
			t.Error(err)
		}
	}
}

// A server without partial clone gives the whole branch, once.
func TestWithoutPartialCloneTheBranchComesOnce(t *testing.T) {
	s := serve(t, itest.GitOptions{NoFilter: true}, itest.Commit{Files: many(50)})
	s.server.Reset()
	refs, err := s.client.Look(t.Context(), s.at)
	if err != nil {
		t.Fatal(err)
	}
	s.read(refs.Branches["main"], "apps/001/values.yaml")
	s.read(refs.Branches["main"], "apps/002/values.yaml", "apps/049/values.yaml")
	if got, want := s.counts(), [4]int{1, 1, 0, 0}; got != want {
		t.Errorf("%v requests, want %v", got, want)
	}
}

func TestPushKeepsModesLinksAndNeighbours(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{
		Files: map[string]string{"a/b.yaml": "old\n", "a.yaml": "x\n", "a-b/c": "y\n", "run.sh": "#!/bin/sh\n"},
		Links: map[string]string{"link": "a"},
	})
	for _, args := range [][]string{{"update-ref", "refs/heads/before", "main"}} {
		if _, err := s.repo.Git(args...); err != nil {
			t.Fatal(err)
		}
	}
	old := s.head("main")
	if _, err := s.client.Push(t.Context(), s.at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{
		commit("one", "a/b.yaml", "new\n"), commit("two", "a/new/deep.yaml", "deep\n", "a0", "z\n"),
	}}); err != nil {
		t.Fatal(err)
	}
	if err := s.repo.Check(); err != nil {
		t.Error(err)
	}
	diff, err := s.repo.Git("diff", "--name-status", "before", "main")
	if err != nil {
		t.Fatal(err)
	}
	if want := "M\ta/b.yaml\nA\ta/new/deep.yaml\nA\ta0"; diff != want {
		t.Errorf("changed:\n%s\nwant:\n%s", diff, want)
	}
	log, err := s.repo.Git("log", "--format=%an %ae %cn %s %at", "before..main")
	if err != nil {
		t.Fatal(err)
	}
	if want := "bot bot@example.com bot two 1772442000\nbot bot@example.com bot one 1772442000"; log != want {
		t.Errorf("log:\n%s\nwant:\n%s", log, want)
	}
}

func TestLinksStayInTheRepository(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{
		Files: map[string]string{"envs/prod/values.yaml": "tag: 1\n", "file": "x"},
		Links: map[string]string{
			"prod": "envs/prod", "envs/latest": "prod", "v.yaml": "prod/values.yaml", "up": "envs/../envs/prod",
			"out": "../../etc", "abs": "/etc/passwd", "round": "about", "about": "round", "nowhere": "gone",
		},
	})
	head := s.head("main")
	for path, want := range map[string]string{
		"prod/values.yaml": "envs/prod/values.yaml", "envs/latest/values.yaml": "envs/prod/values.yaml",
		"v.yaml": "envs/prod/values.yaml", "up/values.yaml": "envs/prod/values.yaml",
	} {
		if f := s.read(head, path)[path]; f.Path != want || !f.Exists || string(f.Bytes) != "tag: 1\n" {
			t.Errorf("%s: got %+v, want %s", path, f, want)
		}
	}
	for path, want := range map[string]string{
		"out/passwd": "symbolic link out, to ../../etc, leads out of the repository",
		"abs":        "symbolic link abs, to /etc/passwd, leads out of the repository",
		"round":      "in a circle",
		"file/below": "file is a file, and nothing can be below it",
		"envs":       "envs is a folder, not a file",
	} {
		if f := s.read(head, path)[path]; f.Err == nil || !strings.Contains(f.Err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, f.Err, want)
		}
	}
	for _, path := range []string{"nowhere", "envs/none.yaml", "no/such/folder/x"} {
		if f := s.read(head, path)[path]; f.Exists || f.Err != nil {
			t.Errorf("%s: got %+v, want a file that does not exist", path, f)
		}
	}
	dirs := []plan.Dir{{Path: ""}, {Path: "prod"}, {Path: "envs", Recurse: true}, {Path: "out"}, {Path: "none"}, {Path: "file"}}
	got, err := s.client.List(t.Context(), s.at, head, dirs)
	if err != nil {
		t.Fatal(err)
	}
	want := []plan.Entry{{Path: "envs/latest", Kind: plan.EntryLink}, {Path: "envs/prod", Kind: plan.EntryDir}, {Path: "envs/prod/values.yaml"}}
	if diff := cmp.Diff(want, got["envs"].Entries); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]plan.Entry{{Path: "prod/values.yaml"}}, got["prod"].Entries); diff != "" {
		t.Error(diff)
	}
	if got["out"].Err == nil || got["file"].Err == nil || got["none"].Exists || got["none"].Err != nil {
		t.Errorf("got %+v, %+v, %+v", got["out"], got["file"], got["none"])
	}
}

// Whoever was first wins; our push changes nothing and says so.
func TestLostRace(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	old := s.head("main")
	push := plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("ours", "a", "2\n")}}
	s.read(old, "a")
	if err := s.repo.Commit(itest.Commit{Message: "theirs", Files: map[string]string{"b": "1\n"}}); err != nil {
		t.Fatal(err)
	}
	theirs := s.head("main")
	if _, err := s.client.Push(t.Context(), s.at, push); !errors.Is(err, fault.ErrLostRace) {
		t.Errorf("got %v, want a lost race", err)
	}
	// The other writer comes between our look at the branch and our push.
	push.Old, push.Parent = theirs, theirs
	s.server.Break(itest.Fault{Kind: itest.KindReceivePack, Times: 1, Harm: itest.Before(func() {
		if err := s.repo.Commit(itest.Commit{Message: "theirs too", Files: map[string]string{"c": "1\n"}}); err != nil {
			t.Error(err)
		}
	})})
	if _, err := s.client.Push(t.Context(), s.at, push); !errors.Is(err, fault.ErrLostRace) {
		t.Errorf("got %v, want a lost race", err)
	}
	push.Branch, push.Old = "main", ""
	if _, err := s.client.Push(t.Context(), s.at, push); !errors.Is(err, fault.ErrLostRace) {
		t.Errorf("create a branch that exists: got %v, want a lost race", err)
	}
	log, err := s.repo.Log("main")
	if err != nil || !cmp.Equal(log, []string{"theirs too", "theirs", "seed"}) {
		t.Errorf("log %v, %v", log, err)
	}
}

func TestNewBranch(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	old := s.head("main")
	ids, err := s.client.Push(t.Context(), s.at, plan.Push{Branch: "image-update/app-1", Parent: old, Commits: []plan.Commit{commit("c", "a", "2\n")}})
	if err != nil || ids[0] != s.head("image-update/app-1") || old != s.head("main") {
		t.Errorf("head %s, %v", ids, err)
	}
}

func TestErrorsSayWhatAndWhere(t *testing.T) {
	seed := itest.Commit{Files: map[string]string{"a": "1\n"}}
	s := serve(t, itest.GitOptions{TLS: true, Username: "u", Password: "right"}, seed)
	for _, c := range []struct {
		name   string
		change func(*plan.Remote)
		fact   error
		text   string
	}{
		{"wrong password", func(r *plan.Remote) { r.Auth.Password = "s3cret" }, fault.ErrDenied, "authentication required"},
		{"no such repository", func(r *plan.Remote) { r.URL = s.server.URL("none") }, fault.ErrNotFound, "not found"},
		{"unknown authority", func(r *plan.Remote) { r.Auth.CA = nil }, fault.ErrUnavailable, "put its authority into a folder that SSL_CERT_DIR names"},
		{"nobody listens", func(r *plan.Remote) { r.URL = "https://127.0.0.1:1/x.git" }, fault.ErrUnavailable, "refused"},
		{"password in the URL", func(r *plan.Remote) { r.URL = "https://user:s3cret@127.0.0.1:1/x.git" }, fault.ErrUnavailable, "refused"},
		{"no such folder", func(r *plan.Remote) { r.URL = filepath.Join(t.TempDir(), "none") }, fault.ErrNotFound, "not found"},
	} {
		at := s.at
		c.change(&at)
		_, err := s.client.Look(t.Context(), at)
		if !errors.Is(err, c.fact) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v, want %v with %q", c.name, err, c.fact, c.text)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error shows the password: %v", c.name, err)
		}
	}
}

// What a server says is told in its words, and a page that is no answer of a
// Git server as what it is.
func TestAnswersAreToldPlainly(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	page := itest.Rewrite(func(http.Header, []byte) []byte { return []byte("<html>log in, please</html>") })
	for want, harm := range map[string]itest.Harm{
		"unavailable: the server says 502 Bad Gateway":                    itest.Status(http.StatusBadGateway),
		"unavailable: the answer is not that of a Git server: is this th": page,
	} {
		s.server.Mend()
		s.server.Break(itest.Fault{Kind: itest.KindUploadRefs, Harm: harm})
		if _, err := s.client.Look(t.Context(), s.at); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A hook of the server sees our push, also on the local disk, and its word is
// passed on.
func TestHooksAreHeard(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	if err := s.repo.Hook("pre-receive", "echo main is protected >&2; exit 1\n"); err != nil {
		t.Fatal(err)
	}
	old := s.head("main")
	for _, url := range []string{s.at.URL, s.repo.Dir, "file://" + s.repo.Dir} {
		at := plan.Remote{URL: url}
		if _, err := s.client.Look(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		_, err := s.client.Push(t.Context(), at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("c", "a", "2\n")}})
		if !errors.Is(err, fault.ErrRefused) || !strings.Contains(err.Error(), "main is protected") {
			t.Errorf("%s: got %v", url, err)
		}
	}
	if s.head("main") != old {
		t.Error("the branch moved")
	}
}

func TestLocalRepository(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n", "b/c": "2\n"}})
	if err := s.repo.Hook("post-receive", "touch ran\n"); err != nil {
		t.Fatal(err)
	}
	s.at = plan.Remote{URL: s.repo.Dir}
	refs, err := s.client.Look(t.Context(), s.at)
	if err != nil || refs.Branches["main"] != s.head("main") {
		t.Fatalf("%+v, %v", refs, err)
	}
	old := refs.Branches["main"]
	if f := s.read(old, "b/c")["b/c"]; string(f.Bytes) != "2\n" {
		t.Errorf("got %+v", f)
	}
	if _, err := s.client.Push(t.Context(), s.at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("c", "b/c", "3\n")}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.repo.File("main", "b/c"); err != nil || got != "3\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(s.repo.Dir, "ran")); err != nil {
		t.Errorf("the post-receive hook did not run: %v", err)
	}
	if err := s.repo.Check(); err != nil {
		t.Error(err)
	}
}

// Links are followed as the kernel follows them in a checkout.
func TestLinksAreThoseOfTheKernel(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{
		Files: map[string]string{"other/secret.yaml": "o", "other/dir/a.yaml": "a", "app/secret.yaml": "s", "app/deep/er/b.yaml": "b"},
		Links: map[string]string{
			"app/x": "../other/dir", "app/link": "x/../secret.yaml", "app/self": ".", "app/up": "..", "chain": "app/up/app/x", "app/deep/out": "../../../../..",
			"dangling": "none/x", "through": "app/secret.yaml/..", "app/deep/er/back": "../../x/../../app/deep",
		},
	})
	work := filepath.Join(t.TempDir(), "work")
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "--quiet", s.repo.Dir, work).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, path := range []string{
		"app/link", "app/x/a.yaml", "app/self/self/secret.yaml", "app/up/other/secret.yaml", "chain/a.yaml", "app/up/up/up", "app/deep/out/x",
		"dangling", "through", "app/deep/er/back/er/b.yaml", "app/deep/er/b.yaml", "app/secret.yaml/x", "none",
	} {
		f := s.read(s.head("main"), path)[path]
		resolved, err := filepath.EvalSymlinks(filepath.Join(work, path))
		inside, _ := filepath.Rel(work, resolved)
		info, statErr := os.Stat(filepath.Join(work, path))
		isFile := err == nil && statErr == nil && !info.IsDir() && !strings.HasPrefix(inside, "..")
		if (f.Exists && f.Err == nil) != isFile || isFile && f.Path != inside {
			t.Errorf("%s: we read %q (exists %v, %v), the kernel %q (%v)", path, f.Path, f.Exists, f.Err, inside, err)
		}
	}
}
