package git_test

import (
	"fmt"
	"testing"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
)

// large is a repository of 20,000 files in 6,500 folders.
func large() map[string]string {
	files := map[string]string{}
	for i := range 20_000 {
		folder := i % 6_480 // and 20 above them
		files[fmt.Sprintf("team%02d/app%04d/file%d.yaml", folder%20, folder, i/6_480)] = fmt.Sprintf("image:\n  tag: 1.0.%d\n", i)
	}
	return files
}

// BenchmarkCommit is a turn of a client that knows nothing yet, in a repository
// of 20,000 files in 6,500 folders: look, list, read and push, over git
// http-backend, whose time is part of it. The bytes are those of the bodies of
// requests and answers.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint("files=", n), func(b *testing.B) {
			server, repo := serveLarge(b)
			at := plan.Remote{URL: server.URL("deploy"), Auth: credential.Git{CA: server.CA()}}
			server.Reset()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				turn(b, git.New(git.Options{}), at, n, fmt.Sprint(i))
				i++
			}
			total := server.Total()
			b.ReportMetric(float64(total.Requests)/float64(i), "requests/op")
			b.ReportMetric(float64(total.In)/float64(i), "sent-B/op")
			b.ReportMetric(float64(total.Out)/float64(i), "received-B/op")
			if err := repo.Check(); err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkLook is a turn with nothing to do.
func BenchmarkLook(b *testing.B) {
	server, _ := serveLarge(b)
	at, c := plan.Remote{URL: server.URL("deploy"), Auth: credential.Git{CA: server.CA()}}, git.New(git.Options{})
	turn(b, c, at, 1, "first")
	server.Reset()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		refs, err := c.Look(b.Context(), at)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(b.Context(), at, refs.Branches["main"], []string{"team00/app0000/file0.yaml"}); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(server.Total().Requests)/float64(i), "requests/op")
	b.ReportMetric(float64(server.Total().Out)/float64(i), "received-B/op")
}

// In a large repository a turn is five requests for one file and for a
// thousand, and what travels beside the trees grows with the files that are
// changed and not with those that are there.
func TestLargeRepository(t *testing.T) {
	server, repo := serveLarge(t)
	at := plan.Remote{URL: server.URL("deploy"), Auth: credential.Git{CA: server.CA()}}
	for _, n := range []int{1, 1000} {
		server.Reset()
		turn(t, git.New(git.Options{}), at, n, fmt.Sprint("n", n))
		total := server.Total()
		t.Logf("%d files: %d requests, %d bytes sent, %d received", n, total.Requests, total.In, total.Out)
		if total.Requests != 5 {
			t.Errorf("%d files: %d requests, want 5", n, total.Requests)
		}
		if most := int64(2_000_000); total.In+total.Out > most {
			t.Errorf("%d files: %d bytes, want %d at most", n, total.In+total.Out, most)
		}
	}
	if err := repo.Check(); err != nil {
		t.Error(err)
	}
}

func serveLarge(t testing.TB) (*itest.GitServer, *itest.Repo) {
	t.Helper()
	server, err := itest.StartGit(itest.GitOptions{Root: t.TempDir(), TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	repo, err := server.Init("deploy")
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Commit(itest.Commit{Files: large()}); err != nil {
		t.Fatal(err)
	}
	return server, repo
}

// turn changes n files in as many folders.
func turn(t testing.TB, c *git.Client, at plan.Remote, n int, content string) {
	t.Helper()
	refs, err := c.Look(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	old := refs.Branches["main"]
	var dirs []plan.Dir
	var paths []string
	change := commit("bump")
	for i := range n {
		dir := fmt.Sprintf("team%02d/app%04d", i%20, i)
		dirs, paths = append(dirs, plan.Dir{Path: dir}), append(paths, dir+"/file0.yaml")
		change.Files = append(change.Files, plan.FileWrite{Path: dir + "/file0.yaml", Bytes: fmt.Appendf(nil, "image:\n  tag: %s\n", content)})
	}
	lists, err := c.List(t.Context(), at, old, dirs)
	if err != nil || len(lists) != n || !lists["team00/app0000"].Exists {
		t.Fatal(err, len(lists))
	}
	files, err := c.Read(t.Context(), at, old, paths)
	if err != nil || len(files) != n || !files["team00/app0000/file0.yaml"].Exists {
		t.Fatal(err, len(files))
	}
	if _, err := c.Push(t.Context(), at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{change}}); err != nil {
		t.Fatal(err)
	}
}
