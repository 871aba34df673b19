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

// spot is a file or folder of a branch that several Applications may write to.
type spot struct{ repository, base, file string }

// spot is where a wish is written to, if that is in Git and not for it alone.
func (u *Updater) spot(w *wish) (at spot, ok bool) {
	if w.err != nil || !w.update.WriteBack.Method.InGit() {
		return spot{}, false
	}
	e, _ := u.errand(w)
	file, ok := e.intent.Site.Shared()
	return spot{e.location.Key().URL, e.configuredBase(), file}, ok && e.location != plan.Location{}
}

// joined adds to the wishes that were selected those of the others that are
// written to the same files: who is in whose way there is decided by all of
// them, in a part of the fleet as in the whole.
func (u *Updater) joined(selected, others []*wish) (all, rest []*wish) {
	wanted := map[spot]bool{}
	for _, w := range selected {
		if at, ok := u.spot(w); ok {
			wanted[at] = true
		}
	}
	for _, w := range others {
		if at, ok := u.spot(w); ok && wanted[at] {
			selected = append(selected, w)
		} else {
			rest = append(rest, w)
		}
	}
	return selected, rest
}
