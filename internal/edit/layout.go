package edit

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// layout is how a file is indented: what new lines imitate.
type layout struct {
	step int // a mapping in a mapping
	dash int // the dash of a list in a mapping
}

// layoutOf looks for the first mapping and the first list inside a mapping. A
// file that has none is written with two spaces and lists that are not
// indented.
func layoutOf(t *text) layout {
	l := layout{step: -1, dash: -1}
	for _, doc := range t.docs {
		l.look(t, doc)
	}
	if l.step < 1 {
		l.step = 2
	}
	if l.dash < 0 {
		l.dash = 0
	}
	return l
}

// look searches n until both are known.
func (l *layout) look(t *text, n *yaml.Node) {
	for i, child := range n.Content {
		if l.step >= 0 && l.dash >= 0 {
			return
		}
		if isBlock(n) && n.Kind == yaml.MappingNode && i%2 == 1 && isBlock(child) {
			by := t.column(child) - t.column(n)
			switch {
			case child.Kind == yaml.MappingNode && l.step < 0:
				l.step = by
			case child.Kind == yaml.SequenceNode && l.dash < 0:
				l.dash = by
			}
		}
		l.look(t, child)
	}
}

// isBlock reports whether n is a collection of the file in block style that
// holds something.
func isBlock(n *yaml.Node) bool {
	return n.Line > 0 && len(n.Content) > 0 && n.Content[0].Line > 0 && n.Style&yaml.FlowStyle == 0
}

// column is how far a block collection is indented: its keys or its dashes.
func (t *text) column(n *yaml.Node) int {
	if n.Kind == yaml.SequenceNode {
		at := t.content(n)
		return at - t.lineStart(at)
	}
	at := t.offset(n.Content[0])
	start := t.lineStart(at)
	// An explicit key is indented by its question mark.
	if before := bytes.TrimRight(t.src[start:at], " "); bytes.HasSuffix(before, []byte("?")) {
		at = start + len(before) - 1
	}
	return at - start
}

// blockEnd is the end of the last line of a block scalar.
func (t *text) blockEnd(n *yaml.Node, indent int) int {
	header := t.content(n)
	end := t.lineEnd(header)
	keep := strings.Contains(string(t.src[header:end]), "+")
	for at := end + breakAt(t.src, end); at < len(t.src); {
		stop := t.lineEnd(at)
		line := bytes.TrimLeft(t.src[at:stop], " ")
		if len(line) > 0 && stop-at-len(line) <= indent {
			break
		}
		if len(line) > 0 || keep {
			end = stop
		}
		at = stop + max(breakAt(t.src, stop), 1)
	}
	return end
}
