package edit

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"argocd-image-updater/internal/image"
)

// override edits a file that Argo CD merges over the source of an Application.
// It is a JSON merge patch: a list in the file replaces the source's whole list.
func override(d *draft, edits []Edit) error {
	if len(edits) == 0 {
		return nil
	}
	root, err := d.root()
	if err != nil {
		return err
	}
	o := overrider{draft: d, root: root}
	for _, e := range edits {
		if err := o.write(e); err != nil {
			return forTrack(err, e.Track)
		}
	}
	if err := d.settle(); err != nil {
		return err
	}
	lists := slices.DeleteFunc([]*members{o.helm, o.env, o.images}, func(l *members) bool { return l == nil })
	if d.changed() || slices.ContainsFunc(lists, func(l *members) bool { return len(l.added) > 0 }) {
		for _, e := range edits {
			o.complete(e)
		}
	}
	for _, l := range lists {
		for _, name := range slices.Sorted(maps.Keys(l.added)) {
			d.grow(l.list, l.added[name])
		}
	}
	return nil
}

// overrider holds the lists of an override file, each opened when it is needed.
type overrider struct {
	*draft
	root              *yaml.Node
	helm, env, images *members
	renames           map[image.Repo][]*yaml.Node // elements original=name by the repository of name
}

// members are the elements of a list by the name that Argo CD merges them by.
type members struct {
	list   *yaml.Node
	path   string
	byName map[string][]*yaml.Node
	added  map[string]*yaml.Node // missing so far, to be appended in the order of their names
}

// open finds or makes the list at a path of keys.
func (o *overrider) open(name func(*yaml.Node) (string, bool), section, key string) (*members, error) {
	list, err := o.list(o.root, section, key)
	if err != nil {
		return nil, err
	}
	m := &members{list: list, path: section + "." + key, byName: map[string][]*yaml.Node{}, added: map[string]*yaml.Node{}}
	for _, item := range list.Content {
		if n, ok := name(item); ok {
			m.byName[n] = append(m.byName[n], item)
		}
	}
	return m, nil
}

// add puts an element on the list of those that are missing.
func (m *members) add(name string, item *yaml.Node) {
	m.byName[name] = []*yaml.Node{item}
	m.added[name] = item
}

func (o *overrider) write(e Edit) (err error) {
	switch at := e.At.(type) {
	case HelmParameters:
		if o.helm == nil {
			if o.helm, err = o.open(o.nameOf, "helm", "parameters"); err != nil {
				return err
			}
		}
		return o.writeNamed(o.helm, e, keys{at.Name, at.Tag, at.Spec}, at.Base)
	case PluginEnv:
		if o.env == nil {
			if o.env, err = o.open(o.nameOf, "plugin", "env"); err != nil {
				return err
			}
		}
		return o.writeNamed(o.env, e, keys{at.Name, at.Tag, at.Spec}, parameters(at.Base))
	case KustomizeImage:
		if o.images == nil {
			if o.images, err = o.open(o.entryName, "kustomize", "images"); err != nil {
				return err
			}
			o.renames = o.renamed()
		}
		return o.writeImage(e, at)
	}
	return misplaced(e, "an override file")
}

// complete adds what the source itself holds and the file does not.
func (o *overrider) complete(e Edit) {
	switch at := e.At.(type) {
	case HelmParameters:
		for _, p := range at.Base {
			o.addNamed(o.helm, e.Track, p)
		}
	case PluginEnv:
		for _, p := range parameters(at.Base) {
			o.addNamed(o.env, e.Track, p)
		}
	case KustomizeImage:
		for _, text := range at.Base {
			o.addImage(e.Track, text)
		}
	}
}

// parameters are the variables as parameters, which have the same shape.
func parameters(env []EnvVar) []Parameter {
	ps := make([]Parameter, len(env))
	for i, v := range env {
		ps[i] = Parameter{Name: v.Name, Value: v.Value}
	}
	return ps
}

// nameOf is the name of an element with name and value.
func (o *overrider) nameOf(item *yaml.Node) (string, bool) {
	m := target(item)
	if m.Kind != yaml.MappingNode {
		return "", false
	}
	s, err := o.slot(m, "name", "name")
	if err != nil || s.node == nil {
		return "", false
	}
	return o.said(s.node)
}

// writeNamed writes the parts of an image into a list of names and values. What
// the source holds shapes what is written where the file says nothing.
func (o *overrider) writeNamed(l *members, e Edit, k keys, base []Parameter) error {
	if k.none() {
		return homeless(e)
	}
	slots := map[string]slot{}
	for _, key := range []string{k.name, k.tag, k.spec} {
		s, err := o.valueSlot(l, key, e.Track)
		if err != nil {
			return err
		}
		slots[key] = s
	}
	inFile := func(key string) (string, bool) { return o.said(slots[key].node) }
	if old, ok := k.declared(e.New, inFile); ok {
		o.declare(e.Track, old)
	}
	shape := func(key string) (string, bool) {
		if value, ok := inFile(key); ok {
			return value, true
		}
		i := slices.IndexFunc(base, func(p Parameter) bool { return p.Name == key })
		if i < 0 {
			return "", false
		}
		return base[i].Value, true
	}
	for _, p := range k.parts(e.New, shape) {
		c := claim{e.Track, p.value}
		if slots[p.key].parent == nil {
			o.addNamed(l, e.Track, Parameter{Name: p.key, Value: p.value, ForceString: l == o.helm})
			continue
		}
		if err := o.draft.write(slots[p.key], c); err != nil {
			return err
		}
	}
	return nil
}

// valueSlot is the value of the element of that name; it has no parent if there
// is no such element.
func (o *overrider) valueSlot(l *members, name, track string) (slot, error) {
	path := l.path + "[" + name + "].value"
	items := l.byName[name]
	switch {
	case name == "" || len(items) == 0:
		return slot{path: path}, nil
	case len(items) > 1:
		return slot{}, &RefusedError{Track: track, Key: l.path + "[" + name + "]", Line: items[1].Line, Reason: "stands twice in the list", Remedy: "remove one of the two"}
	}
	return o.slot(target(items[0]), "value", path)
}

// addNamed adds an element unless the list has one of that name.
func (o *overrider) addNamed(l *members, track string, p Parameter) {
	if len(l.byName[p.Name]) > 0 {
		return
	}
	value := newScalar(p.Value)
	item := newCollection(yaml.MappingNode)
	item.Content = []*yaml.Node{newScalar("name"), newScalar(p.Name), newScalar("value"), value}
	if p.ForceString {
		item.Content = append(item.Content, newScalar("forcestring"), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	l.add(p.Name, item)
	s := slot{node: value, path: l.path + "[" + p.Name + "].value"}
	c := claim{track, p.Value}
	o.note(s, c)
	o.claims[spot{node: value}] = c
}
