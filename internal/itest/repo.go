package itest

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Repo is a bare Git repository on disk.
type Repo struct{ Dir string }

// Commit is one commit on top of a branch.
type Commit struct {
	Branch  string            // "" is main
	Message string            // "" is "seed"
	When    time.Time         // zero is a fixed date, so that hashes are the same each time
	Files   map[string]string // contents by path; what is not named stays
	Links   map[string]string // targets of symbolic links by path
}

// InitRepo makes an empty bare repository whose HEAD is main.
func InitRepo(dir string) (*Repo, error) {
	r := &Repo{Dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	_, err := r.Git("init", "--quiet", "--bare", "--initial-branch=main", ".")
	return r, err
}

// Commit adds a commit; the first one of a branch is an orphan. 20,000 files
// take less than a second: they go in as one stream.
func (r *Repo) Commit(c Commit) error {
	if c.Branch == "" {
		c.Branch = "main"
	}
	if c.Message == "" {
		c.Message = "seed"
	}
	if c.When.IsZero() {
		c.When = time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
	}
	_, err := r.run(r.stream(c), "fast-import", "--quiet")
	return err
}

// stream writes the commit in the language of git fast-import.
func (r *Repo) stream(c Commit) []byte {
	var b bytes.Buffer
	data := func(s string) { fmt.Fprintf(&b, "data %d\n%s\n", len(s), s) }
	ref := "refs/heads/" + c.Branch
	fmt.Fprintf(&b, "commit %s\ncommitter Somebody Else <else@example.com> %d +0000\n", ref, c.When.Unix())
	data(c.Message)
	if head, err := r.Head(c.Branch); err == nil {
		fmt.Fprintf(&b, "from %s\n", head)
	}
	for _, path := range sorted(c.Files) {
		fmt.Fprintf(&b, "M 100644 inline %s\n", path)
		data(c.Files[path])
	}
	for _, path := range sorted(c.Links) {
		fmt.Fprintf(&b, "M 120000 inline %s\n", path)
		data(c.Links[path])
	}
	return b.Bytes()
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Head is the commit that a branch points to.
func (r *Repo) Head(branch string) (string, error) {
	return r.Git("rev-parse", "--verify", "--quiet", "refs/heads/"+branch)
}

// File is the content of a file at a branch, to the byte.
func (r *Repo) File(branch, path string) (string, error) {
	out, err := r.run(nil, "cat-file", "blob", "refs/heads/"+branch+":"+path)
	return string(out), err
}

// Log lists the subjects of a branch's commits, the newest first.
func (r *Repo) Log(branch string) ([]string, error) {
	out, err := r.Git("log", "--format=%s", "refs/heads/"+branch, "--")
	if err != nil || out == "" {
		return nil, err
	}
	return strings.Split(out, "\n"), nil
}

// Branches lists the names of all branches, sorted.
func (r *Repo) Branches() ([]string, error) {
	out, err := r.Git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/")
	if err != nil || out == "" {
		return nil, err
	}
	return strings.Split(out, "\n"), nil
}

// Check lets git look at every object in earnest.
func (r *Repo) Check() error {
	_, err := r.Git("fsck", "--strict", "--full")
	return err
}

// Hook installs a hook, such as a pre-receive that refuses. The script is run
// by sh.
func (r *Repo) Hook(name, script string) error {
	return os.WriteFile(filepath.Join(r.Dir, "hooks", name), []byte("#!/bin/sh\n"+script), 0o755)
}

// Git runs a git command in the repository and returns what it printed,
// without the last line's end.
func (r *Repo) Git(args ...string) (string, error) {
	out, err := r.run(nil, args...)
	return strings.TrimSuffix(string(out), "\n"), err
}

func (r *Repo) run(stdin []byte, args ...string) ([]byte, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.Dir
	cmd.Env = append(environment(), "PATH="+searchPath())
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// environment keeps the configuration of whoever runs the tests out of them.
func environment() []string {
	return []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "HOME=" + os.DevNull, "LC_ALL=C"}
}

// searchPath is where git and its hooks find their programs.
func searchPath() string {
	git, err := exec.LookPath("git")
	if err != nil {
		return "/usr/bin:/bin"
	}
	return filepath.Dir(git) + string(filepath.ListSeparator) + "/usr/local/bin:/usr/bin:/bin"
}
