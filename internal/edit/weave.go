package edit

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxVia bounds how many followers of an anchor are named.
const maxVia = 100

// shown is a change inside an anchored node.
type shown struct {
	change *Change
	key    string // of the anchored mapping, below which it is; "" in a list
}

// splice replaces src[from:to].
type splice struct {
	from, to int
	with     string
}

// weaver turns a draft into splices, in one walk over its tree.
type weaver struct {
	*draft
	layout
	splices []splice
	changes []*Change
	path    []*yaml.Node           // from the document to the node in hand
	follows map[*yaml.Node][]shown // by anchored node: what its aliases will show
	err     error                  // the first refusal
}

// weave gives the new bytes of the file and its changes in their order.
func (d *draft) weave() ([]byte, []*Change, error) {
	w := &weaver{draft: d, layout: layoutOf(d.text), follows: map[*yaml.Node][]shown{}}
	for _, doc := range d.docs {
		w.walk(doc)
	}
	if w.err != nil {
		return nil, nil, w.err
	}
	if len(w.splices) == 0 {
		return d.src, w.changes, nil
	}
	// Insertions go before what is removed at the same place; inner ones were
	// found before outer ones.
	slices.SortStableFunc(w.splices, func(a, b splice) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return a.to - b.to
	})
	var out bytes.Buffer
	at := 0
	for _, s := range w.splices {
		if s.from < at {
			return nil, nil, unproven(0)
		}
		out.Write(d.src[at:s.from])
		out.WriteString(s.with)
		at = s.to
	}
	out.Write(d.src[at:])
	return out.Bytes(), w.changes, nil
}

func (w *weaver) splice(from, to int, with string) {
	w.splices = append(w.splices, splice{from, to, with})
}

func (w *weaver) refuse(e *RefusedError) {
	if w.err == nil {
		w.err = e
	}
}

// walk visits n and all that it holds, new nodes for their changes only.
func (w *weaver) walk(n *yaml.Node) {
	w.tell(n)
	old, changed := w.was[n]
	switch {
	case n.Kind == yaml.ScalarNode && changed:
		w.replace(n, &old)
	case n.Kind == yaml.AliasNode:
		w.follow(n)
	}
	w.path = append(w.path, n)
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && w.gone[child] {
			w.cut(n, i)
		}
		w.walk(child)
	}
	w.path = w.path[:len(w.path)-1]
	if had, ok := w.had[n]; ok {
		w.extend(n, had)
	}
}

// tell emits the changes of n. If n is part of something anchored, aliases
// further down will follow them.
func (w *weaver) tell(n *yaml.Node) {
	changes := w.draft.changes[n]
	if changes == nil {
		return
	}
	w.changes = append(w.changes, changes...)
	w.spread(n, changes)
}

// spread notes the changes at n with everything anchored that n is part of.
func (w *weaver) spread(n *yaml.Node, changes []*Change) {
	nodes := append(slices.Clone(w.path), n)
	for i, holder := range nodes {
		if holder.Anchor == "" {
			continue
		}
		key := ""
		if holder.Kind == yaml.MappingNode {
			key = keyOf(holder.Content[slices.Index(holder.Content, nodes[i+1])-1])
		}
		for _, c := range changes {
			w.follows[holder] = append(w.follows[holder], shown{c, key})
		}
	}
}

// follow notes that the alias n shows changed values.
func (w *weaver) follow(n *yaml.Node) {
	var changed []*Change
	for _, f := range w.follows[n.Alias] {
		if f.change.Changed() && len(f.change.Via) < maxVia && !w.overridden(n, f.key) {
			f.change.Via = append(f.change.Via, w.pathTo(n))
			changed = append(changed, f.change)
		}
	}
	if changed != nil {
		w.spread(n, changed)
	}
}

// overridden reports whether the alias n is merged by a mapping that has the
// key itself.
func (w *weaver) overridden(n *yaml.Node, key string) bool {
	m := w.path[len(w.path)-1]
	at := slices.Index(m.Content, n)
	if m.Kind != yaml.MappingNode || at%2 == 0 || m.Content[at-1].Tag != "!!merge" {
		return false
	}
	own, err := w.find(m, key)
	return err != nil || own >= 0
}

// pathTo is the path of n, which the walk has just reached.
func (w *weaver) pathTo(n *yaml.Node) string {
	var b strings.Builder
	nodes := append(slices.Clone(w.path), n)
	for i, parent := range nodes[:len(nodes)-1] {
		at := slices.Index(parent.Content, nodes[i+1])
		switch {
		case parent.Kind == yaml.SequenceNode:
			b.WriteString("[" + strconv.Itoa(at) + "]")
		case parent.Kind == yaml.MappingNode && at%2 == 1:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(keyOf(parent.Content[at-1]))
		}
	}
	return b.String()
}

// replace splices the new value of a scalar.
func (w *weaver) replace(n, old *yaml.Node) {
	from, to, ok := w.span(old)
	if !ok {
		w.refuse(&RefusedError{
			Line: old.Line, Reason: "is a block of several lines, or of one whose line break belongs to the value",
			Track: w.draft.changes[n][0].Track, Key: w.pathTo(n), Remedy: "write it on one line",
		})
		return
	}
	style := *old
	if isPlain(old) && w.quotingOf(w.path[len(w.path)-1]) == asJSON {
		style.Style |= yaml.DoubleQuotedStyle
	}
	with := scalarSource(n.Value, &style)
	if from == to && from > 0 && strings.IndexByte(" \t", w.src[from-1]) < 0 {
		with = " " + with
	}
	w.splice(from, to, with)
}

// quoting is how strings are written in a flow collection.
type quoting uint8

const (
	asNeeded quoting = iota
	asJSON           // keys and values in double quotes
)

// quotingOf is how the collection n quotes: as JSON does if it is in flow style
// and its first key or element is in double quotes.
func (w *weaver) quotingOf(n *yaml.Node) quoting {
	if n.Style&yaml.FlowStyle == 0 {
		return asNeeded
	}
	for len(n.Content) > 0 && n.Content[0].Kind != yaml.ScalarNode {
		n = n.Content[0]
	}
	if len(n.Content) > 0 && n.Content[0].Style&yaml.DoubleQuotedStyle != 0 {
		return asJSON
	}
	return asNeeded
}

// cut removes the key at index i of m and its value: its lines where it has
// lines of its own, otherwise the bytes up to the next key or from the last.
func (w *weaver) cut(m *yaml.Node, i int) {
	from, to := w.offset(m.Content[i]), w.endIn(m, i+1)
	start, stop := w.lineStart(from), w.lineEnd(to)
	ownLines := len(bytes.TrimLeft(w.src[start:from], " ")) == 0
	switch {
	case m.Style&yaml.FlowStyle == 0 && ownLines && stop == len(w.src):
		start -= w.breakBefore(start)
		w.splice(start, stop, "")
	case m.Style&yaml.FlowStyle == 0 && ownLines:
		w.splice(start, stop+breakAt(w.src, stop), "")
	case i+2 < len(m.Content) && m.Content[i+2].Line > 0:
		next := w.offset(m.Content[i+2])
		if gap := w.src[to:next]; bytes.Contains(gap, []byte("#")) {
			w.refuse(&RefusedError{Line: m.Content[i].Line, Key: m.Content[i].Value, Reason: "has to go, and a comment stands beside it", Remedy: "remove the line by hand"})
		}
		w.splice(from, next, "")
	default:
		w.splice(w.endIn(m, i-1), to, "")
	}
}

// endIn is where the element i of the mapping m ends in the file.
func (w *weaver) endIn(m *yaml.Node, i int) int {
	indent := 0
	if m.Style&yaml.FlowStyle == 0 {
		indent = w.column(m)
	}
	return w.end(m.Content[i], indent)
}

// breakBefore is the width of the line break that ends at offset at.
func (w *weaver) breakBefore(at int) int {
	if bytes.HasSuffix(w.src[:at], []byte("\r\n")) {
		return 2
	}
	return min(at, 1)
}
