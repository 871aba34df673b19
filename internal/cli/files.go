package cli

import (
	"context"
	"sync"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/file"
)

// files are Applications from manifest files, and the Secrets beside them. The
// files are read anew for each cycle.
type files struct {
	paths     []string
	namespace string

	mu    sync.Mutex
	world file.World
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
	return w.Applications, nil
}

// problemTexts tells what could not be read the last time.
func (f *files) problemTexts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []string{}
	for _, p := range f.world.Problems {
		out = append(out, p.Error())
	}
	return out
}

// secret finds a Secret among the manifests that were read last.
func (f *files) secret(key argo.Key) (file.Secret, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.world.Secrets[key]
	return s, ok
}

// labelled are the Secrets with a label of that value, by namespace and name.
func (f *files) labelled(namespace, label, value string) []file.Secret {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []file.Secret
	for key, s := range f.world.Secrets {
		if key.Namespace == namespace && s.Labels[label] == value {
			out = append(out, s)
		}
	}
	return out
}
