// Package env reads registry logins from what surrounds the process: an
// environment variable (env:<VARIABLE>), and a docker configuration file for
// the registries that no credential is configured for.
//
// It asks the lookup function it was given and never the environment itself.
// It runs no credential helpers: a registry whose login is in the keeping of
// one is an error, and only that registry.
package env

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"argocd-image-updater/internal/credential"
)

// Options say where to look.
type Options struct {
	// Lookup gives the value of an environment variable, as os.LookupEnv does;
	// nil: no variable is set.
	Lookup func(name string) (value string, ok bool)
	// DockerConfig is the path of a config.json; "" is none. A file that does
	// not exist holds no logins.
	DockerConfig string
}

// Source resolves references. It is safe for use by many goroutines.
type Source struct {
	options Options

	mu     sync.Mutex
	stamp  stamp
	config credential.DockerConfig
}

// stamp tells whether a file is the one that was read.
type stamp struct {
	modified time.Time
	size     int64
}

// New makes a Source.
func New(o Options) *Source {
	if o.Lookup == nil {
		o.Lookup = func(string) (string, bool) { return "", false }
	}
	return &Source{options: o}
}

// Resolve gives the login that ref means: of an env: reference the variable's,
// of the zero reference what the docker configuration file has for the names
// (see credential.DockerConfig.Lookup), or else none, which is anonymous. The
// variable and the file are looked at each time, so that a new login needs no
// restart. References of any other kind are errors.
func (s *Source) Resolve(ref credential.Reference, names ...string) (credential.Registry, error) {
	switch ref.Kind {
	case credential.Env:
		return s.variable(ref)
	case credential.None:
		return s.fromFile(names)
	}
	return credential.Registry{}, fmt.Errorf("credential %s: cannot be read here: env:<VARIABLE> and a docker config file can", ref)
}

func (s *Source) variable(ref credential.Reference) (credential.Registry, error) {
	value, ok := s.options.Lookup(ref.Name)
	if !ok {
		return credential.Registry{}, fmt.Errorf("credential %s: the variable is not set", ref)
	}
	login, err := credential.FromUserPass(value)
	if err != nil {
		return credential.Registry{}, fmt.Errorf("credential %s: %w", ref, err)
	}
	login.From = ref.String()
	return login, nil
}

func (s *Source) fromFile(names []string) (credential.Registry, error) {
	config, err := s.dockerConfig()
	if err != nil {
		return credential.Registry{}, fmt.Errorf("docker config %s: %w", s.options.DockerConfig, err)
	}
	login, found, err := config.Lookup(names...)
	if err != nil {
		return credential.Registry{}, fmt.Errorf("docker config %s: %w", s.options.DockerConfig, err)
	}
	if found {
		login.From = s.options.DockerConfig
	}
	return login, nil
}

// dockerConfig reads the file again if it has changed.
func (s *Source) dockerConfig() (credential.DockerConfig, error) {
	path := s.options.DockerConfig
	if path == "" {
		return credential.DockerConfig{}, nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return credential.DockerConfig{}, nil
	}
	if err != nil {
		return credential.DockerConfig{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := stamp{modified: info.ModTime(), size: info.Size()}
	if now == s.stamp {
		return s.config, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return credential.DockerConfig{}, err
	}
	config, err := credential.ParseDockerConfig(b)
	if err != nil {
		return credential.DockerConfig{}, err
	}
	s.stamp, s.config = now, config
	return config, nil
}
