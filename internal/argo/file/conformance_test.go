package file

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/argotest"
)

// folder is a source of Applications: whatever Read finds in it.
type folder struct {
	path     string
	problems []error
}

func (f *folder) List(ctx context.Context) ([]argo.Application, error) {
	w, err := Read(ctx, []string{f.path}, Options{Namespace: argotest.Namespace})
	f.problems = nil
	for _, p := range w.Problems {
		f.problems = append(f.problems, p)
	}
	return w.Applications, err
}

func TestConformance(t *testing.T) {
	argotest.Run(t, func(t *testing.T) argotest.World {
		f := &folder{path: t.TempDir()}
		return argotest.World{
			Source: f,
			Seed: func(t testing.TB, manifest string) {
				t.Helper()
				var m struct {
					Metadata struct{ Name, Namespace string }
				}
				if err := yaml.Unmarshal([]byte(manifest), &m); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(f.path, fmt.Sprintf("%s-%s.yaml", m.Metadata.Namespace, m.Metadata.Name)), manifest)
			},
			Problems: func() []error { return f.problems },
		}
	})
}
