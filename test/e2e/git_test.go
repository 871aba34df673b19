package e2e_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"argocd-image-updater/internal/itest"
)

// startGit: git-server [-tls] [-auth USER:PASSWORD] [-no-filter]
//
// It sets $GIT_URL, below which repositories are, and $GIT_CA (a file).
func startGit(w *world, ts *testscript.TestScript, args []string) (string, error) {
	flags := flag.NewFlagSet("git-server", flag.ContinueOnError)
	secure := flags.Bool("tls", false, "")
	auth := flags.String("auth", "", "")
	noFilter := flags.Bool("no-filter", false, "")
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	user, password, _ := strings.Cut(*auth, ":")
	var err error
	w.git, err = itest.StartGit(itest.GitOptions{
		Root: w.gitRoot(), TLS: *secure, Username: user, Password: password, NoFilter: *noFilter,
	})
	if err != nil {
		return "", err
	}
	ts.Defer(w.git.Close)
	ts.Setenv("GIT_URL", strings.TrimSuffix(w.git.URL(""), "/.git"))
	return "", w.writeCA(ts, "GIT_CA", w.git.CA())
}

func (w *world) gitRoot() string { return filepath.Join(w.dir, "git") }

// seed: seed NAME DIR [BRANCH] commits the files of DIR to NAME.git, which is
// made if it is not there. The git- commands below look at the repository that
// was seeded last; $REPO is its folder.
func seed(w *world, ts *testscript.TestScript, args []string) (string, error) {
	if len(args) != 2 && len(args) != 3 {
		return "", errors.New("usage: seed NAME DIR [BRANCH]")
	}
	dir := filepath.Join(w.gitRoot(), args[0]+".git")
	w.repo = &itest.Repo{Dir: dir}
	ts.Setenv("REPO", dir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if _, err := itest.InitRepo(dir); err != nil {
			return "", err
		}
	}
	files, err := readTree(ts.MkAbs(args[1]))
	if err != nil {
		return "", err
	}
	return "", w.repo.Commit(itest.Commit{Branch: strings.Join(args[2:], ""), Files: files})
}

// seedLink: seed-link PATH TARGET commits a symbolic link to the repository that
// was seeded last.
func seedLink(w *world, _ *testscript.TestScript, args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("usage: seed-link PATH TARGET")
	}
	return "", w.repo.Commit(itest.Commit{Links: map[string]string{args[0]: args[1]}})
}

func readTree(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = string(content)
		return err
	})
	return files, err
}

// gitShow: git-show BRANCH PATH prints a file to the byte.
func gitShow(w *world, _ *testscript.TestScript, args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("usage: git-show BRANCH PATH")
	}
	return w.repo.File(args[0], args[1])
}

// gitLog: git-log BRANCH prints the subjects, the newest first.
func gitLog(w *world, _ *testscript.TestScript, args []string) (string, error) {
	if len(args) != 1 {
		return "", errors.New("usage: git-log BRANCH")
	}
	subjects, err := w.repo.Log(args[0])
	return lines(subjects), err
}

// gitBranches: git-branches prints their names, sorted.
func gitBranches(w *world, _ *testscript.TestScript, _ []string) (string, error) {
	branches, err := w.repo.Branches()
	return lines(branches), err
}

// gitCheck: git-check lets git fsck look at every object.
func gitCheck(w *world, _ *testscript.TestScript, _ []string) (string, error) {
	return "", w.repo.Check()
}

// gitHook: git-hook NAME FILE installs a shell script as a hook.
func gitHook(w *world, ts *testscript.TestScript, args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("usage: git-hook NAME FILE")
	}
	return "", w.repo.Hook(args[0], ts.ReadFile(args[1]))
}
