package edit

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// smallMap is how many nodes a mapping may have to be searched from end to end.
const smallMap = 32

// slot is a place for a scalar: an element of a list or the value of a key.
type slot struct {
	path   string     // for people
	node   *yaml.Node // what stands there; nil if the key is missing
	parent *yaml.Node // the mapping of the key
	key    string
	merged bool // node is not in parent but in a mapping that parent merges
}

// slot looks up a key of the mapping m, through merge keys too.
func (d *draft) slot(m *yaml.Node, key, path string) (slot, error) {
	s := slot{path: path, parent: m, key: key}
	i, err := d.find(m, key)
	if err != nil {
		return s, within(err, path)
	}
	if i >= 0 {
		s.node = m.Content[i+1]
		return s, nil
	}
	s.node = d.findMerged(m, key, map[*yaml.Node]bool{})
	s.merged = s.node != nil
	return s, nil
}

// within names the path in a refusal that does not know it.
func within(err error, path string) error {
	var e *RefusedError
	if errors.As(err, &e) && e.Key == "" {
		e.Key = path
	}
	return err
}

// forTrack names the track in a refusal that does not know it.
func forTrack(err error, track string) error {
	var e *RefusedError
	if errors.As(err, &e) && e.Track == "" {
		e.Track = track
	}
	return err
}

// find gives the index of a key in the mapping m, -1 if it is missing.
func (d *draft) find(m *yaml.Node, key string) (int, error) {
	at, n := -1, 0
	if len(m.Content) <= smallMap {
		for i := 0; i+1 < len(m.Content); i += 2 {
			if keyOf(m.Content[i]) == key && !d.gone[m.Content[i]] {
				at = i
				n++
			}
		}
	} else if i, ok := d.indexed(m)[key]; ok {
		at, n = i, 1
		if i < 0 {
			n = 2
		}
	}
	if n > 1 {
		return -1, &RefusedError{Line: m.Line, Reason: fmt.Sprintf("leads to the key %s, which stands twice in one map", key), Remedy: "remove one of the two"}
	}
	return at, nil
}

// indexed gives the index of a large mapping.
func (d *draft) indexed(m *yaml.Node) map[string]int {
	index := d.index[m]
	if index == nil {
		index = make(map[string]int, len(m.Content)/2)
		for i := 0; i+1 < len(m.Content); i += 2 {
			key := keyOf(m.Content[i])
			if d.gone[m.Content[i]] {
				continue
			}
			if _, twice := index[key]; twice {
				index[key] = -1
			} else {
				index[key] = i
			}
		}
		d.index[m] = index
	}
	return index
}

// keyOf is the text of a scalar key; complex keys have none that we look for.
func keyOf(k *yaml.Node) string {
	if k = target(k); k.Kind != yaml.ScalarNode {
		return "\x00"
	}
	return k.Value
}

// findMerged looks for a key in what m merges (YAML 1.1 type merge): the first
// mapping that has it wins. Mappings seen before are left out, so that a
// mapping that merges itself ends the search.
func (d *draft) findMerged(m *yaml.Node, key string, seen map[*yaml.Node]bool) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Tag != "!!merge" {
			continue
		}
		sources := []*yaml.Node{m.Content[i+1]}
		if list := target(sources[0]); list.Kind == yaml.SequenceNode {
			sources = list.Content
		}
		for _, source := range sources {
			if v := d.findInMerge(target(source), key, seen); v != nil {
				return v
			}
		}
	}
	return nil
}

func (d *draft) findInMerge(m *yaml.Node, key string, seen map[*yaml.Node]bool) *yaml.Node {
	if m.Kind != yaml.MappingNode || seen[m] {
		return nil
	}
	seen[m] = true
	if i, err := d.find(m, key); err == nil && i >= 0 {
		return m.Content[i+1]
	}
	return d.findMerged(m, key, seen)
}

// write makes the value of s what c says. A missing key is added; a scalar that
// shows the value of another waits until settle.
func (d *draft) write(s slot, c claim) error {
	if s.node == nil {
		s.node = newScalar(c.value)
		d.grow(s.parent, newScalar(s.key), s.node)
		d.note(s, c)
		return d.claim(s, c)
	}
	if err := writable(s, c.track); err != nil {
		return err
	}
	if err := d.claim(s, c); err != nil {
		return err
	}
	if s.merged || s.node.Kind == yaml.AliasNode {
		d.late = append(d.late, late{s, c})
		return nil
	}
	d.set(s, c)
	return nil
}

// writable refuses what is not a scalar that a string may replace.
func writable(s slot, track string) error {
	n := target(s.node)
	e := &RefusedError{Track: track, Key: s.path, Line: s.node.Line}
	switch {
	case n.Kind == yaml.SequenceNode:
		e.Reason, e.Remedy = "is a list", "name one of its elements, such as key[0]"
	case n.Kind == yaml.MappingNode:
		e.Reason, e.Remedy = "is a map", "name one of its keys"
	case n == s.node && n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str":
		e.Reason, e.Remedy = "has the tag "+n.Tag+", which a version cannot have", "remove the tag"
	case strings.ContainsAny(n.Value, "{}$"):
		e.Reason, e.Remedy = fmt.Sprintf("is filled in from elsewhere: %q", n.Value), "name the key that it is filled in from"
	default:
		return nil
	}
	return e
}

// set makes the scalar of s what c says.
func (d *draft) set(s slot, c claim) {
	d.note(s, c)
	n := s.node
	if !isString(n, c.value) {
		d.save(n)
		n.Kind, n.Tag, n.Value, n.Alias = yaml.ScalarNode, "!!str", c.value, nil
	}
}

// settle writes the scalars that show the value of another, now that those have
// theirs: what already shows the right value is left alone.
func (d *draft) settle() error {
	for _, l := range d.late {
		s := l.slot
		if s.merged {
			again, err := d.slot(s.parent, s.key, s.path)
			if err != nil {
				return err
			}
			s = again
		}
		switch {
		case isString(target(s.node), l.value):
			d.note(s, l.claim)
		case s.merged:
			if err := d.write(slot{path: s.path, parent: s.parent, key: s.key}, l.claim); err != nil {
				return err
			}
		default:
			d.set(s, l.claim)
		}
	}
	d.late = nil
	return nil
}
