package e2e_test

import (
	"bufio"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/itest/fleet"
)

// small is a fleet that has everything a large one has.
func small() fleet.Size {
	return fleet.Size{Applications: 40, Images: 2, Repositories: 8, Tags: 50, Files: 300, Folders: 60}
}

func startFleet(t *testing.T, o itest.GitOptions) *fleet.Fleet {
	t.Helper()
	f, err := fleet.Start(t.TempDir(), small(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// updater is the program, running in a loop.
type updater struct {
	*testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func runUpdater(t *testing.T, f *fleet.Fleet, args ...string) *updater {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), buildUpdater(t),
		append([]string{"run", "--applications", f.Applications, "--registries-conf-path", f.RegistriesConf}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &updater{T: t, cmd: cmd, lines: bufio.NewScanner(out)}
}

// buildUpdater builds the program and returns its path.
func buildUpdater(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "argocd-image-updater")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "argocd-image-updater/cmd/argocd-image-updater").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// until reads the log up to a line with the text, which it returns.
func (u *updater) until(text string) string {
	u.Helper()
	for u.lines.Scan() {
		if line := u.lines.Text(); strings.Contains(line, text) {
			return line
		}
	}
	u.Fatalf("the log ended before %q: %v", text, u.lines.Err())
	return ""
}

// end waits for the end, with everything that is still said.
func (u *updater) end() (said string, err error) {
	var b strings.Builder
	for u.lines.Scan() {
		b.WriteString(u.lines.Text() + "\n")
	}
	return b.String(), u.cmd.Wait()
}

func (u *updater) terminate() {
	u.Helper()
	if err := u.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		u.Fatal(err)
	}
}

// What a cycle costs depends on how many image repositories and branches there
// are, not on how many Applications and files.
func TestWorkOfAFleet(t *testing.T) {
	for _, c := range []struct {
		name     string
		args     []string
		server   itest.GitOptions
		fetches  int
		commits  int
		grouping string
	}{
		{name: "partial clone", server: itest.GitOptions{}, fetches: 3, commits: 40, grouping: "application"},
		{name: "whole branch", server: itest.GitOptions{NoFilter: true}, fetches: 2, commits: 40, grouping: "application"},
		{name: "one commit", server: itest.GitOptions{}, fetches: 3, commits: 1, grouping: "repository"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // most of the time is the interval's
			f := startFleet(t, c.server)
			u := runUpdater(t, f, "--interval", "5s", "--git-commit-grouping", c.grouping)
			line := u.until("Processing results:")
			if want := "applications=40 images_considered=80 images_skipped=0 images_updated=80 errors=0"; !strings.Contains(line, want) {
				t.Errorf("got %s, want %s", line, want)
			}
			assertCounts(t, f, 8, c.fetches, 1)
			if log, err := f.Repo.Log("main"); err != nil || len(log) != 1+c.commits {
				t.Errorf("%d commits, %v, want %d", len(log)-1, err, c.commits)
			}
			f.Registry.Reset()
			f.Git.Reset()
			line = u.until("Processing results:")
			if !strings.Contains(line, "images_updated=0 errors=0") {
				t.Errorf("second cycle: %s", line)
			}
			assertCounts(t, f, 8, 1, 0)
			u.terminate()
			if said, err := u.end(); err != nil {
				t.Errorf("%v\n%s", err, said)
			}
			if err := f.Repo.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func assertCounts(t *testing.T, f *fleet.Fleet, tagLists, fetches, pushes int) {
	t.Helper()
	if got := f.Registry.Count(itest.KindTags).Requests; got != tagLists {
		t.Errorf("%d tag lists, want %d", got, tagLists)
	}
	if got := f.Git.Count(itest.KindUploadRefs).Requests + f.Git.Count(itest.KindUploadPack).Requests; got != fetches {
		t.Errorf("%d requests to upload-pack, want %d", got, fetches)
	}
	if got := f.Git.Count(itest.KindReceivePack).Requests; got != pushes {
		t.Errorf("%d pushes, want %d", got, pushes)
	}
}

// deadline is how long the program may take to end, with the time that a busy
// machine needs on top.
const deadline = 5*time.Second + 5*time.Second

// SIGTERM in the middle: a push that has begun ends, one that has not never
// starts, and the program ends soon whatever the servers do.
func TestTerminate(t *testing.T) {
	for _, c := range []struct {
		name    string
		harm    func(*fleet.Fleet, chan<- struct{})
		updated bool
	}{
		{"while a registry is slow", func(f *fleet.Fleet, begun chan<- struct{}) {
			f.Registry.Break(itest.Fault{Kind: itest.KindTags, Harm: signalled(begun, itest.Slow(time.Hour))})
		}, false},
		{"while Git is slow to tell its branches", func(f *fleet.Fleet, begun chan<- struct{}) {
			f.Git.Break(itest.Fault{Kind: itest.KindUploadRefs, Harm: signalled(begun, itest.Slow(time.Hour))})
		}, false},
		{"while a push never ends", func(f *fleet.Fleet, begun chan<- struct{}) {
			f.Git.Break(itest.Fault{Kind: itest.KindReceivePack, Harm: signalled(begun, itest.Slow(time.Hour))})
		}, false},
		{"while a push takes a second", func(f *fleet.Fleet, begun chan<- struct{}) {
			f.Git.Break(itest.Fault{Kind: itest.KindReceivePack, Harm: signalled(begun, itest.Slow(time.Second))})
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // most of the time is somebody's slowness
			f := startFleet(t, itest.GitOptions{})
			begun := make(chan struct{}, 100)
			c.harm(f, begun)
			u := runUpdater(t, f, "--interval", "1h")
			<-begun
			start := time.Now()
			u.terminate()
			said, err := u.end()
			var exit *exec.ExitError
			if errors.As(err, &exit) && !exit.Exited() || time.Since(start) > deadline {
				t.Errorf("it ended after %s: %v\n%s", time.Since(start), err, said)
			}
			log, err := f.Repo.Log("main")
			if updated := len(log) > 1; err != nil || updated != c.updated {
				t.Errorf("pushed: %v, want %v (%v)\n%s", updated, c.updated, err, said)
			}
			if strings.Contains(said, "Successfully updated image") != c.updated {
				t.Errorf("said:\n%s", said)
			}
		})
	}
}

// signalled tells when the harm begins.
func signalled(begun chan<- struct{}, harm itest.Harm) itest.Harm {
	return func(next http.Handler) http.Handler {
		harmed := harm(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun <- struct{}{}
			harmed.ServeHTTP(w, r)
		})
	}
}
