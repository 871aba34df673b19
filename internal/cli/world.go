package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/registry"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

// world are the options about everything outside of this process.
type world struct {
	set            *pflag.FlagSet // tells which flags were given
	source         sourceOptions
	registriesConf string
	dockerConfig   string
	sshKey         string
	knownHosts     []string
	author         plan.Identity
	respectWindows bool
	refresh        bool
	trailers       bool
	messagePath    string
	grouping       string
	concurrency    int
	rateLimit      int // requests per second to a registry without an entry
	log            logOptions
}

// flags declares the options; their defaults come from the environment.
func (w *world) flags(cmd *cobra.Command, sh shell) {
	f := cmd.Flags()
	w.source.flags(cmd, sh)
	f.BoolVar(&w.respectWindows, "respect-sync-windows", sh.truthUnless("IMAGE_UPDATER_RESPECT_SYNC_WINDOWS"), "write nothing while a sync window forbids an automatic sync, unless an Application says otherwise")
	f.BoolVar(&w.refresh, "refresh-after-write", sh.truthUnless("IMAGE_UPDATER_REFRESH_AFTER_WRITE"), "ask Argo CD to look at once after a push, unless an Application says otherwise")
	f.BoolVar(&w.trailers, "git-commit-trailers", sh.truthUnless("GIT_COMMIT_TRAILERS"), "append trailers to commit messages, unless an Application says otherwise")
	f.StringVar(&w.grouping, "git-commit-grouping", cmp.Or(sh.env("GIT_COMMIT_GROUPING"), "application"), "commits of one push: one for each application, or one for the repository")
	f.StringVar(&w.author.Name, "git-commit-user", cmp.Or(sh.env("GIT_COMMIT_USER"), "argocd-image-updater"), "author of commits")
	f.StringVar(&w.author.Email, "git-commit-email", cmp.Or(sh.env("GIT_COMMIT_EMAIL"), "noreply@argoproj.io"), "mail address of the author")
	f.StringVar(&w.messagePath, "git-commit-message-path", defaultMessage, "file with the template of commit messages; the default may be missing")
	f.StringVar(&w.sshKey, "git-ssh-key", "", "private key for repositories over SSH")
	f.StringSliceVar(&w.knownHosts, "git-known-hosts", userKnownHosts(sh), "known_hosts files for repositories over SSH")
	w.registryFlags(cmd, sh)
}

// Where the Pod has its configuration.
const (
	defaultRegistries = "/app/config/registries.conf"
	defaultMessage    = "/app/config/commit.template"
	defaultKnownHosts = "/app/config/ssh/ssh_known_hosts"
)

const defaultConcurrency = 10

// registryFlags are the options that reading registries needs.
func (w *world) registryFlags(cmd *cobra.Command, sh shell) {
	f := cmd.Flags()
	w.set = f
	f.StringVar(&w.registriesConf, "registries-conf-path", defaultRegistries, "registries.conf; the default may be missing: then Docker Hub and what image names say")
	f.StringVar(&w.dockerConfig, "docker-config", userDockerConfig(sh), "docker config file with logins for registries without a credential of their own")
	f.IntVar(&w.concurrency, "max-concurrency", defaultConcurrency, "image repositories, Git repositories, and patches, worked on at once")
	f.IntVar(&w.concurrency, "max-concurrent-apps", defaultConcurrency, "the same as --max-concurrency, by the name that the incumbent gave it")
	f.IntVar(&w.rateLimit, "rate-limit", 20, "requests per second to a registry that registries.conf does not name; 0 is unlimited")
	w.log.flags(cmd, sh)
}

func userDockerConfig(sh shell) string {
	if dir := sh.env("DOCKER_CONFIG"); dir != "" {
		return filepath.Join(dir, "config.json")
	}
	if home := sh.env("HOME"); home != "" {
		return filepath.Join(home, ".docker", "config.json")
	}
	return ""
}

func userKnownHosts(sh shell) []string {
	var files []string
	if home := sh.env("HOME"); home != "" {
		files = append(files, filepath.Join(home, ".ssh", "known_hosts"))
	}
	return append(files, "/etc/ssh/ssh_known_hosts", defaultKnownHosts)
}

// duration reads a duration from the environment; a value that is none is an
// error that names the variable.
func (sh shell) duration(name string, fallback time.Duration) (time.Duration, error) {
	text := sh.env(name)
	if text == "" {
		return fallback, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("variable %s %q: a duration such as 2m expected", name, text)
	}
	return d, nil
}

// watcher is told what the rooms do. The zero watcher looks away.
type watcher struct {
	line     update.Observer
	requests observed
	registry func(registry.Observation)
	git      func(git.Operation)
}

// connected are the rooms put together.
type connected struct {
	*update.Updater
	source source
	conf   *conf
	forget func() // what was read of Secrets, at the end of a cycle
}

// connect puts the rooms together.
func (w *world) connect(sh shell, tell watcher) (connected, error) {
	grouping, err := w.check(sh)
	if err != nil {
		return connected{}, &exit{exitUsage, err}
	}
	message, err := readTemplate(w.messagePath)
	if err != nil {
		return connected{}, err
	}
	c := &conf{path: w.registriesConf, rateLimit: w.rateLimit}
	registries, err := c.read()
	if err != nil {
		return connected{}, err
	}
	src, err := w.source.open(sh, tell.requests)
	if err != nil {
		return connected{}, err
	}
	credentials, forget, err := w.credentials(sh, src)
	if err != nil {
		return connected{}, err
	}
	return connected{
		source: src, conf: c, forget: forget,
		Updater: &update.Updater{
			Applications: src.Applications,
			Writer:       src.writer,
			Projects:     src.projects,
			Access:       src.limits,
			Registry:     registryPort{registry.New(registry.Options{Observe: tell.registry})},
			Git:          git.New(git.Options{KnownHostsFiles: existing(w.knownHosts), Observe: tell.git}),
			Credentials:  credentials,
			Observer:     tell.line,
			Options: update.Options{
				Namespace: w.source.namespace,
				Defaults: settings.Defaults{
					Platform: thisPlatform(), NoTrailers: !w.trailers, IgnoreWindows: !w.respectWindows, NoRefresh: !w.refresh,
				},
				Registries:  registries,
				Message:     message,
				Author:      w.author,
				Grouping:    grouping,
				Concurrency: w.concurrency,
			},
		},
	}, nil
}

// selection adds what the cluster says to a selection.
func (c connected) selection(ctx context.Context, sel update.Selection) (update.Selection, error) {
	objects, err := c.source.imageUpdaters(ctx)
	if err != nil {
		return sel, err
	}
	sel.Rules = settings.CompileRules(objects, c.Options.Defaults)
	return sel, nil
}

// problems are objects that cannot be used, as of the last list.
func (c connected) problems(rules settings.Rules) []string {
	out := []string{}
	for _, err := range c.source.problems() {
		out = append(out, err.Error())
	}
	for _, b := range rules.Broken() {
		out = append(out, b.Err.Error())
	}
	return out
}

// check finds what is wrong with the flags.
func (w *world) check(sh shell) (plan.Grouping, error) {
	if text := sh.env("MAX_CONCURRENT_APPS"); text != "" && w.set != nil && !w.set.Changed("max-concurrency") && !w.set.Changed("max-concurrent-apps") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 0, fmt.Errorf("variable MAX_CONCURRENT_APPS %q: a number of at least 1 expected", text)
		}
		w.concurrency = n
	}
	if w.concurrency < 1 {
		return 0, fmt.Errorf("--max-concurrency %d: at least 1 expected", w.concurrency)
	}
	if _, err := w.log.parse(); err != nil {
		return 0, err
	}
	return parseGrouping(w.grouping)
}

func (sh shell) lookup(name string) (string, bool) {
	v := sh.env(name)
	return v, v != ""
}

func thisPlatform() image.Platform {
	return image.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
}

func parseGrouping(s string) (plan.Grouping, error) {
	switch s {
	case "", "application":
		return plan.PerApplication, nil
	case "repository":
		return plan.PerRepository, nil
	}
	return 0, fmt.Errorf("--git-commit-grouping %q: application or repository expected", s)
}

func existing(paths []string) []string {
	var out []string
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// conf is registries.conf, which may change while the program runs.
type conf struct {
	path      string
	rateLimit int
	changed   time.Time // of the file that is in force; zero without one
}

// stamp is when the file was changed; zero if there is none and none is needed.
func (c *conf) stamp() (time.Time, error) {
	if c.path == "" {
		return time.Time{}, nil
	}
	info, err := os.Stat(c.path)
	switch {
	case c.path == defaultRegistries && errors.Is(err, fs.ErrNotExist):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("registries.conf: %w", err)
	}
	return info.ModTime(), nil
}

// read parses the file; without one the built-in registries are in force.
func (c *conf) read() (settings.Registries, error) {
	changed, err := c.stamp()
	if err != nil {
		return settings.Registries{}, err
	}
	c.changed = changed
	if changed.IsZero() {
		return settings.DefaultRegistries().WithInferredLimit(c.rateLimit), nil
	}
	b, err := os.ReadFile(c.path)
	if err != nil {
		return settings.Registries{}, fmt.Errorf("registries.conf: %w", err)
	}
	r, err := settings.ParseRegistries(b)
	if err != nil {
		return settings.Registries{}, fmt.Errorf("registries.conf %s: %w", c.path, err)
	}
	return r.WithInferredLimit(c.rateLimit), nil
}

// reread parses the file again if it was written since; ok tells whether it
// was. After an error the file is not read again before it changes.
func (c *conf) reread() (r settings.Registries, ok bool, err error) {
	changed, err := c.stamp()
	if err != nil || changed.Equal(c.changed) {
		return r, false, err
	}
	r, err = c.read()
	return r, true, err
}

// registryPort speaks the words of update to the registry client.
type registryPort struct{ client *registry.Client }

// Tags implements update.Registry.
func (p registryPort) Tags(ctx context.Context, at update.ImageSource) ([]string, error) {
	return p.client.Tags(ctx, registry.Target(at))
}

// Metadata implements update.Registry.
func (p registryPort) Metadata(ctx context.Context, at update.ImageSource, q update.TagQuestion) (policy.Metadata, error) {
	return p.client.Metadata(ctx, registry.Target(at), registry.Question(q))
}
