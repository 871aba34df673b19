package edit

import (
	"cmp"

	"go.yaml.in/yaml/v3"

	"argocd-image-updater/internal/image"
)

// kustomization edits the images list of a kustomization file.
func kustomization(d *draft, edits []Edit) error {
	if len(edits) == 0 {
		return nil
	}
	root, err := d.root()
	if err != nil {
		return err
	}
	list, err := d.list(root, "images")
	if err != nil {
		return err
	}
	k := &kustomizer{
		draft: d, list: list,
		byName: map[string][]*yaml.Node{}, byNewName: map[string][]*yaml.Node{},
		before: map[*yaml.Node]element{},
	}
	for _, item := range list.Content {
		if err := k.learn(item); err != nil {
			return err
		}
	}
	for _, e := range edits {
		at, ok := e.At.(KustomizeImage)
		if !ok {
			return misplaced(e, "a kustomization")
		}
		if err := k.write(e, at); err != nil {
			return forTrack(err, e.Track)
		}
	}
	return nil
}

// kustomizer holds the elements of the images list by the names they have.
type kustomizer struct {
	*draft
	list              *yaml.Node
	byName, byNewName map[string][]*yaml.Node
	before            map[*yaml.Node]element // as it was opened first
}

func (k *kustomizer) learn(item *yaml.Node) error {
	m := target(item)
	if m.Kind != yaml.MappingNode {
		return &RefusedError{Key: "images", Line: item.Line, Reason: "has an element that is no map", Remedy: "write it as name and newTag"}
	}
	name, err := k.slot(m, "name", "images")
	if err != nil {
		return err
	}
	newName, err := k.slot(m, "newName", "images")
	if err != nil {
		return err
	}
	text, ok := k.said(name.node)
	if !ok {
		return &RefusedError{Key: "images", Line: item.Line, Reason: "has an element without a name", Remedy: "give it one"}
	}
	k.byName[repoKey(text)] = append(k.byName[repoKey(text)], m)
	if text, ok := k.said(newName.node); ok {
		k.byNewName[repoKey(text)] = append(k.byNewName[repoKey(text)], m)
	}
	return nil
}

// write sets the version of the elements of an image, or adds one. An element
// that gives its new name to some other image is the one that is meant if no
// element has the name itself.
func (k *kustomizer) write(e Edit, at KustomizeImage) error {
	original := cmp.Or(at.Original, e.New.Name)
	items := k.byName[repoKey(original)]
	if renames := k.byNewName[repoKey(e.New.Name)]; len(items) == 0 && len(renames) == 1 {
		items = renames
	}
	if len(items) == 0 {
		m := newCollection(yaml.MappingNode)
		m.Content = []*yaml.Node{newScalar("name"), newScalar(original)}
		k.byName[repoKey(original)] = []*yaml.Node{m}
		k.grow(k.list, m)
		items = []*yaml.Node{m}
	}
	for _, m := range items {
		el, err := k.element(m)
		if err != nil {
			return err
		}
		if _, ok := k.before[m]; !ok {
			k.before[m] = el
		}
		if ref, ok := k.stood(k.before[m], e.New); ok {
			k.declare(e.Track, ref)
		}
		if at.Rename {
			if err := k.rename(el, e); err != nil {
				return err
			}
		} else if text, ok := k.said(el.newName.node); ok && repoKey(text) != repoKey(e.New.Name) {
			// Our version is one of another image than the element makes.
			return &RefusedError{
				Track: e.Track, Key: el.newName.path, Line: el.m.Line,
				Reason: "replaces the image by " + text, Remedy: "follow that image, with " + original + " as its kustomize.image-name",
			}
		}
		if err := k.setVersion(el, e); err != nil {
			return err
		}
	}
	return nil
}

// element is an element of the images list, opened.
type element struct {
	m                          *yaml.Node
	path                       string
	name, newName, tag, digest slot
}

func (k *kustomizer) element(m *yaml.Node) (element, error) {
	el := element{m: m, newName: slot{key: "newName"}, tag: slot{key: "newTag"}, digest: slot{key: "digest"}}
	name, err := k.slot(m, "name", "images")
	if err != nil {
		return el, err
	}
	el.name = name
	el.path = "images[" + target(name.node).Value + "]"
	for _, s := range []*slot{&el.newName, &el.tag, &el.digest} {
		*s, err = k.slot(m, s.key, el.path+"."+s.key)
		if err != nil {
			return el, err
		}
	}
	suffix, err := k.slot(m, "tagSuffix", el.path+".tagSuffix")
	if err == nil && suffix.node != nil {
		err = &RefusedError{
			Key: suffix.path, Line: suffix.node.Line,
			Reason: "excludes newTag and digest", Remedy: "remove it and write the whole tag as newTag",
		}
	}
	return el, err
}

// stood is the image that the element made of its own before.
func (k *kustomizer) stood(el element, ref image.Ref) (image.Ref, bool) {
	name, ok := k.said(el.newName.node)
	if !ok {
		name, ok = k.said(el.name.node)
	}
	if !ok {
		return image.Ref{}, false
	}
	old := ref
	if parsed, err := image.ParseRef(name); err == nil {
		old = parsed
	}
	tag, _ := k.said(el.tag.node)
	if !image.ValidTag(tag) {
		tag = ""
	}
	text, _ := k.said(el.digest.node)
	digest, _ := image.ParseDigest(text)
	return old.With(tag, digest), true
}

// setVersion makes the element say the version of the edit and no other.
func (k *kustomizer) setVersion(el element, e Edit) error {
	if err := k.claim(slot{node: el.m, path: el.path}, claim{e.Track, e.New.Repo.String() + ":" + e.New.Version()}); err != nil {
		return err
	}
	tag, digest := e.New.Tag, string(e.New.Digest)
	var err error
	switch {
	case digest == "" && el.digest.node != nil: // would win over the tag
		err = k.supplant(el, e.Track, &el.digest, &el.tag)
	case tag == "" && el.tag.node != nil:
		err = k.supplant(el, e.Track, &el.tag, &el.digest)
	}
	if err == nil && tag != "" {
		err = k.draft.write(el.tag, claim{e.Track, tag})
	}
	if err == nil && digest != "" {
		err = k.draft.write(el.digest, claim{e.Track, digest})
	}
	return err
}

// rename gives the element its new name, unless it has one that means the same.
func (k *kustomizer) rename(el element, e Edit) error {
	now := el.name.node
	if el.newName.node != nil {
		now = el.newName.node
	}
	if repoKey(target(now).Value) == repoKey(e.New.Name) {
		return nil
	}
	return k.draft.write(el.newName, claim{e.Track, e.New.Name})
}

// supplant takes the stale key out of the element, or makes it the other key if
// that is missing.
func (k *kustomizer) supplant(el element, track string, stale, other *slot) error {
	if stale.merged {
		return &RefusedError{Track: track, Key: stale.path, Line: stale.node.Line, Reason: "has to go and is merged from elsewhere", Remedy: "remove it by hand"}
	}
	i, err := k.find(el.m, stale.key)
	if err != nil {
		return within(err, stale.path)
	}
	delete(k.index, el.m)
	key := el.m.Content[i]
	if other.node == nil {
		other.node = stale.node
		k.save(key)
		key.Value = other.key
		return nil
	}
	k.gone[key] = true
	k.note(*stale, claim{track, ""})
	return nil
}
