package git

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
)

func startRepository(t *testing.T, files map[string]string) (*itest.Repo, plan.Remote) {
	t.Helper()
	server, err := itest.StartGit(itest.GitOptions{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	repo, err := server.Init("deploy")
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Commit(itest.Commit{Files: files}); err != nil {
		t.Fatal(err)
	}
	return repo, plan.Remote{URL: server.URL("deploy"), Auth: credential.Git{From: "test"}}
}

// What is kept stays within its bound over many commits, by others and by us,
// and what is read is right all the same.
func TestWhatIsKeptIsBounded(t *testing.T) {
	const bound, file = 20_000, 4_000
	repo, at := startRepository(t, map[string]string{"ours": "0", "theirs": "0"})
	c := New(Options{MaxKept: bound})
	r, err := c.repository(at)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		want := strings.Repeat(fmt.Sprintf("%04d", i), file/4)
		if err := repo.Commit(itest.Commit{Files: map[string]string{"theirs": want}}); err != nil {
			t.Fatal(err)
		}
		refs, err := c.Look(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		old := refs.Branches["main"]
		files, err := c.Read(t.Context(), at, old, []string{"ours", "theirs"})
		if err != nil || string(files["theirs"].Bytes) != want || i > 0 && len(files["ours"].Bytes) != file {
			t.Fatalf("%d: %v", i, err)
		}
		if _, err := c.Push(t.Context(), at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{{
			Message: "c", When: time.Unix(0, 0), Files: []plan.FileWrite{{Path: "ours", Bytes: []byte(want)}},
		}}}); err != nil {
			t.Fatal(err)
		}
		if r.store.size > bound+4*file {
			t.Fatalf("after %d commits %d bytes are kept", i, r.store.size)
		}
	}
	if r.store.size < file {
		t.Errorf("only %d bytes are counted", r.store.size)
	}
	if err := repo.Check(); err != nil {
		t.Error(err)
	}
}

// A token that is renewed each hour leaves nothing behind.
func TestRenewedCredentialsLeaveNothing(t *testing.T) {
	_, at := startRepository(t, map[string]string{"a": "1"})
	c := New(Options{})
	for i := range 10 {
		at.Auth.Username, at.Auth.Password = "x", fmt.Sprint("token ", i)
		if _, err := c.Look(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.repositories); n != 1 {
		t.Errorf("%d repositories are kept of one", n)
	}
}

// A file of zeros is a thousand times larger than its pack.
func TestPacksAreBoundedUnpacked(t *testing.T) {
	_, at := startRepository(t, map[string]string{"zeros": strings.Repeat("\x00", 8<<20), "small": "1"})
	c := New(Options{MaxPack: 1 << 20})
	refs, err := c.Look(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	files, err := c.Read(t.Context(), at, refs.Branches["main"], []string{"small"})
	if err != nil || string(files["small"].Bytes) != "1" {
		t.Errorf("the small file: %v, %v", files, err)
	}
	_, err = c.Read(t.Context(), at, refs.Branches["main"], []string{"zeros"})
	if !errors.Is(err, fault.ErrUnavailable) || !strings.Contains(err.Error(), "larger than allowed") {
		t.Errorf("the large file: %v", err)
	}
}

// However many repositories there are, what is kept of all of them is bounded,
// and the one that is used keeps what it has.
func TestManyRepositoriesAreBounded(t *testing.T) {
	const each = 64 << 10
	c := New(Options{MaxTotal: 4 * each})
	for i := range 20 {
		dir := filepath.Join(t.TempDir(), strconv.Itoa(i))
		repo, err := itest.InitRepo(dir)
		if err != nil {
			t.Fatal(err)
		}
		content := strings.Repeat(strconv.Itoa(i), each)[:each]
		if err := repo.Commit(itest.Commit{Files: map[string]string{"f": content}}); err != nil {
			t.Fatal(err)
		}
		at := plan.Remote{URL: dir}
		refs, err := c.Look(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		files, err := c.Read(t.Context(), at, refs.Branches["main"], []string{"f"})
		if err != nil || string(files["f"].Bytes) != content {
			t.Fatalf("%d: %v", i, err)
		}
		if n := len(c.repositories); n > 6 {
			t.Fatalf("%d repositories are kept", n)
		}
	}
}
