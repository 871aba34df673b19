package update

import (
	"fmt"

	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
)

// rivals are the bases whose heads might get the same name: two Applications
// follow one image, or share one template, on different bases of a repository.
// That is decided by what is configured and not by what happens to change in
// this cycle, so that a head keeps its name from cycle to cycle.
type rivals map[string]map[string]bool

// add notes an Application that pushes to branches of its own.
func (r rivals) add(e *errand) {
	for _, seed := range seeds(e) {
		if r[seed] == nil {
			r[seed] = map[string]bool{}
		}
		r[seed][e.configuredBase()] = true
	}
}

// clash reports whether the head of an errand needs the base in its name.
func (r rivals) clash(e *errand) bool {
	for _, seed := range seeds(e) {
		if len(r[seed]) > 1 {
			return true
		}
	}
	return false
}

// seeds are what the names of an errand's heads are made of.
func seeds(e *errand) []string {
	wb := e.intent.Update.WriteBack
	at := e.location.Key()
	switch {
	case !pushesHeads(wb) || at == plan.Location{}:
		return nil
	case wb.Head != nil:
		return []string{at.URL + "\x00template " + wb.Head.String()}
	}
	var out []string
	for _, t := range e.intent.Update.Tracks {
		out = append(out, fmt.Sprintf("%s\x00%s%s", at.URL, wb.BranchPrefix, t.Image.Repo.Base()))
	}
	return out
}

func pushesHeads(wb settings.WriteBack) bool {
	return wb.Head != nil || wb.Method == settings.MethodGitBranch
}

// configuredBase is the base as it was written; HEAD where none was.
func (e *errand) configuredBase() string {
	name := e.intent.Update.WriteBack.Base
	if name == "" {
		name = e.intent.Site.Folder.Revision
	}
	if name == "" {
		return "HEAD"
	}
	return name
}
