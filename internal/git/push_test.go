package git_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
)

// git runs git in the repository and fails the test with it.
func (s served) git(args ...string) string {
	s.Helper()
	out, err := s.repo.Git(args...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// push puts files on main.
func (s served) push(files ...string) ([]string, error) {
	s.Helper()
	old := s.head("main")
	return s.client.Push(s.Context(), s.at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("c", files...)}})
}

// All that is not written stays to the bit: executable files, submodules and
// links, and a file that is written keeps its mode.
func TestPushKeepsWhatItDoesNotWrite(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{
		Files: map[string]string{"d/run.sh": "#!/bin/sh\n", "d/other.sh": "#!/bin/sh\n", "d/v.yaml": "1\n", "d.yaml": "x\n", "d-e": "y\n"},
		Links: map[string]string{"d/link": "v.yaml", "link": "d"},
	})
	s.git("read-tree", "main")
	for _, path := range []string{"d/run.sh", "d/other.sh"} {
		s.git("update-index", "--cacheinfo", "100755,"+s.git("rev-parse", "main:"+path)+","+path)
	}
	s.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1a", 20)+",d/module")
	tree := s.git("write-tree")
	s.git("update-ref", "refs/heads/main", s.git("-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "modes", "-p", "main", tree))
	before := s.git("ls-tree", "-r", "main")

	if f := s.read(s.head("main"), "link/run.sh")["link/run.sh"]; f.Path != "d/run.sh" || !f.Exists {
		t.Fatalf("got %+v", f)
	}
	if _, err := s.push("d/run.sh", "#!/bin/bash\n", "d/v.yaml", "2\n"); err != nil {
		t.Fatal(err)
	}
	blob := func(rev, path string) string { return s.git("rev-parse", rev+":"+path) }
	want := strings.NewReplacer(blob("main~", "d/v.yaml"), blob("main", "d/v.yaml")).Replace(before)
	want = strings.Replace(want, "100755 blob "+blob("main~", "d/run.sh")+"\td/run.sh", "100755 blob "+blob("main", "d/run.sh")+"\td/run.sh", 1)
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(s.git("ls-tree", "-r", "main"), "\n")); diff != "" {
		t.Error(diff)
	}
	if err := s.repo.Check(); err != nil {
		t.Error(err)
	}
}

// What cannot stand in a tree or commit is refused before anything is sent.
func TestPushRefusesNonsense(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n", "dir/b": "1\n"}, Links: map[string]string{"link": "dir"}})
	s.git("read-tree", "main")
	s.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1a", 20)+",module")
	s.git("update-ref", "refs/heads/main", s.git("-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "module", "-p", "main", s.git("write-tree")))
	old := s.head("main")
	refused := func(name, text string, p plan.Push) {
		t.Helper()
		s.server.Reset()
		_, err := s.client.Push(t.Context(), s.at, p)
		if err == nil || !strings.Contains(err.Error(), text) || errors.Is(err, fault.ErrUnavailable) {
			t.Errorf("%s: got %v, want %q", name, err, text)
		}
		if n := s.server.Count(itest.KindReceivePack).Requests; n > 0 || s.head("main") != old {
			t.Errorf("%s: it was sent", name)
		}
	}
	for path, text := range map[string]string{
		"":         `"" is no path in a repository`,
		"/a":       `"/a" is no path in a repository`,
		"a//b":     `"a//b" is no path in a repository`,
		"dir/":     `"dir/" is no path in a repository`,
		"../a":     `"../a" is no path in a repository`,
		"dir/./a":  `"dir/./a" is no path in a repository`,
		".git/a":   `".git/a" is no path in a repository`,
		"x/.GIT/a": `"x/.GIT/a" is no path in a repository`,
		"a\x00b":   `is no path in a repository`,
		"a/b":      "a is a file, not a folder",
		"dir":      "dir: invalid: it is a folder",
		"link":     "link: invalid: it is a symbolic link",
		"link/b":   "link is a symbolic link, not a folder",
		"module":   "module: invalid: it is a submodule",
		"module/x": "module is a submodule, not a folder",
	} {
		refused(path, text, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("c", path, "x")}})
	}
	ok := []plan.Commit{commit("c", "a", "2\n")}
	evil := commit("c", "a", "2\n")
	evil.Author.Name = "x <y>\nparent 1"
	refused("author", "cannot stand in a commit", plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{evil}})
	refused("branch", "a branch name and two commits expected", plan.Push{Branch: "a b\n", Parent: old, Commits: ok})
	refused("old", "a branch name and two commits expected", plan.Push{Branch: "main", Old: "main", Parent: old, Commits: ok})
	refused("no commits", "no commits to push", plan.Push{Branch: "main", Old: old, Parent: old})
}

// The same push makes the same commit, whoever makes it.
func TestPushIsDeterministic(t *testing.T) {
	var heads []string
	for range 2 {
		s := serve(t, itest.GitOptions{}, itest.Commit{Files: many(30)})
		c := commit("c")
		for path := range many(30) { // in any order
			c.Files = append(c.Files, plan.FileWrite{Path: path, Bytes: []byte("new\n")})
		}
		old := s.head("main")
		ids, err := s.client.Push(t.Context(), s.at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{c}})
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, ids...)
	}
	if heads[0] != heads[1] {
		t.Errorf("got %v", heads)
	}
}

func TestEmptyRepository(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	empty, err := s.server.Init("empty")
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{s.server.URL("empty"), empty.Dir} {
		_, err := s.client.Look(t.Context(), plan.Remote{URL: url})
		if !errors.Is(err, fault.ErrNotFound) || !strings.Contains(err.Error(), "it has no commit yet") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

func TestSHA256IsRefused(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	s.git("init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=main", "../new.git")
	repo := itest.Repo{Dir: s.repo.Dir + "/../new.git"}
	if err := repo.Commit(itest.Commit{Files: map[string]string{"a": "1\n"}}); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{s.server.URL("new"), repo.Dir} {
		_, err := s.client.Look(t.Context(), plan.Remote{URL: url})
		if err == nil || errors.Is(err, fault.ErrUnavailable) || !strings.Contains(err.Error(), "named by sha256: only sha1 is supported") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

// A look is one request however many refs there are.
func TestManyRefs(t *testing.T) {
	const n = 20_000
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	head := s.head("main")
	var packed strings.Builder
	packed.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	for i := range n {
		fmt.Fprintf(&packed, "%s refs/heads/extra/%05d\n", head, i)
	}
	writeFile(t, s.repo.Dir+"/packed-refs", packed.String())
	s.server.Reset()
	refs, err := s.client.Look(t.Context(), s.at)
	if err != nil || len(refs.Branches) != n+1 {
		t.Fatalf("%d branches, %v", len(refs.Branches), err)
	}
	s.read(head, "a")
	if _, err := s.push("a", "2\n"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.counts(), [4]int{1, 2, 1, 1}; got != want {
		t.Errorf("%v requests, want %v", got, want)
	}
}

// A commit that a look has shown can be read as long as the server has it, also
// when a newer look does not show it any more. When it is gone we are told.
func TestReadAtACommitThatIsNoHead(t *testing.T) {
	for _, noFilter := range []bool{false, true} {
		s := serve(t, itest.GitOptions{NoFilter: noFilter}, itest.Commit{Files: map[string]string{"a": "1\n"}})
		old := s.head("main")
		if err := s.repo.Commit(itest.Commit{Files: map[string]string{"a": "2\n"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.client.Look(t.Context(), s.at); err != nil {
			t.Fatal(err)
		}
		files, err := s.client.Read(t.Context(), s.at, old, []string{"a"})
		if string(files["a"].Bytes) != "1\n" {
			t.Errorf("read %q", files["a"].Bytes)
		}
		if err != nil {
			t.Errorf("without partial clone %t: got %v", noFilter, err)
		}
		gone := strings.Repeat("1", 40)
		if _, err := s.client.Read(t.Context(), s.at, gone, []string{"a"}); err == nil || !strings.Contains(err.Error(), "fetch commit "+gone) {
			t.Errorf("a commit that never was: got %v", err)
		}
		if files := s.read(s.head("main"), "a"); string(files["a"].Bytes) != "2\n" {
			t.Errorf("afterwards: read %q", files["a"].Bytes)
		}
	}
}

// One client serves many repositories, and many goroutines each of them.
func TestConcurrentUse(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: many(50)})
	var wg sync.WaitGroup
	for i := range 4 {
		repo, err := s.server.Init(fmt.Sprint("r", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := repo.Commit(itest.Commit{Files: many(50)}); err != nil {
			t.Fatal(err)
		}
		each := s
		each.repo, each.at.URL = repo, s.server.URL(fmt.Sprint("r", i))
		wg.Go(func() {
			for range 2 {
				if err := each.update(); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			if _, err := each.client.Look(t.Context(), each.at); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Who has no login does not see what another has read.
func TestLoginsDoNotShare(t *testing.T) {
	s := serve(t, itest.GitOptions{Username: "u", Password: "p"}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	head := s.head("main")
	s.read(head, "a")
	other := s.at
	other.Auth = credential.Git{Username: "u", Password: "wrong", From: s.at.Auth.From}
	if _, err := s.client.Read(t.Context(), other, head, []string{"a"}); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

// A push whose report is lost on the way back is looked after: the branch tells
// what became of it.
func TestALostReportIsLookedAfter(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	s.server.Break(itest.Fault{Kind: itest.KindReceivePack, Times: 1, Harm: itest.Cut()})
	ids, err := s.push("a", "2\n")
	if err != nil || len(ids) != 1 || ids[0] != s.head("main") {
		t.Errorf("pushed %v, %v; the branch is at %s", ids, err, s.head("main"))
	}
	// One that never arrived is not taken for one that did.
	s.server.Break(itest.Fault{Kind: itest.KindReceivePack, Times: 1, Harm: itest.Status(http.StatusBadGateway)})
	if ids, err := s.push("a", "3\n"); !errors.Is(err, fault.ErrUnavailable) || ids != nil {
		t.Errorf("pushed %v, %v", ids, err)
	}
}

// What could only be put on the branch by force is not sent.
func TestPushNeverForces(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	if err := s.repo.Commit(itest.Commit{Branch: "other", Files: map[string]string{"b": "1\n"}}); err != nil {
		t.Fatal(err)
	}
	old, other := s.head("main"), s.head("other")
	s.server.Reset()
	_, err := s.client.Push(t.Context(), s.at, plan.Push{Branch: "main", Old: old, Parent: other, Commits: []plan.Commit{commit("c", "a", "2\n")}})
	if err == nil || s.head("main") != old || s.server.Count(itest.KindReceivePack).Requests != 0 {
		t.Errorf("got %v, the branch is at %s", err, s.head("main"))
	}
}
