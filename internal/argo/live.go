package argo

import (
	"cmp"
	"slices"

	"argocd-image-updater/internal/image"
)

// LiveImages are the images that the Application runs, in the order of its
// status, and those of the status that are no image references.
func (a Application) LiveImages() (live []image.Ref, unparsable []string) {
	for _, text := range a.Status.Images {
		ref, err := image.ParseRef(text)
		if err != nil {
			unparsable = append(unparsable, text)
			continue
		}
		live = append(live, ref)
	}
	return live, unparsable
}

// OverrideFile is the name of the file in a source's folder that Argo CD lays
// over the source of this Application and no other. argoNamespace is the
// namespace of Argo CD itself.
func OverrideFile(app Key, argoNamespace string) string {
	if app.Namespace == "" || app.Namespace == argoNamespace {
		return ".argocd-source-" + app.Name + ".yaml"
	}
	return ".argocd-source-" + app.Namespace + "_" + app.Name + ".yaml"
}

// closeNames is how many names CloseNames gives at most.
const closeNames = 3

// CloseNames are the names of live images that somebody may have meant who
// asked for one that is not live, the likeliest first: the same path on another
// registry, a name with one typing error, the same last element. At most three.
func CloseNames(asked image.Repo, live []image.Ref) []string {
	type candidate struct {
		name string
		rank int
	}
	var near []candidate
	for _, ref := range live {
		rank := likeness(asked, ref.Repo)
		c := candidate{ref.Name, rank}
		if rank > 0 && !slices.Contains(near, c) {
			near = append(near, c)
		}
	}
	slices.SortFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.name, b.name))
	})
	var names []string
	for _, c := range near[:min(len(near), closeNames)] {
		names = append(names, c.name)
	}
	return names
}

// likeness is 1 for the best and 0 for none.
func likeness(a, b image.Repo) int {
	switch {
	case a == b:
		return 0
	case a.Path() == b.Path():
		return 1
	case oneTypo(a.String(), b.String()):
		return 2
	case a.Base() == b.Base():
		return 3
	}
	return 0
}

// oneTypo reports whether one character more, less or other, or two swapped
// ones, make the difference.
func oneTypo(a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) == 2 && len(b) == 2 {
		return a[0] == b[1] && a[1] == b[0]
	}
	return len(a) <= 1 && len(b) <= 1
}
