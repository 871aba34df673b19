package settings

import (
	"fmt"
	"strings"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
)

// rule is what one reference of an ImageUpdater says of the Applications that
// it means.
type rule struct {
	selector
	owner argo.Key // the ImageUpdater
	// update is what is asked of each Application; err is set if that cannot be
	// read, or anything of the ImageUpdater that says whom it means.
	update Update
	err    error
	// follows are the identities of the tracks, also where err is set.
	follows []string

	// annotations: what is asked stands there, and the update has no more than
	// warnings.
	annotations bool
	demand      demand // of signatures of the images that the annotations name
}

// ask is what the rule asks of an Application: no Track if that has no image
// list to be read.
func (r *rule) ask(app argo.Application, d Defaults) (Update, error) {
	switch {
	case r.err != nil || !r.annotations:
		return r.update, r.err
	case !Managed(app):
		u := Update{}
		if text := Unmanaged(app); text != "" {
			u.Warnings = []string{text}
		}
		return u, nil
	}
	reader := newReader(app)
	for key, v := range reader.values {
		if v.text == "" && key != keyImageList {
			delete(reader.values, key)
		}
	}
	u, err := readAnnotations(reader, d)
	if err != nil {
		return Update{}, err
	}
	for i := range u.Tracks {
		r.demand.refuse(&u.Tracks[i], ownerName(r.owner))
	}
	u.Warnings = append(u.Warnings, r.update.Warnings...)
	return u, nil
}

// identities are those of the tracks that the rule asks for.
func (r *rule) identities(app argo.Application) []string {
	if !r.annotations {
		return r.follows
	}
	var out []string
	for _, e := range parseImageList(app.Annotations[Prefix+keyImageList]) {
		out = append(out, e.identity())
	}
	return out
}

func ownerName(k argo.Key) string { return "imageupdater " + k.String() }

// reference is one reference of an ImageUpdater, about to be read.
type reference struct {
	*v1alpha1.ApplicationRef
	spec  *v1alpha1.ImageUpdaterSpec // around it
	at    string                     // "spec.applicationRefs[2]"
	owner string                     // of the ImageUpdater
}

func (ref reference) imageAt(i int) string { return fmt.Sprintf("%s.images[%d]", ref.at, i) }

// read reads the fields as if they were the annotations of an Application.
func (ref reference) read(d Defaults) (Update, error) {
	r := &reader{values: map[string]value{}, owner: ref.owner, object: ref.owner}
	outer := sheet{reader: r, at: "spec"}
	outer.common(ref.spec.CommonUpdateSettings)
	outer.writeBack(ref.spec.WriteBackConfig)
	own := sheet{reader: r, at: ref.at}
	own.common(ref.CommonUpdateSettings)
	own.writeBack(ref.WriteBackConfig)
	var entries []listEntry
	for i, img := range ref.Images {
		s := sheet{reader: r, at: ref.imageAt(i), alias: img.Alias}
		s.common(img.CommonUpdateSettings)
		s.targets(img.ManifestTargets)
		entries = append(entries, s.entry(img))
	}
	switch {
	case len(entries) == 0:
		r.fail(value{key: ref.at + ".images"}, "no image in it: at least one expected, or useAnnotations: true")
	case len(entries) > maxImages:
		r.fail(value{key: ref.at + ".images"}, fmt.Sprintf("%d images: at most %d are followed for one Application", len(entries), maxImages))
	}
	w := r.writeBack(d)
	r.propose(&w)
	u, err := r.update(w, entries, d)
	if err != nil {
		return Update{}, err
	}
	signed := demand{}.inner(ref.spec.ImagesVerification, "spec").inner(ref.ImagesVerification, ref.at)
	for i, img := range ref.Images {
		signed.inner(img.ImagesVerification, ref.imageAt(i)).refuse(&u.Tracks[i], ref.owner)
	}
	return u, nil
}

// proposedHead names the branch of a pull request where branchPrefix does not.
const proposedHead = "image-updater-{{.TargetKey}}-{{.SHA256}}"

// propose sends what is written to a branch of our own where a pull request is
// asked for.
func (r *reader) propose(w *WriteBack) {
	pr, ok := r.values["pull-request"]
	if !ok {
		return
	}
	if w.Method == MethodArgoCD {
		r.warn("%s does nothing with %s argocd: set %[2]s: git", pr.key, r.word("write-back-method"))
		return
	}
	if branch := r.application("git-branch"); strings.Contains(branch.text, ":") {
		r.fail(branch, "with pullRequest the base alone expected, without a colon: the branch to push has a name of its own")
	}
	if _, prefixed := r.values["git-branch-prefix"]; w.Method == MethodGitNoop || w.Method == MethodGit && !prefixed {
		w.Head, _ = compileHead(proposedHead) // it compiles: tests use it
	}
	if w.Method == MethodGit {
		w.Method = MethodGitBranch
	}
	r.warn("%s: this version pushes the branch and opens no pull request: open it yourself", pr.key)
}

// unread warns of fields that do nothing beside useAnnotations.
func (ref reference) unread() []string {
	var out []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"commonUpdateSettings", ref.CommonUpdateSettings != nil},
		{"writeBackConfig", ref.WriteBackConfig != nil},
		{"images", len(ref.Images) > 0},
	} {
		if f.set {
			out = append(out, fmt.Sprintf("%s: %s.%s does nothing with useAnnotations: true: the annotations of the Application are read instead", ref.owner, ref.at, f.name))
		}
	}
	if outer := (demand{}).inner(ref.spec.ImagesVerification, "spec"); outer.signed && ref.ImagesVerification == nil {
		out = append(out, fmt.Sprintf("%s: %s does not hold with useAnnotations: true: to demand signatures, repeat it in %s", ref.owner, outer.at, ref.at))
	}
	return out
}
