package edit

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// extend inserts the new nodes of the collection n, which held had nodes, in
// the style of their neighbours.
func (w *weaver) extend(n *yaml.Node, had int) {
	old := w.stands(n)
	switch {
	case had > 0 && old.Style&yaml.FlowStyle != 0:
		w.extendFlow(n, had)
	case had > 0:
		w.extendBlock(n, had)
	case w.inFlow():
		from, to := w.bounds(old)
		w.splice(from, to, spaced(w.src, from, flow(n, w.quotingOf(w.path[len(w.path)-1]))))
	case len(w.path) == 1:
		w.fillRoot(n, old)
	default:
		w.fillEmpty(n, old)
	}
}

// stands is the node as it stands in the file: with its old value and without
// the nodes that are to come or to go.
func (w *weaver) stands(n *yaml.Node) *yaml.Node {
	if old, ok := w.was[n]; ok {
		n = &old
	}
	had, grown := w.had[n]
	if !grown && n.Kind != yaml.MappingNode {
		return n
	}
	c := *n
	if grown {
		c.Content = c.Content[:had]
	}
	for k := len(c.Content) - 2; c.Kind == yaml.MappingNode && k > 0 && w.gone[c.Content[k]]; k -= 2 {
		c.Content = c.Content[:k]
	}
	return &c
}

// end is where the source of n ends. Indent is that of the collection that
// holds n: the lines of a block scalar are indented more.
func (w *weaver) end(n *yaml.Node, indent int) int {
	n = w.stands(n)
	last := len(n.Content) - 1
	switch {
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return w.blockEnd(n, indent)
	case n.Kind == yaml.ScalarNode || n.Kind == yaml.AliasNode:
		_, end, _ := w.span(n)
		return end
	case n.Style&yaml.FlowStyle == 0:
		return w.end(n.Content[last], w.column(n))
	}
	at := w.content(n) + 1
	if last >= 0 {
		at = w.end(n.Content[last], 0)
	}
	return min(w.skipSpace(at, ",:")+1, len(w.src))
}

// extendFlow adds ", new" behind the last element, on a line of its own if that
// has one.
func (w *weaver) extendFlow(n *yaml.Node, had int) {
	at := w.end(n.Content[had-1], 0)
	first := had - 1
	if n.Kind == yaml.MappingNode {
		first = had - 2
	}
	start := w.offset(n.Content[first])
	line := w.lineStart(start)
	sep := ", "
	if lead := string(w.src[line:start]); strings.Trim(lead, " \t") == "" && line > 0 {
		sep = "," + w.eol(line) + lead
	}
	rest := *n
	rest.Content = n.Content[had:]
	text := flow(&rest, w.quotingOf(n))
	w.splice(at, at, sep+text[1:len(text)-1])
}

// extendBlock adds lines behind the last line of the last element.
func (w *weaver) extendBlock(n *yaml.Node, had int) {
	rest := *n
	rest.Content = n.Content[had:]
	at := w.lineEnd(w.end(n, 0))
	gap := 1
	if item := n.Content[had-1]; n.Kind == yaml.SequenceNode && item.Line == w.lineOf(n, had-1) {
		gap = max(item.Column-1-w.column(n)-1, 1)
	}
	w.insert(at, w.block(&rest, w.column(n), gap))
}

// lineOf is the line of the dash of element i, as far as that matters: elements
// that start on a line of their own have nothing to teach.
func (w *weaver) lineOf(n *yaml.Node, i int) int {
	item := n.Content[i]
	at := w.offset(item)
	before := strings.TrimLeft(string(w.src[w.lineStart(at):at]), " ")
	if strings.Trim(before, "- ") == "" && before != "" {
		return item.Line
	}
	return -1
}

// insert puts lines behind the line that ends at offset at.
func (w *weaver) insert(at int, lines []string) {
	eol := w.eol(at)
	w.splice(at, at, eol+strings.Join(lines, eol))
}

// fillRoot writes the mapping of a document that had none: in place of an empty
// {}, otherwise at the end of the file.
func (w *weaver) fillRoot(n, old *yaml.Node) {
	lines := w.block(n, 0, 1)
	if old.Line > 0 && old.Kind == yaml.MappingNode {
		from, to := w.bounds(old)
		w.splice(from, to, strings.Join(lines, w.eol(from)))
		return
	}
	w.append(lines)
}

// append puts lines at the end of the file.
func (w *weaver) append(lines []string) {
	end := len(w.src)
	eol := w.eol(end)
	text := strings.Join(lines, eol) + eol
	if end > 0 && w.lineStart(end) != end {
		text = eol + text
	}
	w.splice(end, end, text)
}

// fillEmpty writes a collection below a key or dash that has nothing, null, []
// or {}.
func (w *weaver) fillEmpty(n, old *yaml.Node) {
	from, to := w.bounds(old)
	end := w.lineEnd(to)
	if from < to {
		start := from
		for start > 0 && strings.IndexByte(" \t", w.src[start-1]) >= 0 {
			start--
		}
		w.splice(start, to, "")
	}
	parent := w.stands(w.path[len(w.path)-1])
	indent := w.column(parent)
	switch {
	case n.Kind == yaml.SequenceNode:
		indent += w.dash
	case parent.Kind == yaml.SequenceNode:
		indent += 2
	default:
		indent += w.step
	}
	w.insert(end, w.block(n, indent, 1))
}

// bounds is the source of an empty value or collection.
func (w *weaver) bounds(old *yaml.Node) (from, to int) {
	if old.Kind == yaml.ScalarNode {
		from, to, _ = w.span(old)
		return from, to
	}
	return w.content(old), w.end(old, 0)
}

func (w *weaver) inFlow() bool {
	return len(w.path) > 0 && w.path[len(w.path)-1].Style&yaml.FlowStyle != 0
}

func spaced(src []byte, at int, s string) string {
	if at > 0 && src[at-1] == ':' {
		return " " + s
	}
	return s
}

// block writes the elements of a new collection as lines; gap is the space
// between a dash and its element.
func (w *weaver) block(n *yaml.Node, indent, gap int) []string {
	var lines []string
	pad := strings.Repeat(" ", indent)
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			dash := "-" + strings.Repeat(" ", gap)
			if item.Kind == yaml.ScalarNode {
				lines = append(lines, pad+dash+scalar(item))
				continue
			}
			inner := w.block(item, indent+len(dash), 1)
			inner[0] = pad + dash + inner[0][indent+len(dash):]
			lines = append(lines, inner...)
		}
		return lines
	}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := scalar(n.Content[i]), n.Content[i+1]
		switch value.Kind {
		case yaml.ScalarNode:
			lines = append(lines, pad+key+": "+scalar(value))
		case yaml.SequenceNode:
			lines = append(append(lines, pad+key+":"), w.block(value, indent+w.dash, 1)...)
		default:
			lines = append(append(lines, pad+key+":"), w.block(value, indent+w.step, 1)...)
		}
	}
	return lines
}

// scalar writes a new scalar.
func scalar(n *yaml.Node) string {
	if n.Tag != "!!str" {
		return n.Value
	}
	return scalarSource(n.Value, &yaml.Node{Kind: yaml.ScalarNode, Style: n.Style})
}

// flow writes a new collection on one line.
func flow(n *yaml.Node, q quoting) string {
	write := func(n *yaml.Node) string {
		switch {
		case n.Kind != yaml.ScalarNode:
			return flow(n, q)
		case q == asJSON && n.Tag == "!!str":
			return doubleQuoted(n.Value)
		}
		return scalar(n)
	}
	var parts []string
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			parts = append(parts, write(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	for i := 0; i < len(n.Content); i += 2 {
		parts = append(parts, write(n.Content[i])+": "+write(n.Content[i+1]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
