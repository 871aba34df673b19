package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// seedRepository makes the bare repository with the team's first commit.
func (w *World) seedRepository(ctx context.Context) error {
	work := filepath.Join(w.Dir, "seed")
	if err := copyTree("team", work, func(text string) string { return text }); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=" + Branch, w.Repository},
		{"init", "--quiet", "--initial-branch=" + Branch, work},
		{"-C", work, "add", "."},
		{"-C", work, "commit", "--quiet", "-m", "what the team deploys"},
		{"-C", work, "push", "--quiet", w.Repository, Branch},
	} {
		if _, err := git(ctx, args...); err != nil {
			return err
		}
	}
	return os.RemoveAll(work)
}

// Git runs a git command on the repository and returns what it prints.
func (w *World) Git(ctx context.Context, args ...string) (string, error) {
	return git(ctx, append([]string{"-C", w.Repository}, args...)...)
}

// git runs the program without the user's and the machine's configuration, so
// that the demo looks the same everywhere.
func git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = []string{
		"PATH=" + searchPath(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Team", "GIT_AUTHOR_EMAIL=team@example.com", "GIT_COMMITTER_NAME=Team", "GIT_COMMITTER_EMAIL=team@example.com",
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// searchPath finds git's own folder, since the environment is not looked at
// here.
func searchPath() string {
	path, err := exec.LookPath("git")
	if err != nil {
		return "/usr/local/bin:/usr/bin:/bin"
	}
	return filepath.Dir(path) + ":/usr/local/bin:/usr/bin:/bin"
}
