package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"argocd-image-updater/internal/credential/env"
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
	applications   []string
	namespace      string
	only           filter
	registriesConf string
	dockerConfig   string
	sshKey         string
	knownHosts     []string
	author         plan.Identity
	messagePath    string
	grouping       string
	concurrency    int
	rateLimit      int // requests per second to a registry without an entry
	log            logOptions
}

// defaultNamespace is Argo CD's own where there is no cluster to tell.
const defaultNamespace = "argocd"

// flags declares the options; their defaults come from the environment.
func (w *world) flags(cmd *cobra.Command, sh shell) {
	f := cmd.Flags()
	f.StringSliceVar(&w.applications, "applications", nil, "file or folder of Application manifests; may be repeated")
	f.StringVar(&w.namespace, "argocd-namespace", cmp.Or(sh.env("ARGOCD_NAMESPACE"), defaultNamespace), "namespace of Argo CD, and of manifests that name none")
	f.StringVar(&w.only.namespace, "application-namespace", "", "look at Applications of this namespace only")
	f.StringSliceVar(&w.only.names, "match-application-name", nil, "look at Applications with this name only (glob); may be repeated")
	f.StringVar(&w.only.label, "match-application-label", "", "look at Applications with this label only (key=value)")
	f.StringVar(&w.grouping, "git-commit-grouping", cmp.Or(sh.env("GIT_COMMIT_GROUPING"), "application"), "commits of one push: one for each application, or one for the repository")
	f.StringVar(&w.author.Name, "git-commit-user", cmp.Or(sh.env("GIT_COMMIT_USER"), "argocd-image-updater"), "author of commits")
	f.StringVar(&w.author.Email, "git-commit-email", cmp.Or(sh.env("GIT_COMMIT_EMAIL"), "noreply@argoproj.io"), "mail address of the author")
	f.StringVar(&w.messagePath, "git-commit-message-path", "", "file with the template of commit messages (default: built in)")
	f.StringVar(&w.sshKey, "git-ssh-key", "", "private key for repositories over SSH")
	f.StringSliceVar(&w.knownHosts, "git-known-hosts", userKnownHosts(sh), "known_hosts files for repositories over SSH")
	w.registryFlags(cmd, sh)
}

// registryFlags are the options that reading registries needs.
func (w *world) registryFlags(cmd *cobra.Command, sh shell) {
	f := cmd.Flags()
	f.StringVar(&w.registriesConf, "registries-conf-path", "", "registries.conf (default: Docker Hub and what image names say)")
	f.StringVar(&w.dockerConfig, "docker-config", userDockerConfig(sh), "docker config file with logins for registries without a credential of their own")
	f.IntVar(&w.concurrency, "max-concurrency", 10, "image repositories, and Git repositories, worked on at once")
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
	return append(files, "/etc/ssh/ssh_known_hosts")
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

// connected are the rooms put together.
type connected struct {
	*update.Updater
	files *files
	conf  *conf
}

// connect puts the rooms together.
func (w *world) connect(sh shell, observer update.Observer) (connected, error) {
	grouping, err := w.check()
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
	apps := &files{paths: w.applications, namespace: w.namespace, only: w.only}
	login := &logins{
		env: sh.env, sshKey: w.sshKey, files: apps, namespace: w.namespace,
		machine: env.New(env.Options{Lookup: sh.lookup, DockerConfig: w.dockerConfig}),
	}
	return connected{
		files: apps, conf: c,
		Updater: &update.Updater{
			Applications: apps,
			Registry:     registryPort{registry.New(registry.Options{})},
			Git:          git.New(git.Options{KnownHostsFiles: existing(w.knownHosts)}),
			Credentials:  login,
			Observer:     observer,
			Options: update.Options{
				Namespace:   w.namespace,
				Defaults:    settings.Defaults{Platform: thisPlatform()},
				Registries:  registries,
				Message:     message,
				Author:      w.author,
				Grouping:    grouping,
				Concurrency: w.concurrency,
			},
		},
	}, nil
}

// check finds what is wrong with the flags.
func (w *world) check() (plan.Grouping, error) {
	if w.concurrency < 1 {
		return 0, fmt.Errorf("--max-concurrency %d: at least 1 expected", w.concurrency)
	}
	if _, err := w.log.parse(); err != nil {
		return 0, err
	}
	if err := w.only.check(); err != nil {
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
	changed   time.Time
}

// read parses the file; no path is the built-in registries.
func (c *conf) read() (settings.Registries, error) {
	if c.path == "" {
		return settings.DefaultRegistries().WithInferredLimit(c.rateLimit), nil
	}
	info, err := os.Stat(c.path)
	if err != nil {
		return settings.Registries{}, fmt.Errorf("registries.conf: %w", err)
	}
	c.changed = info.ModTime()
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
	if c.path == "" {
		return r, false, nil
	}
	info, err := os.Stat(c.path)
	if err != nil || info.ModTime().Equal(c.changed) {
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
