package edit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"argocd-image-updater/internal/image"
)

// Apply writes the edits into src, which is nil for a file that does not exist
// yet; an Override or Values file is then created. The order of the edits does
// not matter. The error is a *RefusedError; src is never changed.
func Apply(src []byte, f Format, edits ...Edit) (Result, error) {
	for _, e := range edits {
		if e.New.Version() == "" {
			return Result{}, &RefusedError{Track: e.Track, Reason: "has no tag and no digest to write", Remedy: "choose a version first"}
		}
	}
	d, err := compose(src, f, edits)
	if err != nil {
		return Result{}, err
	}
	out, changes, err := d.weave()
	if err != nil {
		return Result{}, err
	}
	if d.changed() {
		if src == nil && f == Values {
			out = append([]byte(valuesHeader), out...)
		}
		if err := d.prove(out); err != nil {
			return Result{}, err
		}
	}
	r := Result{Out: out, Declared: d.declared}
	for _, c := range changes {
		r.Changes = append(r.Changes, *c)
	}
	return r, nil
}

// Declared tells what src says of the images of the edits, by Edit.Track, as
// Result.Declared does. The versions of the edits do not matter.
func Declared(src []byte, f Format, edits ...Edit) (map[string][]image.Ref, error) {
	bare := slices.Clone(edits)
	for i := range bare {
		bare[i].New = bare[i].New.With("", "")
	}
	d, err := compose(src, f, bare)
	if err != nil {
		return nil, err
	}
	return d.declared, nil
}

// compose drafts the edits.
func compose(src []byte, f Format, edits []Edit) (*draft, error) {
	t, err := parse(src)
	if err != nil {
		return nil, err
	}
	formats := []func(*draft, []Edit) error{
		Override: override, Kustomization: kustomization, Values: values, Manifests: manifests,
	}
	if int(f) >= len(formats) {
		return nil, &RefusedError{Reason: fmt.Sprintf("has the unknown format %d", f), Remedy: "use one of the formats of this package"}
	}
	if src == nil && (f == Kustomization || f == Manifests) {
		return nil, &RefusedError{Reason: "does not exist", Remedy: "create it, or point the write-back target at the file that holds the image"}
	}
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b Edit) int { return cmp.Compare(a.Track, b.Track) })
	d := newDraft(t)
	if err := formats[f](d, edits); err != nil {
		return nil, err
	}
	return d, d.settle()
}

// misplaced refuses a place that the format does not have.
func misplaced(e Edit, f string) error {
	return &RefusedError{
		Track: e.Track, Reason: fmt.Sprintf("has a place of kind %T, which %s does not have", e.At, f),
		Remedy: "choose a place of the file's format",
	}
}

// root gives the mapping of a file that may have one document only, made if the
// file is empty.
func (d *draft) root() (*yaml.Node, error) {
	var root *yaml.Node
	for _, doc := range d.docs {
		if n := doc.Content[0]; !isNull(n) || n.Value != "" {
			if root != nil {
				return nil, &RefusedError{Line: n.Line, Reason: "has several documents", Remedy: "keep one of them"}
			}
			root = n
		}
	}
	switch {
	case root == nil:
		return d.newRoot(), nil
	case root.Kind != yaml.MappingNode:
		return nil, &RefusedError{Line: root.Line, Reason: "holds no map", Remedy: "mend or remove it"}
	}
	return root, nil
}

// newRoot makes the mapping of a file that says nothing.
func (d *draft) newRoot() *yaml.Node {
	if len(d.docs) == 0 {
		root := newCollection(yaml.MappingNode)
		d.had[root] = 0
		d.docs = append(d.docs, &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{root}})
		return root
	}
	root := d.docs[len(d.docs)-1].Content[0]
	d.fill(root, yaml.MappingNode)
	return root
}

// list gives the sequence at a path of keys below m, made if it is missing.
func (d *draft) list(m *yaml.Node, keys ...string) (*yaml.Node, error) {
	for i, key := range keys {
		kind := yaml.MappingNode
		if i == len(keys)-1 {
			kind = yaml.SequenceNode
		}
		next, err := d.child(m, key, kind)
		if err != nil {
			return nil, within(err, strings.Join(keys[:i+1], "."))
		}
		m = next
	}
	return m, nil
}

// child gives the collection at key of the mapping m, made if it is missing.
func (d *draft) child(m *yaml.Node, key string, kind yaml.Kind) (*yaml.Node, error) {
	i, err := d.find(m, key)
	if err != nil {
		return nil, err
	}
	if i < 0 {
		n := newCollection(kind)
		d.grow(m, newScalar(key), n)
		return n, nil
	}
	n := target(m.Content[i+1])
	switch {
	case isNull(n):
		d.fill(n, kind)
	case n.Kind != kind && kind == yaml.SequenceNode:
		return nil, &RefusedError{Line: n.Line, Reason: "is not a list", Remedy: "make it one"}
	case n.Kind != kind:
		return nil, &RefusedError{Line: n.Line, Reason: "is not a map", Remedy: "make it one"}
	}
	return n, nil
}
