package env_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/credential/env"
)

const hidden = "hunter2-hidden"

func lookup(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

func TestVariable(t *testing.T) {
	source := env.New(env.Options{Lookup: lookup(map[string]string{
		"GOOD": "me:" + hidden + "\n", "NO_COLON": hidden, "NO_USER": ":" + hidden, "EMPTY": "",
	})})
	got, err := source.Resolve(credential.Reference{Kind: credential.Env, Name: "GOOD"})
	if want := (credential.Registry{Username: "me", Password: hidden, From: "env:GOOD"}); err != nil || got != want {
		t.Errorf("user %q from %q, %v", got.Username, got.From, err)
	}
	for name, want := range map[string]string{
		"NO_COLON": "credential env:NO_COLON: user:password expected, and there is no colon in it",
		"NO_USER":  "credential env:NO_USER: user:password: the user is empty",
		"EMPTY":    "credential env:EMPTY: user:password expected, and there is no colon in it",
		"MISSING":  "credential env:MISSING: the variable is not set",
	} {
		if _, err := source.Resolve(credential.Reference{Kind: credential.Env, Name: name}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOtherKindsAreRefused(t *testing.T) {
	ref := credential.Reference{Kind: credential.Secret, Namespace: "a", Name: "b"}
	if _, err := env.New(env.Options{}).Resolve(ref); err == nil || !strings.Contains(err.Error(), "credential secret:a/b: cannot be read here") {
		t.Error(err)
	}
}

func TestDockerConfigFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	source := env.New(env.Options{DockerConfig: path})
	resolve := func(names ...string) (credential.Registry, error) {
		return source.Resolve(credential.Reference{}, names...)
	}
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := resolve("ghcr.io"); err != nil || got != (credential.Registry{}) {
		t.Errorf("a file that is not there: %v, %v", got, err)
	}
	write(`{"auths": {"ghcr.io": {"username": "one", "password": "pw"}}, "credHelpers": {"ecr.example": "ecr-login"}}`)
	if got, err := resolve("ghcr.io/org/app"); err != nil || got.Username != "one" || got.From != path {
		t.Errorf("%q from %q, %v", got.Username, got.From, err)
	}
	if got, err := resolve("quay.io"); err != nil || got != (credential.Registry{}) {
		t.Errorf("a host without a login: %v, %v", got, err)
	}
	if _, err := resolve("ecr.example/app"); err == nil || !strings.Contains(err.Error(), "docker-credential-ecr-login, which is not supported") {
		t.Error(err)
	}
	write(`{"auths": {"ghcr.io": {"username": "another", "password": "pw"}}}`)
	if got, err := resolve("ghcr.io"); err != nil || got.Username != "another" {
		t.Errorf("a file that was written anew: %q, %v", got.Username, err)
	}
	write(`{"auths": ` + hidden)
	if _, err := resolve("ghcr.io"); err == nil || strings.Contains(err.Error(), hidden) || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func TestWithoutAnything(t *testing.T) {
	if got, err := env.New(env.Options{}).Resolve(credential.Reference{}, "ghcr.io"); err != nil || got != (credential.Registry{}) {
		t.Errorf("%v, %v", got, err)
	}
}
