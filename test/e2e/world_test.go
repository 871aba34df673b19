package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/itest/argoserver"
)

// world is what one script has started.
type world struct {
	ctx      context.Context
	dir      string // outside of what the script sees as its files
	registry *itest.Registry
	host     string // of the registry, for names of images
	pusher   itest.Pusher
	git      *itest.GitServer
	repo     *itest.Repo // the one that was seeded last
	argocd   *argoserver.Server
}

type worldKey struct{}

func setup(env *testscript.Env) error {
	dir := filepath.Join(env.WorkDir, ".world")
	home := filepath.Join(dir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	env.Defer(cancel)
	env.Values[worldKey{}] = &world{ctx: ctx, dir: dir}
	env.Setenv("HOME", home)
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	env.Setenv("NO_COLOR", "1")
	return nil
}

// command is a command of the scripts. It returns what it prints.
type command func(w *world, ts *testscript.TestScript, args []string) (string, error)

func commands(more map[string]command) map[string]func(*testscript.TestScript, bool, []string) {
	cmds := map[string]func(*testscript.TestScript, bool, []string){}
	all := map[string]command{
		"registry":     startRegistry,
		"push":         push,
		"tags":         tags,
		"git-server":   startGit,
		"argocd":       startArgoCD,
		"put":          putApplications,
		"show":         showApplication,
		"windows":      setWindows,
		"seed":         seed,
		"seed-link":    seedLink,
		"git-show":     gitShow,
		"git-log":      gitLog,
		"git-branches": gitBranches,
		"git-check":    gitCheck,
		"git-hook":     gitHook,
		"requests":     requests,
		"fault":        fault,
		"mend":         mend,
		"expand":       expand,
	}
	maps.Copy(all, more)
	for name, run := range all {
		cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			out, err := run(ts.Value(worldKey{}).(*world), ts, args)
			fmt.Fprint(ts.Stdout(), out)
			switch {
			case err != nil && !neg:
				ts.Fatalf("%s: %v", name, err)
			case err == nil && neg:
				ts.Fatalf("%s succeeded, and should have failed", name)
			case err != nil:
				fmt.Fprintln(ts.Stderr(), err)
			}
		}
	}
	return cmds
}

// writeCA writes the certificate to a file that the variable names.
func (w *world) writeCA(ts *testscript.TestScript, variable string, ca []byte) error {
	if ca == nil {
		return nil
	}
	path := filepath.Join(w.dir, variable+".pem")
	ts.Setenv(variable, path)
	return os.WriteFile(path, ca, 0o644)
}

// cutSettings parts key=value arguments from the others.
func cutSettings(args []string) (others []string, settings map[string]string) {
	settings = map[string]string{}
	for _, arg := range args {
		if key, value, ok := strings.Cut(arg, "="); ok {
			settings[key] = value
		} else {
			others = append(others, arg)
		}
	}
	return others, settings
}

func lines(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, "\n") + "\n"
}

func (w *world) front(server string) (*itest.Front, error) {
	switch {
	case server == "registry" && w.registry != nil:
		return w.registry.Front, nil
	case server == "git" && w.git != nil:
		return w.git.Front, nil
	case server == "argocd" && w.argocd != nil:
		return w.argocd.Front, nil
	}
	return nil, fmt.Errorf("no server %q was started: registry, git and argocd can be asked", server)
}

// requests: requests registry|git|argocd KIND|total N asserts how many requests there
// were; requests registry|git|argocd reset sets all counts to zero.
func requests(w *world, _ *testscript.TestScript, args []string) (string, error) {
	if len(args) < 2 {
		return "", errors.New("usage: requests registry|git|argocd KIND|total N, or requests registry|git|argocd reset")
	}
	front, err := w.front(args[0])
	if err != nil {
		return "", err
	}
	if args[1] == "reset" {
		front.Reset()
		return "", nil
	}
	got := front.Total().Requests
	if args[1] != "total" {
		got = front.Count(args[1]).Requests
	}
	if want := strings.Join(args[2:], " "); strconv.Itoa(got) != want {
		return "", fmt.Errorf("%s got %d %s requests, want %s", args[0], got, args[1], want)
	}
	return "", nil
}

// mend: mend registry|git removes all faults.
func mend(w *world, _ *testscript.TestScript, args []string) (string, error) {
	front, err := w.front(strings.Join(args, " "))
	if err == nil {
		front.Mend()
	}
	return "", err
}

// fault: fault registry|git KIND HARM [skip=N] [times=N] [HEADER=VALUE...]
//
// HARM is a status code (with headers), or one of the words in harms.
func fault(w *world, _ *testscript.TestScript, args []string) (string, error) {
	words, settings := cutSettings(args)
	if len(words) != 3 {
		return "", errors.New("usage: fault registry|git KIND HARM [skip=N] [times=N] [HEADER=VALUE...]")
	}
	front, err := w.front(words[0])
	if err != nil {
		return "", err
	}
	f := itest.Fault{Kind: words[1]}
	var headers []string
	for key, value := range settings {
		switch key {
		case "skip":
			f.Skip, err = strconv.Atoi(value)
		case "times":
			f.Times, err = strconv.Atoi(value)
		default:
			headers = append(headers, key, value)
		}
		if err != nil {
			return "", err
		}
	}
	if code, err := strconv.Atoi(words[2]); err == nil {
		f.Harm = itest.Status(code, headers...)
	} else if harm, ok := harms[words[2]]; ok {
		f.Harm = harm(w)
	} else {
		return "", fmt.Errorf("unknown harm %q", words[2])
	}
	front.Break(f)
	return "", nil
}

// harms are what fault can do besides status codes.
var harms = map[string]func(*world) itest.Harm{
	"cut":          func(*world) itest.Harm { return itest.Cut() },
	"truncate":     func(*world) itest.Harm { return itest.Truncate() },
	"half-tags":    func(*world) itest.Harm { return itest.HalfTags() },
	"endless":      func(*world) itest.Harm { return itest.EndlessPages() },
	"wrong-digest": func(*world) itest.Harm { return itest.WrongDigest() },
	"slow":         func(*world) itest.Harm { return itest.Slow(time.Minute) },
	"foreign-link": func(*world) itest.Harm { return itest.LinkTo(`<http://127.0.0.1:1/v2/evil/tags/list>; rel="next"`) },
	"overtaken":    overtaken,
}

// overtaken lets somebody else push to main first.
func overtaken(w *world) itest.Harm {
	return itest.Before(func() {
		err := w.repo.Commit(itest.Commit{Message: "overtaking", Files: map[string]string{"OTHER": "somebody else was here\n"}})
		if err != nil {
			panic(err) // ends the request, and the script sees a push that failed otherwise than it should
		}
	})
}

var variable = regexp.MustCompile(`\$\{[A-Z_]+\}`)

// expand: expand FILE... puts the values of ${VARIABLES} into files, for the
// addresses that are known only once the servers run.
func expand(_ *world, ts *testscript.TestScript, args []string) (string, error) {
	for _, path := range args {
		text := variable.ReplaceAllStringFunc(ts.ReadFile(path), func(s string) string { return ts.Getenv(s[2 : len(s)-1]) })
		if err := os.WriteFile(ts.MkAbs(path), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return "", nil
}
