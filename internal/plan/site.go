package plan

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/edit"
	"argocd-image-updater/internal/settings"
)

// Site is the place in a repository where one Application's updates are
// written.
type Site struct {
	App         argo.Key
	Source      argo.Source // whose parameters or images are overridden
	SourceIndex int         // of Source in the Application
	Folder      argo.Folder // where the files are
	Type        argo.Type   // TypeUnknown until the folder was listed
	Target      settings.Target
	Namespace   string // Argo CD's own; it decides the name of the override file
}

// Dirs are the folders that have to be listed before Files can tell.
func (s Site) Dirs() ([]Dir, error) {
	source, err := join("", s.Folder.Path)
	if err != nil {
		return nil, fmt.Errorf("source path %q: %w", s.Folder.Path, err)
	}
	switch s.kind() {
	case settings.TargetKustomization:
		dir, err := targetPath(source, s.Target, "")
		return []Dir{{Path: dir}}, err
	case settings.TargetManifests:
		file, err := targetPath(source, s.Target, "")
		if err != nil || argo.IsManifest(file) {
			return nil, err
		}
		return []Dir{{Path: file, Recurse: s.recurse()}}, nil
	case settings.TargetDefault, settings.TargetOverride:
		return []Dir{{Path: source, Recurse: s.Type == argo.TypeUnknown && s.recurse()}}, nil
	}
	return nil, nil
}

// kind is the target's kind, with the default of a Directory known.
func (s Site) kind() settings.TargetKind {
	if s.Target.Kind == settings.TargetDefault && s.Type == argo.TypeDirectory {
		return settings.TargetManifests
	}
	return s.Target.Kind
}

// Shared is the file or folder that is written to, where other Applications may
// write as well; not ok where the file is this Application's alone, or has no
// place in the repository.
func (s Site) Shared() (file string, ok bool) {
	fallback := ""
	switch s.kind() {
	case settings.TargetDefault:
		if s.Type != argo.TypeUnknown { // else it may be a Directory
			return "", false
		}
	case settings.TargetHelmValues:
		fallback = "values.yaml"
	}
	source, err := join("", s.Folder.Path)
	if err == nil {
		file, err = targetPath(source, s.Target, fallback)
	}
	return file, err == nil
}

// recurse: a target that was named is taken with all that is below it, the
// source's own folder as Argo CD reads it.
func (s Site) recurse() bool {
	return s.Target.Path != "" || s.Source.Directory != nil && s.Source.Directory.Recurse
}

// Resolved is a Site whose files are known.
type Resolved struct {
	Site
	Format edit.Format
	// Files are the paths to read; an Override, Values or Kustomization has
	// one, Manifests have any number.
	Files []string
	// Hints are files in which the image may be declared without being written
	// there: what the override file overrides.
	Hints []Hint
}

// Hint is a file that is read and not written.
type Hint struct {
	Path   string
	Format edit.Format
}

// Paths are all files to read.
func (r Resolved) Paths() []string {
	paths := slices.Clone(r.Files)
	for _, h := range r.Hints {
		paths = append(paths, h.Path)
	}
	return paths
}

// Files tells from the listings of Dirs which files are edited.
func (s Site) Files(listings map[string]Listing) (Resolved, error) {
	source, err := join("", s.Folder.Path)
	if err != nil {
		return Resolved{}, fmt.Errorf("source path %q: %w", s.Folder.Path, err)
	}
	if s.Type == argo.TypeUnknown && (s.Target.Kind == settings.TargetDefault || s.Target.Kind == settings.TargetOverride) {
		l, err := listed(listings, source)
		if err != nil {
			return Resolved{}, err
		}
		s.Type = argo.DetectType(s.Source, names(l, source))
	}
	switch s.kind() {
	case settings.TargetKustomization:
		return s.kustomization(listings, source)
	case settings.TargetHelmValues:
		file, err := targetPath(source, s.Target, "values.yaml")
		return Resolved{Site: s, Format: edit.Values, Files: []string{file}}, err
	case settings.TargetManifests:
		return s.manifests(listings, source)
	}
	return s.override(listings, source)
}

func (s Site) override(listings map[string]Listing, source string) (Resolved, error) {
	l, err := listed(listings, source)
	if err != nil {
		return Resolved{}, err
	}
	file := path.Join(source, argo.OverrideFile(s.App, s.Namespace))
	if s.Target.Kind == settings.TargetOverride {
		if file, err = targetPath("", s.Target, ""); err != nil {
			return Resolved{}, err
		}
	}
	r := Resolved{Site: s, Format: edit.Override, Files: []string{file}}
	r.Hints = s.hints(names(l, source), source)
	return r, nil
}

// hints are the files that say what is rendered without the override: the
// chart's own values; the kustomization and the resources beside it.
func (s Site) hints(names []string, source string) []Hint {
	switch s.Type {
	case argo.TypeHelm:
		hints := []Hint{{path.Join(source, "values.yaml"), edit.Values}}
		if s.Source.Helm == nil {
			return hints
		}
		for _, file := range s.Source.Helm.ValueFiles {
			// Of several value files the last one counts. What is not in this
			// repository ($ref, a URL) cannot be asked.
			if p, err := join(source, file); err == nil && !strings.HasPrefix(file, "$") && !strings.Contains(file, "://") {
				hints = append([]Hint{{p, edit.Values}}, hints...)
			}
		}
		return hints
	case argo.TypeKustomize:
		own := kustomizationFile(names)
		hints := []Hint{{path.Join(source, own), edit.Kustomization}}
		for _, name := range names {
			if argo.IsManifest(name) && !argo.IsKustomization(name) {
				hints = append(hints, Hint{path.Join(source, name), edit.Manifests})
			}
		}
		return hints
	}
	return nil
}

func (s Site) kustomization(listings map[string]Listing, source string) (Resolved, error) {
	dir, err := targetPath(source, s.Target, "")
	if err != nil {
		return Resolved{}, err
	}
	l, err := listed(listings, dir)
	if err != nil {
		return Resolved{}, err
	}
	name := kustomizationFile(names(l, dir))
	if name == "" {
		return Resolved{}, fmt.Errorf("write-back-target %q: no kustomization.yaml, kustomization.yml or Kustomization in folder %q", s.Target.Text, shown(dir))
	}
	return Resolved{Site: s, Format: edit.Kustomization, Files: []string{path.Join(dir, name)}}, nil
}

func (s Site) manifests(listings map[string]Listing, source string) (Resolved, error) {
	r := Resolved{Site: s, Format: edit.Manifests}
	dir, err := targetPath(source, s.Target, "")
	if err != nil {
		return Resolved{}, err
	}
	if argo.IsManifest(dir) {
		r.Files = []string{dir}
		return r, nil
	}
	l, err := listed(listings, dir)
	if err != nil {
		return Resolved{}, err
	}
	read := &argo.Directory{Recurse: true}
	if s.Target.Path == "" { // the source's own folder, as Argo CD reads it
		read = s.Source.Directory
	}
	for _, e := range l.Entries {
		rel := strings.TrimPrefix(strings.TrimPrefix(e.Path, dir), "/")
		if (e.Kind == EntryFile || e.Kind == EntryLink) && read.Admits(rel) {
			r.Files = append(r.Files, e.Path)
		}
	}
	return r, nil
}

func listed(listings map[string]Listing, dir string) (Listing, error) {
	l := listings[dir]
	if l.Err != nil {
		return l, fmt.Errorf("folder %q: %w", shown(dir), l.Err)
	}
	if !l.Exists {
		return l, fmt.Errorf("folder %q does not exist in the repository: check the source's path and the write-back-target", shown(dir))
	}
	return l, nil
}

// names are the entries directly in dir, by their last element.
func names(l Listing, dir string) []string {
	var out []string
	for _, e := range l.Entries {
		if rel := strings.TrimPrefix(strings.TrimPrefix(e.Path, dir), "/"); e.Kind != EntryDir && !strings.Contains(rel, "/") {
			out = append(out, rel)
		}
	}
	return out
}

// kustomizationFile picks the name that kustomize itself picks, or "".
func kustomizationFile(names []string) string {
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		if slices.Contains(names, name) {
			return name
		}
	}
	return ""
}

func shown(dir string) string { return cmp.Or(dir, "/") }
