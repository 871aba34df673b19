// Package file reads Argo CD Applications from YAML and JSON files and
// folders, so that the updater works without a cluster. Secrets and AppProjects
// that stand among them are handed out as well.
//
// What Kubernetes would read is what is read: the same YAML dialect, documents
// of one file apart from each other, Lists taken apart. One bad document is a
// Problem with its place and never hides the others; two Applications of one
// name are a Problem and neither of them is handed out. A path that does not
// exist is an error.
//
// The package renders nothing: Helm templates are passed over, unless they look
// like an Application that somebody expects to be seen. Inside a folder it
// follows symbolic links to files and none to folders, and it reads no file
// above 16 MiB.
package file

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
)

// Options say how manifests are to be understood.
type Options struct {
	// Namespace of manifests that name none: that of Argo CD.
	Namespace string
}

// World is what stands in the files, sorted by namespace and name.
type World struct {
	Applications []argo.Application
	Projects     []argo.Project
	Secrets      map[argo.Key]credential.Object
	Problems     []Problem // in the order of the files
	// Skipped counts documents and files that were passed over without being a
	// Problem: templates, and links that lead nowhere or to a folder.
	Skipped int
}

// Problem is something in the files that cannot be used.
type Problem struct {
	Path string
	Line int // 1-based line at which the document begins
	Err  error
}

// Error is path:line: what is wrong.
func (p Problem) Error() string { return fmt.Sprintf("%s:%d: %v", p.Path, p.Line, p.Err) }

// Unwrap gives Err.
func (p Problem) Unwrap() error { return p.Err }

// Read reads all files and folders of paths, folders with all that is below
// them: names ending in .yaml, .yml and .json, but nothing in folders whose
// name begins with a dot. A file that is reached twice is read once.
func Read(ctx context.Context, paths []string, o Options) (World, error) {
	files, skipped, err := list(ctx, paths)
	if err != nil {
		return World{}, err
	}
	r := reader{Options: o, world: World{Secrets: map[argo.Key]credential.Object{}, Skipped: skipped}}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return World{}, err
		}
		r.read(f)
	}
	r.dropDoubles()
	slices.SortFunc(r.world.Projects, func(a, b argo.Project) int { return compareKeys(a.Key, b.Key) })
	return r.world, nil
}

func compareKeys(a, b argo.Key) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
