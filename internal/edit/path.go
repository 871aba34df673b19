package edit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxParts bounds the parts of a dotted path.
const maxParts = 64

// found is the place that a dotted path leads to, or the last that there is on
// the way.
type found struct {
	slot              // the place; its node is nil if something is missing
	within *yaml.Node // the map, or the null in place of one, that misses something
	rest   []string   // the keys that are missing below it
}

// search follows a dotted path through all readings of its dots: each may part
// two keys or belong to one.
type search struct {
	*draft
	path  string
	parts []string
	hits  []slot
	// stop is the farthest that a reading went that led nowhere.
	stop struct {
		at    int
		found found
		err   *RefusedError
	}
	seen map[reading]bool
}

// reading is a node reached with some parts of the path used up.
type reading struct {
	node *yaml.Node
	used int
}

// locateIn finds what a key means below the mapping root: the literal key, or
// the one reading of it as a dotted path.
func (d *draft) locateIn(root *yaml.Node, path string) (found, error) {
	literal, err := d.slot(root, path, path)
	if err != nil || literal.node != nil {
		return found{slot: literal}, err
	}
	s := search{draft: d, path: path, parts: strings.Split(path, "."), seen: map[reading]bool{}}
	s.stop.at = -1
	for _, part := range s.parts {
		if part == "" || len(s.parts) > maxParts {
			return found{}, &RefusedError{Key: path, Reason: "is no path of keys", Remedy: "join keys by single dots, such as image.tag or images[0].tag"}
		}
	}
	s.descend(slot{node: root}, 0)
	switch {
	case len(s.hits) > 1:
		return found{}, twoPlaces(path, s.hits[0].node, s.hits[1].node)
	case len(s.hits) == 1:
		return found{slot: s.hits[0]}, nil
	case s.stop.err != nil:
		s.stop.err.Key = path
		return found{}, s.stop.err
	}
	f := s.stop.found
	f.path = path
	for _, key := range f.rest {
		if strings.ContainsAny(key, "[]") {
			return found{}, &RefusedError{Key: path, Line: f.within.Line, Reason: "leads to a list that is missing", Remedy: "write the list by hand"}
		}
	}
	return f, nil
}

func twoPlaces(path string, a, b *yaml.Node) error {
	return &RefusedError{
		Key: path, Line: a.Line,
		Reason: fmt.Sprintf("means two places: line %d and line %d", a.Line, b.Line),
		Remedy: "rename one of the keys, or remove the one that is not used",
	}
}

// descend goes on from a place that used parts have led to.
func (s *search) descend(at slot, used int) {
	n := target(at.node)
	if used == len(s.parts) {
		if len(s.hits) == 0 || s.hits[0].node != at.node {
			at.path = s.path
			s.hits = append(s.hits, at)
		}
		return
	}
	if len(s.hits) > 1 || s.seen[reading{n, used}] {
		return
	}
	s.seen[reading{n, used}] = true
	switch {
	case n.Kind == yaml.MappingNode:
		s.descendMap(n, used)
	case n.Kind == yaml.SequenceNode && s.parts[used][0] == '[':
		indexes, ok := parseIndexes(s.parts[used])
		if !ok {
			s.end(used, found{}, &RefusedError{Line: n.Line, Reason: "has an index that is no number in brackets", Remedy: "write it as [0]"})
			return
		}
		s.descendList(at, indexes, used+1)
	case isNull(n):
		s.end(used, found{within: n, rest: s.parts[used:]}, nil)
	case n.Kind == yaml.SequenceNode:
		s.end(used, found{}, &RefusedError{Line: n.Line, Reason: "leads to a list without saying which element", Remedy: "give an index, such as " + strings.Join(s.parts[:used], ".") + "[0]"})
	default:
		s.end(used, found{}, &RefusedError{Line: n.Line, Reason: "leads through a value that is no map", Remedy: "name a key that the file has"})
	}
}

// descendMap tries the next parts as keys of m, the longest first.
func (s *search) descendMap(m *yaml.Node, used int) {
	known := false
	for next := len(s.parts); next > used; next-- {
		key := strings.Join(s.parts[used:next], ".")
		at, err := s.slot(m, key, s.path)
		var e *RefusedError
		if errors.As(err, &e) {
			s.end(used, found{}, e)
			known = true
		}
		if at.node != nil {
			known = true
			s.descend(at, next)
		}
		open := strings.IndexByte(key, '[')
		if open <= 0 {
			continue
		}
		indexes, ok := parseIndexes(key[open:])
		if at, err = s.slot(m, key[:open], s.path); ok && err == nil && at.node != nil {
			known = true
			s.descendList(at, indexes, next)
		}
	}
	if !known {
		s.end(used, found{within: m, rest: s.parts[used:]}, nil)
	}
}

// descendList goes on from an element of the list at a place.
func (s *search) descendList(at slot, indexes []int, used int) {
	for _, i := range indexes {
		n := target(at.node)
		switch {
		case n.Kind != yaml.SequenceNode:
			s.end(used-1, found{}, &RefusedError{Line: n.Line, Reason: "has an index, and there is no list", Remedy: "leave the index out"})
			return
		case i >= len(n.Content):
			s.end(used-1, found{}, &RefusedError{
				Line: n.Line, Reason: fmt.Sprintf("has the index %d, and the list has %d elements", i, len(n.Content)),
				Remedy: "indexes start at 0; write a missing element by hand",
			})
			return
		}
		at = slot{node: n.Content[i]}
	}
	s.descend(at, used)
}

// end notes where a reading ended. Of two that went equally far, one that found
// a reason to refuse wins; two that would make a key in different places leave
// open which.
func (s *search) end(used int, f found, err *RefusedError) {
	switch {
	case used < s.stop.at, used == s.stop.at && s.stop.err != nil:
		return
	case used == s.stop.at && err == nil && s.stop.found.within != f.within:
		err = &RefusedError{
			Line: f.within.Line, Reason: fmt.Sprintf("is missing and could go below line %d or line %d", s.stop.found.within.Line, f.within.Line),
			Remedy: "write the key by hand once",
		}
	}
	s.stop.at, s.stop.found, s.stop.err = used, f, err
}

// parseIndexes reads [n][m]….
func parseIndexes(s string) ([]int, bool) {
	var indexes []int
	for s != "" {
		text, rest, ok := strings.Cut(strings.TrimPrefix(s, "["), "]")
		i, err := strconv.ParseUint(text, 10, 31)
		if s[0] != '[' || !ok || err != nil {
			return nil, false
		}
		indexes = append(indexes, int(i))
		s = rest
	}
	return indexes, true
}
