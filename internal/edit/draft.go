package edit

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"argocd-image-updater/internal/image"
)

// draft is a file and what is to become of it. The tree of the file is changed
// in memory first: it is then both the order for the splices and what the
// result has to parse as. Nodes with a Line stand in the file, those without
// are new.
type draft struct {
	*text
	was      map[*yaml.Node]yaml.Node // nodes whose own content was changed, as they were
	had      map[*yaml.Node]int       // collections that grew: how many nodes they held
	gone     map[*yaml.Node]bool      // keys to remove
	claims   map[spot]claim
	changes  map[*yaml.Node][]*Change      // by the scalar that they tell of
	index    map[*yaml.Node]map[string]int // of large mappings: where a key stands; -1 if it does twice
	late     []late                        // scalars that show the value of another
	declared map[string][]image.Ref        // by track
}

// claim is what a track wants a scalar to be.
type claim struct{ track, value string }

// spot is a scalar that can be claimed: a node, or the key of a mapping that
// merges its value.
type spot struct {
	node *yaml.Node
	key  string
}

// late is a claim to a scalar that can be met only when all others are.
type late struct {
	slot
	claim
}

func newDraft(t *text) *draft {
	return &draft{
		text:     t,
		was:      map[*yaml.Node]yaml.Node{},
		had:      map[*yaml.Node]int{},
		gone:     map[*yaml.Node]bool{},
		claims:   map[spot]claim{},
		changes:  map[*yaml.Node][]*Change{},
		index:    map[*yaml.Node]map[string]int{},
		declared: map[string][]image.Ref{},
	}
}

// changed reports whether anything differs from the file.
func (d *draft) changed() bool { return len(d.was)+len(d.had)+len(d.gone) > 0 }

// declare notes what the file said of the track's image.
func (d *draft) declare(track string, ref image.Ref) {
	for _, r := range d.declared[track] {
		if r == ref {
			return
		}
	}
	d.declared[track] = append(d.declared[track], ref)
}

// before is the node as it stood in the file, nil if it did not.
func (d *draft) before(n *yaml.Node) *yaml.Node {
	if n == nil || n.Line == 0 {
		return nil
	}
	if old, ok := d.was[n]; ok {
		return &old
	}
	return n
}

// shown is the node that stood in the file at n, through an alias if it was
// one; nil if nothing stood there.
func (d *draft) shown(n *yaml.Node) *yaml.Node {
	old := d.before(n)
	if old != nil && old.Kind == yaml.AliasNode {
		return d.before(old.Alias)
	}
	return old
}

// said is the scalar that stood in the file at n; ok is false for null and
// anything else.
func (d *draft) said(n *yaml.Node) (value string, ok bool) {
	old := d.shown(n)
	if old == nil || old.Kind != yaml.ScalarNode || isNull(old) {
		return "", false
	}
	return old.Value, true
}

// target is the node that an alias shows, or n itself.
func target(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// isString reports whether n is the string value.
func isString(n *yaml.Node, value string) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Value == value
}

// display is a scalar as a Change tells it: with its type if that is another
// than the string that should stand there.
func display(n *yaml.Node) string {
	switch {
	case n == nil || isNull(n):
		return ""
	case n.Tag == "!!str":
		return n.Value
	}
	return n.Tag + " " + n.Value
}

func newScalar(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

func newCollection(kind yaml.Kind) *yaml.Node {
	return &yaml.Node{Kind: kind, Tag: collectionTag(kind)}
}

func collectionTag(kind yaml.Kind) string {
	if kind == yaml.SequenceNode {
		return "!!seq"
	}
	return "!!map"
}

// save remembers a node before its own content changes.
func (d *draft) save(n *yaml.Node) {
	if _, ok := d.was[n]; !ok && n.Line > 0 {
		d.was[n] = *n
	}
}

// grow adds nodes to the end of a collection.
func (d *draft) grow(n *yaml.Node, nodes ...*yaml.Node) {
	if _, ok := d.had[n]; !ok && n.Line > 0 {
		d.had[n] = len(n.Content)
	}
	if index := d.index[n]; index != nil {
		index[nodes[0].Value] = len(n.Content)
	}
	n.Content = append(n.Content, nodes...)
}

// fill makes an empty value a collection.
func (d *draft) fill(n *yaml.Node, kind yaml.Kind) {
	d.save(n)
	n.Kind, n.Tag, n.Value, n.Content = kind, collectionTag(kind), "", nil
	d.had[n] = 0
}

// claim lets a track say what the scalar of s shall be. Others may say the same.
func (d *draft) claim(s slot, c claim) error {
	at := spot{node: s.node}
	if s.merged {
		at = spot{s.parent, s.key}
	}
	if first, ok := d.claims[at]; ok && first.value != c.value {
		return &RefusedError{
			Track: c.track, Other: first.track, Key: s.path, Line: s.node.Line,
			Reason: fmt.Sprintf("is wanted by two images: %s would write %q, %s %q", first.track, first.value, c.track, c.value),
			Remedy: "give each image a key of its own",
		}
	}
	d.claims[at] = c
	return nil
}

// note tells of a value that a track stands for.
func (d *draft) note(s slot, c claim) {
	change := &Change{Track: c.track, Path: s.path, Line: s.node.Line, Old: display(d.shown(s.node)), New: c.value}
	d.changes[s.node] = append(d.changes[s.node], change)
}
