package argo

import (
	"cmp"
	"fmt"
)

// Choice is what is known about where an update is to go before the
// Application is looked at.
type Choice struct {
	// Type is implied by the write-back target: kustomization is Kustomize,
	// helmvalues is Helm, manifests is Directory. TypeUnknown: nothing is
	// implied.
	Type Type
	// Repository is the git-repository setting; "" is the source's own.
	Repository string
	// Files: the update is written to files in Git, not to the Application.
	Files bool
}

// Chosen is the source that an update belongs to.
type Chosen struct {
	Index  int    // of Source in Application.Sources
	Source Source // the source whose parameters or images the update overrides
	// Type is TypeUnknown for an Application that says nothing of its type
	// and has no status; DetectType then finds it from the files in Folder.
	Type Type
	// Folder is where the files are; zero unless Choice.Files.
	Folder Folder
}

// Folder is a folder of a Git repository.
type Folder struct {
	RepoURL  string
	Revision string // as in targetRevision; "" is the repository's default branch
	Path     string // as in the source; "" is the root
}

// Choose finds the source that an update belongs to, its type, and the folder
// in Git that is written to.
//
// The type is the implied one, unless the Application itself is written to and
// is known to have another: parameters of a tool that does not render it would
// break it. It is else the first of Helm, Kustomize and Plugin
// among the sources, else Directory. Of several sources the first with an
// explicit block of that type is taken, then the first that has the type in
// status.sourceTypes, then the first; sources in Choice.Repository go before
// others that fit as well. A source that is only a ref is never taken, but its
// folder is if it is what Choice.Repository names and a target implies a type.
func (a Application) Choose(c Choice) (Chosen, error) {
	typ := c.Type
	if typ == TypeUnknown || !c.Files && !a.renders(typ) {
		typ = cmp.Or(a.mainType(), c.Type)
	}
	best, rank := -1, -1
	for i, s := range a.Sources {
		if r := a.rank(i, typ, c.Repository); !s.RefOnly() && r > rank {
			best, rank = i, r
		}
	}
	if best < 0 {
		return Chosen{}, fmt.Errorf("application %s: no source renders anything: spec.source, or an entry of spec.sources with a path or chart expected", a.Key)
	}
	chosen := Chosen{Index: best, Source: a.Sources[best], Type: typ}
	if !c.Files {
		return chosen, nil
	}
	var err error
	chosen.Folder, err = a.folder(chosen.Source, c)
	return chosen, err
}

// renders reports whether a source is known to be rendered by a tool of that
// type, with parameters.
func (a Application) renders(typ Type) bool {
	for i, s := range a.Sources {
		if !s.RefOnly() && (a.typeOf(i) == typ || s.explicitType() == typ) {
			return typ != TypeDirectory
		}
	}
	return false
}

// mainType is the type that an update of the Application is for where no
// target tells.
func (a Application) mainType() Type {
	main := TypeUnknown
	for i, s := range a.Sources {
		if s.RefOnly() {
			continue
		}
		switch t := a.typeOf(i); t {
		case TypeHelm, TypeKustomize, TypePlugin:
			return t
		case TypeDirectory:
			main = t
		}
	}
	return main
}

// typeOf is the type of one source as far as the Application tells it.
func (a Application) typeOf(i int) Type {
	if t := a.reported(i); t != TypeUnknown {
		return t
	}
	return a.Sources[i].explicitType()
}

// reported is the type of a source in the status. A list of another length is
// of other sources.
func (a Application) reported(i int) Type {
	if len(a.Status.Types) != len(a.Sources) {
		return TypeUnknown
	}
	return a.Status.Types[i]
}

// rank says how well a source fits: a fitting type in the wanted repository,
// a fitting type, the wanted repository, any source.
func (a Application) rank(i int, typ Type, repository string) int {
	here := repository != "" && SameRepository(a.Sources[i].RepoURL, repository)
	rank := 0
	switch {
	case typ == TypeUnknown:
	case a.Sources[i].explicitType() == typ:
		rank = 3
	case a.reported(i) == typ:
		rank = 2
	}
	switch {
	case here && rank > 0:
		rank += 2
	case here:
		rank = 1
	}
	return rank
}

// folder is where the files of a chosen source are.
func (a Application) folder(s Source, c Choice) (Folder, error) {
	own := Folder{RepoURL: s.RepoURL, Revision: s.TargetRevision, Path: s.Path}
	switch {
	case c.Repository == "" && s.InGit():
		return own, nil
	case c.Repository == "" || c.Type == TypeUnknown && !s.InGit():
		return Folder{}, fmt.Errorf("application %s: %s of %s is not in Git: %s", a.Key, sourceName(s), ShownURL(s.RepoURL), a.remedy())
	case s.InGit() && SameRepository(s.RepoURL, c.Repository):
		own.RepoURL = c.Repository
		return own, nil
	}
	return a.elsewhere(s, c)
}

// elsewhere is the folder in a repository that is not that of the source:
// where another source has it, else where the source's own would be.
func (a Application) elsewhere(s Source, c Choice) (Folder, error) {
	for _, other := range a.Sources {
		switch {
		case !other.InGit() || !SameRepository(other.RepoURL, c.Repository):
			continue
		case other.RefOnly() && c.Type == TypeUnknown:
			return Folder{}, fmt.Errorf("application %s: git-repository %s holds only value files (ref %s): set write-back-target: helmvalues:/<file>", a.Key, ShownURL(c.Repository), other.Ref)
		}
		return Folder{RepoURL: c.Repository, Revision: other.TargetRevision, Path: other.Path}, nil
	}
	if !s.InGit() {
		return Folder{RepoURL: c.Repository}, nil
	}
	return Folder{RepoURL: c.Repository, Revision: s.TargetRevision, Path: s.Path}, nil
}

func sourceName(s Source) string {
	if s.Chart != "" {
		return "chart " + s.Chart
	}
	return "the source"
}

// remedy says how to write the updates of a chart to Git, with the repository
// that the Application most likely means.
func (a Application) remedy() string {
	repository := "<url>"
	for _, s := range a.Sources {
		if s.RefOnly() {
			repository = ShownURL(s.RepoURL)
			break
		}
	}
	return "set git-repository: " + repository + " and write-back-target: helmvalues:/<file>, or write-back-method: argocd"
}
