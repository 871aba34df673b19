package cli

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/file"
	"argocd-image-updater/internal/credential"
)

// files are Applications from manifest files, and the Secrets beside them. The
// files are read anew for each cycle.
type files struct {
	paths     []string
	namespace string
	only      filter

	mu     sync.Mutex
	world  file.World
	ofArgo credential.Repositories
}

// List reads the files.
func (f *files) List(ctx context.Context) ([]argo.Application, error) {
	if len(f.paths) == 0 {
		return nil, nil
	}
	w, err := file.Read(ctx, f.paths, file.Options{Namespace: f.namespace})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.world = w
	f.ofArgo = credential.NewRepositories(slices.DeleteFunc(slices.Collect(maps.Values(w.Secrets)), func(s credential.Object) bool { return s.Namespace != f.namespace }))
	return slices.DeleteFunc(slices.Clone(w.Applications), func(a argo.Application) bool { return !f.only.admits(a) }), nil
}

// filter narrows down which Applications are looked at. The zero filter admits
// all.
type filter struct {
	namespace string
	names     []string // globs as in path.Match
	label     string   // key=value
}

func (f filter) check() error {
	for _, glob := range f.names {
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("--match-application-name %q: the glob does not parse", glob)
		}
	}
	if key, _, ok := strings.Cut(f.label, "="); f.label != "" && (!ok || key == "" || strings.ContainsAny(f.label, "!,")) {
		return fmt.Errorf("--match-application-label %q: one key=value expected", f.label)
	}
	return nil
}

func (f filter) admits(a argo.Application) bool {
	key, value, _ := strings.Cut(f.label, "=")
	return (f.namespace == "" || a.Namespace == f.namespace) &&
		(f.label == "" || a.Labels[key] == value) &&
		admits(f.names, func(glob string) bool {
			ok, err := path.Match(glob, a.Name)
			return ok && err == nil
		})
}

// problems are what could not be read the last time.
func (f *files) problems() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []error
	for _, p := range f.world.Problems {
		out = append(out, p)
	}
	return out
}

// Project implements update.Projects. A project that does not stand in the files
// sets no limits.
func (f *files) Project(_ context.Context, app argo.Application) (*argo.Project, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := argo.Key{Namespace: f.namespace, Name: app.ProjectName()}
	for _, p := range f.world.Projects {
		if p.Key == key {
			return &p, nil
		}
	}
	return nil, nil
}

// notices tell of projects whose limits are not known.
func (f *files) notices() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	missing := map[string]bool{}
	for _, app := range f.world.Applications {
		missing[app.ProjectName()] = true
	}
	delete(missing, argo.DefaultProject) // as Argo CD makes it, it sets no limits
	for _, p := range f.world.Projects {
		delete(missing, p.Name)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		out = append(out, fmt.Sprintf("project %s is not among the manifest files: its sync windows and sourceRepos are not known and set no limits", name))
	}
	return out
}

// secret finds a Secret among the manifests that were read last.
func (f *files) secret(key argo.Key) (credential.Object, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.world.Secrets[key]
	return s, ok
}

// repositories are the Secrets that Argo CD has for repositories.
func (f *files) repositories() credential.Repositories {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ofArgo
}
