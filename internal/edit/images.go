package edit

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"argocd-image-updater/internal/image"
)

// entry is an element of kustomize.images: [original=]name[:tag][@digest].
type entry struct {
	original string // "" if none is written
	ref      image.Ref
}

func parseEntry(s string) (entry, bool) {
	original, rest, ok := strings.Cut(s, "=")
	if !ok {
		original, rest = "", s
	}
	ref, err := image.ParseRef(rest)
	return entry{original, ref}, err == nil
}

// name is the name that the manifests use.
func (e entry) name() string {
	if e.original != "" {
		return e.original
	}
	return e.ref.Name
}

func (e entry) String() string {
	if e.original != "" {
		return e.original + "=" + e.ref.String()
	}
	return e.ref.String()
}

// with is the entry with the version of ref and, where that is asked for, its
// name. What means the same repository already stays as it is spelled.
func (e entry) with(ref image.Ref, k KustomizeImage) entry {
	name, repo := e.ref.Name, e.ref.Repo
	if k.Rename && repo != ref.Repo {
		e.original = e.name()
		name, repo = ref.Name, ref.Repo
	}
	e.ref = image.Ref{Repo: repo, Name: name, Tag: ref.Tag, Digest: ref.Digest}
	return e
}

// entryName is the key of an element of kustomize.images.
func (o *overrider) entryName(item *yaml.Node) (string, bool) {
	text, ok := o.said(item)
	if !ok {
		return "", false
	}
	e, ok := parseEntry(text)
	return repoKey(e.name()), ok
}

// writeImage writes the entries of an image, or adds one: the source's own with
// the new version if that has one.
func (o *overrider) writeImage(e Edit, k KustomizeImage) error {
	original := k.Original
	if original == "" {
		original = e.New.Name
	}
	name := repoKey(original)
	items := o.images.byName[name]
	if renames := o.renames[e.New.Repo]; len(items) == 0 && len(renames) == 1 {
		items = renames
	}
	for _, item := range items {
		s := slot{node: item, path: o.images.path + "[" + original + "]"}
		text, inFile := o.said(item)
		if !inFile {
			text = target(item).Value
		}
		old, ok := parseEntry(text)
		if ok && inFile {
			o.declare(e.Track, old.ref)
		}
		if err := o.draft.write(s, claim{e.Track, old.with(e.New, k).String()}); err != nil {
			return err
		}
	}
	if len(items) > 0 {
		return nil
	}
	fresh := o.fresh(e.New, k, original)
	if again, ok := parseEntry(fresh.String()); !ok || again.name() != fresh.name() {
		return &RefusedError{
			Track: e.Track, Key: o.images.path,
			Reason: fmt.Sprintf("cannot hold %q, which is no image name", original),
			Remedy: "correct the original name, or have the image renamed",
		}
	}
	o.addImage(e.Track, fresh.String())
	return nil
}

// renamed gives the elements that rename some other image.
func (o *overrider) renamed() map[image.Repo][]*yaml.Node {
	found := map[image.Repo][]*yaml.Node{}
	for _, item := range o.images.list.Content {
		text, _ := o.said(item)
		if e, ok := parseEntry(text); ok && e.original != "" {
			found[e.ref.Repo] = append(found[e.ref.Repo], item)
		}
	}
	return found
}

// fresh is the entry for an image that the file does not have.
func (o *overrider) fresh(ref image.Ref, k KustomizeImage, original string) entry {
	for _, text := range k.Base {
		if b, ok := parseEntry(text); ok && repoKey(b.name()) == repoKey(original) {
			return b.with(ref, k)
		}
	}
	if k.Rename && original != ref.Name {
		return entry{original, ref}
	}
	if !k.Rename {
		ref.Name = original
	}
	return entry{"", ref}
}

// addImage adds an entry unless the list has one of its name.
func (o *overrider) addImage(track, text string) {
	e, ok := parseEntry(text)
	name := repoKey(e.name())
	if !ok {
		name = text
	}
	if len(o.images.byName[name]) > 0 {
		return
	}
	item := newScalar(text)
	o.images.add(name, item)
	s := slot{node: item, path: o.images.path + "[" + e.name() + "]"}
	c := claim{track, text}
	o.note(s, c)
	o.claims[spot{node: item}] = c
}
