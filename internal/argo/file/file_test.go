package file

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"argocd-image-updater/internal/argo"
)

// TestRead reads the folder that each archive holds; its file want says what
// is to be found there.
func TestRead(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			root, want := unpack(t, name)
			world, err := Read(context.Background(), []string{root}, Options{Namespace: "argocd"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, describe(world, root)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func unpack(t *testing.T, name string) (root, want string) {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	root = t.TempDir()
	for _, f := range archive.Files {
		if f.Name == "want" {
			want = string(f.Data)
			continue
		}
		write(t, filepath.Join(root, f.Name), string(f.Data))
	}
	return root, want
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// describe writes a World as text, with paths relative to root.
func describe(w World, root string) string {
	var b strings.Builder
	for _, app := range w.Applications {
		fmt.Fprintf(&b, "application %s at %s\n", app, app.Origin)
	}
	for _, p := range w.Projects {
		_, permits := p.Permits("https://git.example.com/team/deploy")
		reason, _, _ := p.Forbids(argo.Application{Key: argo.Key{Name: "web"}}, time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC))
		fmt.Fprintf(&b, "project %s permits %v forbids %q\n", p, permits, reason)
	}
	for _, key := range slices.SortedFunc(maps.Keys(w.Secrets), compareKeys) {
		s := w.Secrets[key]
		fmt.Fprintf(&b, "secret %s %s %v %q\n", s, s.Type, s.Labels, s.Data)
	}
	for _, p := range w.Problems {
		fmt.Fprintf(&b, "problem %v\n", p)
	}
	fmt.Fprintf(&b, "skipped %d\n", w.Skipped)
	return strings.ReplaceAll(b.String(), root+"/", "")
}

const minimal = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: %s}\n"

func names(w World) (names []string) {
	for _, app := range w.Applications {
		names = append(names, app.Name)
	}
	return names
}

func TestReadPaths(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a", "b", "sub/c", ".git/d", "mount/..2024/e", "x.txt"} {
		write(t, filepath.Join(root, name+".yaml"), fmt.Sprintf(minimal, filepath.Base(name)))
	}
	if err := os.Rename(filepath.Join(root, "x.txt.yaml"), filepath.Join(root, "x.txt")); err != nil {
		t.Fatal(err)
	}
	link := func(to, from string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(root, from)); err != nil {
			t.Fatal(err)
		}
	}
	link("..2024", "mount/..data")         // as the kubelet mounts a ConfigMap
	link("..data/e.yaml", "mount/e.yaml")  //
	link("..", "sub/loop.yaml")            // a folder by a manifest's name
	link("nowhere", "sub/broken.yaml")     //
	link("..", "sub/loop")                 //
	link(filepath.Join(root, "sub"), "to") // a root that is a link

	tests := []struct {
		name    string
		paths   []string
		want    []string
		skipped int
	}{
		{"a folder", []string{"."}, []string{"a", "b", "c", "e"}, 2},
		{"a file", []string{"a.yaml"}, []string{"a"}, 0},
		{"a file of any name", []string{"x.txt"}, []string{"x.txt"}, 0},
		{"a folder and a file in it", []string{"sub", "sub/c.yaml"}, []string{"c"}, 2},
		{"a link to a folder", []string{"to"}, []string{"c"}, 2},
		{"nothing", nil, nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var paths []string
			for _, p := range test.paths {
				paths = append(paths, filepath.Join(root, p))
			}
			world, err := Read(context.Background(), paths, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, names(world)); diff != "" || len(world.Problems) > 0 || world.Skipped != test.skipped {
				t.Error(diff, world.Problems, world.Skipped)
			}
		})
	}

	if _, err := Read(context.Background(), []string{root, filepath.Join(root, "missing")}, Options{}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a missing path gives %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, []string{root}, Options{}); err == nil {
		t.Error("a cancelled Read succeeds")
	}
}

func TestReadHugeFile(t *testing.T) {
	root := t.TempDir()
	huge := filepath.Join(root, "huge.yaml")
	write(t, huge, "")
	if err := os.Truncate(huge, maxSize+1); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "web.yaml"), fmt.Sprintf(minimal, "web"))
	world, err := Read(context.Background(), []string{root}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(world.Problems) != 1 || !strings.HasSuffix(world.Problems[0].Error(), "huge.yaml:1: larger than 16 MiB: not read") || len(world.Applications) != 1 {
		t.Error(world.Problems, names(world))
	}
}

// A template is passed over in a folder; a file that was named is meant.
func TestReadNamedTemplate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "template.yaml")
	write(t, path, "kind: Service\n{{- if .Values.on }}\n")
	world, err := Read(context.Background(), []string{path}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(world.Problems) != 1 || world.Skipped != 0 {
		t.Error(world.Problems, world.Skipped)
	}
}
