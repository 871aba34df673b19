package argo

import (
	"bytes"
	"slices"
	"strings"
)

// explicitType is the type that the source's own blocks say.
func (s Source) explicitType() Type {
	switch {
	case s.Kustomize != nil:
		return TypeKustomize
	case s.Helm != nil, s.Chart != "":
		return TypeHelm
	case s.Directory != nil:
		return TypeDirectory
	case s.Plugin != nil:
		return TypePlugin
	}
	return TypeUnknown
}

// DetectType finds the type of a source as Argo CD does: an explicit block,
// else the files in the source's own folder (names without a path, in any
// order), else Directory. Plugins that claim folders by a rule of their own
// cannot be seen from here.
func DetectType(s Source, files []string) Type {
	if t := s.explicitType(); t != TypeUnknown {
		return t
	}
	// Argo CD walks the folder in the order of names and the last hit wins, so
	// a kustomization beats the Chart.yaml beside it.
	typ := TypeDirectory
	for _, name := range slices.Sorted(slices.Values(files)) {
		switch {
		case strings.HasSuffix(name, "Chart.yaml"):
			typ = TypeHelm
		case IsKustomization(name):
			typ = TypeKustomize
		}
	}
	return typ
}

// IsKustomization reports whether a file of that name is what kustomize reads
// in a folder.
func IsKustomization(name string) bool {
	return name == "kustomization.yaml" || name == "kustomization.yml" || name == "Kustomization"
}

// Admits reports whether Argo CD reads a file of a Directory source: path is
// relative to the source's folder, with slashes. A nil Directory is a source
// without the block: every manifest of the folder itself, none below it.
//
// As in Argo CD exclude goes first, * and ? match slashes too, and a glob that
// does not parse matches nothing. Its .argocd-source files are no manifests;
// jsonnet is not read here.
func (d *Directory) Admits(path string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if !IsManifest(name) || strings.HasPrefix(name, ".argocd-source") {
		return false
	}
	if d == nil {
		return name == path
	}
	if name != path && !d.Recurse {
		return false
	}
	if d.Exclude != "" && globMatches(d.Exclude, path) {
		return false
	}
	return d.Include == "" || globMatches(d.Include, path)
}

// Skips reports whether Argo CD passes over a file of a Directory source for
// what is in it: the marker that a file is no manifest.
func Skips(text []byte) bool { return bytes.Contains(text, []byte("+argocd:skip-file-rendering")) }

// IsManifest reports whether a file of that name may hold resources that Argo
// CD applies.
func IsManifest(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".json")
}

func globMatches(glob, path string) bool {
	re, err := compileGlob(glob, "")
	return err == nil && re.MatchString(path)
}
