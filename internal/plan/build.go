package plan

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/edit"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/settings"
)

// Intent is what one Application wants written, before its files were read.
type Intent struct {
	Application  argo.Application
	ImageUpdater argo.Key // whose rules these are; zero for the Application's own annotations
	Update       settings.Update
	Site         Resolved
	// Items has one Item for each of Update.Tracks, in their order; those that
	// are Pending have a version to write.
	Items []Item
}

// reported: the Application told which images it runs. Where it did not, an
// image is in use if the place where it would be written names it.
func (in Intent) reported() bool { return in.Application.Status.Reported }

// Tree is the files of one commit with what earlier plans wrote into them.
type Tree struct {
	At      string          // the commit
	files   map[string]File // by the path that was asked for
	written map[string][]byte
	owners  map[string]owner // by file and path of the value
}

type owner struct {
	app   argo.Key
	track string
	value string
}

// NewTree wraps the answer to a read at a commit. The map is not changed.
func NewTree(commit string, files map[string]File) *Tree {
	return &Tree{At: commit, files: files, written: map[string][]byte{}, owners: map[string]owner{}}
}

func (t *Tree) file(path string) File {
	f := t.files[path]
	if f.Path == "" {
		f.Path = path
	}
	if b, ok := t.written[f.Path]; ok {
		f.Bytes, f.Exists = b, true
	}
	return f
}

// Build applies what the Application wants to the tree and tells what that
// changes. A track that cannot be written leaves the others untouched. The tree
// stays as it is until it takes the plan.
func Build(in Intent, tree *Tree) Plan {
	p := Plan{
		App: in.Application.Key, ImageUpdater: in.ImageUpdater, UID: in.Application.UID, Origin: in.Application.Origin,
		Method: in.Update.WriteBack.Method,
		At:     tree.At, Items: slices.Clone(in.Items), Warnings: in.Update.Warnings, Intent: &in,
	}
	b := build{in: in, tree: tree, items: p.Items}
	// Each round either settles every open track or closes at least one.
	for settled := false; !settled; {
		settled = b.round()
	}
	p.Files = b.out
	p.Warnings = append(slices.Clone(p.Warnings), b.additions()...)
	return p
}

// Take puts into the tree what a plan built on it writes, so that the next
// Build sees it, and remembers who wants which value.
func (t *Tree) Take(p Plan) {
	for _, f := range p.Files {
		t.written[f.Path] = f.After
	}
	for _, it := range p.Items {
		if it.State != Pending && it.State != AlreadyDeclared {
			continue
		}
		for _, c := range it.Changes {
			t.owners[c.File+"\x00"+c.Path] = owner{p.App, it.Track, c.New}
		}
	}
}

// additions tells of keys that a values file does not have yet: they may be
// misspelt, and then nothing reads what is written there.
func (b *build) additions() []string {
	if b.in.Site.Format != edit.Values {
		return nil
	}
	var out []string
	for _, it := range b.items {
		for _, c := range it.Changes {
			if it.State == Pending && c.Line == 0 {
				out = append(out, fmt.Sprintf("%s: key %s is not in %s and is added; correct it if it should be there", it.Track, c.Path, c.File))
			}
		}
	}
	return out
}

type build struct {
	in    Intent
	tree  *Tree
	items []Item
	out   []FileEdit
}

// round edits the files for all open tracks. It reports whether the result
// stands; if not, a track was closed and the edits are to be made again
// without it.
func (b *build) round() bool {
	b.out = nil
	for i := range b.items {
		b.items[i].Changes = nil
	}
	found := make([][]image.Ref, len(b.items))
	seen := map[string]bool{} // two paths may lead to one file through a link
	for _, path := range b.in.Site.Files {
		edits := b.edits()
		if len(edits) == 0 {
			return true
		}
		f := b.tree.file(path)
		if seen[f.Path] {
			continue
		}
		seen[f.Path] = true
		switch {
		case f.Err != nil:
			return b.failAll(fmt.Errorf("file %q: %w", path, f.Err))
		case !f.Exists && b.in.Site.Format == edit.Manifests:
			return b.failAll(fmt.Errorf("file %q does not exist: correct the write-back-target", path))
		}
		if b.skip(f, edits) {
			continue
		}
		res, err := edit.Apply(f.Bytes, b.in.Site.Format, edits...)
		if err != nil {
			return b.refuse(path, err)
		}
		b.note(f, edits, res, found)
	}
	return b.settle(found)
}

// skip passes over manifests that Argo CD does not read, and those that cannot
// name any of the images: a folder may hold files that are none of our
// business, even ones that do not parse.
func (b *build) skip(f File, edits []edit.Edit) bool {
	if b.in.Site.Format != edit.Manifests {
		return false
	}
	return argo.Skips(f.Bytes) || !slices.ContainsFunc(edits, func(e edit.Edit) bool {
		return bytes.Contains(f.Bytes, []byte(e.New.Repo.Base()))
	})
}

func (b *build) note(f File, edits []edit.Edit, res edit.Result, found [][]image.Ref) {
	for i := range b.items {
		found[i] = append(found[i], res.Declared[b.items[i].Track]...)
	}
	changed := false
	for _, c := range res.Changes {
		i := slices.IndexFunc(b.items, func(it Item) bool { return it.Track == c.Track })
		b.items[i].Changes = append(b.items[i].Changes, FileChange{File: f.Path, Change: c})
		changed = changed || c.Changed()
	}
	if !changed {
		return
	}
	e := FileEdit{Path: f.Path, Format: b.in.Site.Format, Edits: edits, After: res.Out}
	if f.Exists {
		e.Before = f.Bytes
	}
	b.out = append(b.out, e)
}

// refuse closes the track that the refusal names, or all of them if it is the
// file that cannot be edited.
func (b *build) refuse(path string, err error) bool {
	err = fmt.Errorf("file %q: %w", path, err)
	var refused *edit.RefusedError
	if !errors.As(err, &refused) || refused.Track == "" {
		return b.failAll(err)
	}
	closed := false
	for i, it := range b.items {
		if it.State == Pending && (it.Track == refused.Track || it.Track == refused.Other) {
			b.fail(i, err)
			closed = true
		}
	}
	return !closed && b.failAll(err)
}

func (b *build) failAll(err error) bool {
	for i := range b.items {
		if b.items[i].State == Pending {
			b.fail(i, err)
		}
	}
	return false
}

func (b *build) fail(i int, err error) {
	b.items[i].State, b.items[i].Err, b.items[i].Reason = Failed, err, err.Error()
}

// settle looks at what the files declared before: it closes tracks that are
// not in use or would be downgraded, and tells changed from unchanged ones.
func (b *build) settle(found [][]image.Ref) bool {
	closed := false
	for i := range b.items {
		if b.items[i].State == Pending && !b.admit(i, found[i]) {
			closed = true
		}
	}
	if closed {
		return false
	}
	for i := range b.items {
		it := &b.items[i]
		if it.State != Pending {
			continue
		}
		if !slices.ContainsFunc(it.Changes, func(c FileChange) bool { return c.Changed() }) {
			it.State = AlreadyDeclared
		}
	}
	return true
}

// admit reports whether the open track i may be written.
func (b *build) admit(i int, found []image.Ref) bool {
	it, track := &b.items[i], b.in.Update.Tracks[i]
	if len(it.Changes) == 0 {
		b.absent(i)
		return false
	}
	own := OfTrack(found, track)
	if len(own) == 0 {
		own = b.beneath(i)
	}
	if len(own) > 0 {
		it.Declared = own[0]
	}
	switch {
	case len(own) == 0 && !b.in.reported() && !track.Force:
		it.State = NotLive
		it.Reason = fmt.Sprintf("nothing tells that the application runs %s: it has no status and %s%s; set %sforce-update to write it all the same",
			it.Image.Repo, b.silence(track), b.othersFound(it, found), settings.Prefix)
		return false
	case len(found) == 0 && b.inForce(own, it):
		it.State = AlreadyDeclared
		return false
	}
	if err := b.clash(it.Changes); err != nil {
		b.fail(i, err)
		return false
	}
	if track.AllowDowngrade {
		return true
	}
	declared := own
	if len(found) == 0 {
		declared = slices.Concat(own, it.Live)
	}
	for _, ref := range declared {
		if reason, held := track.Policy.Guard(ref.Tag, it.New.Tag); held {
			it.State = Held
			it.Reason = reason
			return false
		}
	}
	return true
}

// inForce reports whether the version to write is what is declared beneath the
// target already, or is what runs where nothing is declared: then there is
// nothing to override.
func (b *build) inForce(own []image.Ref, it *Item) bool {
	if len(own) == 0 {
		own = it.Live
	}
	return len(own) > 0 && !slices.ContainsFunc(own, func(ref image.Ref) bool {
		return ref.Repo != it.New.Repo || ref.Tag != it.New.Tag || ref.Digest != it.New.Digest
	})
}

// absent closes a track that no file has a place for: manifests hold the
// image nowhere.
func (b *build) absent(i int) {
	it := &b.items[i]
	where := b.in.Site.Target.Text
	if where == "" {
		where = shown(b.in.Site.Folder.Path)
	}
	reason := fmt.Sprintf("no container in the manifests of %q uses image %s%s", where, it.Image.Repo, b.othersFound(it, b.containers()))
	if b.in.reported() || b.in.Update.Tracks[i].Force {
		b.fail(i, errors.New(reason+": set write-back-target to the file or folder that declares it"))
		return
	}
	it.State, it.Reason = NotLive, reason
}

// clash finds a value that another Application already wrote differently in
// the same tree.
func (b *build) clash(changes []FileChange) error {
	for _, c := range changes {
		if o, ok := b.tree.owners[c.File+"\x00"+c.Path]; ok && o.value != c.New {
			return fmt.Errorf("file %q, %s: this wants %q, application %s (%s) wants %q: give one of them another key or the same rules",
				c.File, c.Path, c.New, o.app, o.track, o.value)
		}
	}
	return nil
}
