package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSize bounds a file: the parser needs some hundred bytes for every value.
const maxSize = 8 << 20

// text is a file as bytes and as the parser saw them.
type text struct {
	src   []byte
	lines []int        // where each line starts, as the parser counts lines
	docs  []*yaml.Node // document nodes
	last  mark         // the last that offset has found
}

// mark is a place in a line.
type mark struct{ line, column, at int }

// parse reads all documents of src. Aliases are not expanded, so that a small
// file makes a small tree.
func parse(src []byte) (t *text, err error) {
	if len(src) > maxSize {
		return nil, &RefusedError{
			Reason: fmt.Sprintf("has %d bytes, more than the %d that are edited", len(src), maxSize),
			Remedy: "move the image into a smaller file",
		}
	}
	if bytes.HasPrefix(src, []byte("\xff\xfe")) || bytes.HasPrefix(src, []byte("\xfe\xff")) {
		return nil, &RefusedError{Reason: "is encoded in UTF-16", Remedy: "save it in UTF-8"}
	}
	// The parser panics on what it calls an internal error.
	defer func() {
		if r := recover(); r != nil {
			t, err = nil, unparsable(src, fmt.Errorf("%v", r))
		}
	}()
	t = &text{src: src, lines: lineStarts(src)}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	for {
		doc := new(yaml.Node)
		err := dec.Decode(doc)
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, unparsable(src, err)
		}
		t.docs = append(t.docs, doc)
	}
}

// unparsable names the line that the parser stumbled over.
func unparsable(src []byte, err error) *RefusedError {
	e := &RefusedError{Line: stumble(src), Remedy: "mend it; a file is edited only if all of it can be read"}
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	// The parser tells in its text where the construct began that it was
	// reading. That is the line to name if it never found the end, or only had
	// to look at the next line to know.
	var began int
	if n, _ := fmt.Sscanf(reason, "line %d:", &began); n == 1 {
		_, reason, _ = strings.Cut(reason, ": ")
	}
	if e.Line == 0 || e.Line == began+1 {
		e.Line = began
	}
	e.Reason = "does not parse: " + reason
	if i := bytes.Index(src, []byte("{{")); i >= 0 {
		e.Remedy = fmt.Sprintf("line %d holds a template action: edit the values that the template reads instead",
			1+bytes.Count(src[:i], []byte("\n")))
	}
	return e
}

// stumble is the line at which the parser gives up, 0 if that is the end of the
// file: it is given one line after the other.
func stumble(src []byte) (line int) {
	r := &lineReader{rest: src}
	defer func() {
		_ = recover()
		line = r.lines
		if r.ended {
			line = 0
		}
	}()
	dec := yaml.NewDecoder(r)
	for dec.Decode(new(yaml.Node)) == nil {
	}
	return 0
}

// lineReader gives one line at a time and counts them.
type lineReader struct {
	rest  []byte
	lines int
	ended bool
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.ended = true
		return 0, io.EOF
	}
	end := len(r.rest)
	if i := bytes.IndexByte(r.rest, '\n'); i >= 0 {
		end = i + 1
	}
	n := copy(p, r.rest[:end])
	if r.rest[n-1] == '\n' || n == len(r.rest) {
		r.lines++
	}
	r.rest = r.rest[n:]
	return n, nil
}

// lineStarts gives the offset of every line. The parser breaks lines as YAML
// 1.1 does: also at a lone CR and at NEL, LS and PS.
func lineStarts(src []byte) []int {
	first := 0
	if bytes.HasPrefix(src, []byte("\uFEFF")) {
		first = len("\uFEFF")
	}
	starts := make([]int, 1, 1+len(src)/24)
	starts[0] = first
	for i := first; i < len(src); {
		w := breakAt(src, i)
		if w > 0 {
			starts = append(starts, i+w)
		}
		i += max(w, 1)
	}
	return starts
}

// breakAt is the width of the line break at offset i, 0 if there is none.
func breakAt(src []byte, i int) int {
	switch rest := src[i:]; {
	case len(rest) == 0:
		return 0
	case rest[0] == '\n':
		return 1
	case rest[0] == '\r':
		if len(rest) > 1 && rest[1] == '\n' {
			return 2
		}
		return 1
	case rest[0] == 0xC2 && bytes.HasPrefix(rest, []byte("\u0085")):
		return 2
	case rest[0] == 0xE2 && (bytes.HasPrefix(rest, []byte("\u2028")) || bytes.HasPrefix(rest, []byte("\u2029"))):
		return 3
	}
	return 0
}

// offset is where n starts: at its anchor or tag if it has one. The parser
// counts columns in characters. Nodes come mostly in their order, and a file may
// be one line of megabytes: what was counted of a line is not counted again.
func (t *text) offset(n *yaml.Node) int {
	line := min(n.Line, len(t.lines))
	m := mark{line: line, column: 1, at: t.lines[line-1]}
	if t.last.line == line && t.last.column <= n.Column {
		m = t.last
	}
	for ; m.column < n.Column; m.column++ {
		_, w := utf8.DecodeRune(t.src[m.at:])
		m.at += w
	}
	t.last = m
	return m.at
}

// content is where the content of n starts, behind its anchor and tag, and
// for an empty scalar where that would stand.
func (t *text) content(n *yaml.Node) int {
	at := t.offset(n)
	marks := ""
	if n.Anchor != "" {
		marks = "&"
	}
	// The tag ! alone leaves no trace in the node.
	if n.Style&yaml.TaggedStyle != 0 || t.at(at) == '!' {
		marks += "!"
	}
	for {
		next := t.skipSpace(at, "")
		i := strings.IndexByte(marks, t.at(next))
		switch {
		case i >= 0:
			marks = marks[:i] + marks[i+1:]
			at = t.skipWord(next)
		case n.Kind == yaml.ScalarNode && n.Value == "" && isPlain(n):
			return at
		default:
			return next
		}
	}
}

// at is the byte at offset i, 0 at the end.
func (t *text) at(i int) byte {
	if i >= len(t.src) {
		return 0
	}
	return t.src[i]
}

func isPlain(n *yaml.Node) bool {
	const marked = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Kind == yaml.ScalarNode && n.Style&marked == 0
}

// skipSpace goes on over blanks, line breaks, comments and the bytes of also.
func (t *text) skipSpace(at int, also string) int {
	for at < len(t.src) {
		c := t.src[at]
		w := breakAt(t.src, at)
		switch {
		case w > 0:
			at += w
		case c == ' ' || c == '\t' || strings.IndexByte(also, c) >= 0:
			at++
		case c == '#':
			at = t.lineEnd(at)
		default:
			return at
		}
	}
	return at
}

// skipWord goes on to the end of an anchor or tag.
func (t *text) skipWord(at int) int {
	for at < len(t.src) && breakAt(t.src, at) == 0 && strings.IndexByte(" \t,]}", t.src[at]) < 0 {
		at++
	}
	return at
}

// lineEnd is the end of the line around at, before its line break.
func (t *text) lineEnd(at int) int {
	for at < len(t.src) && breakAt(t.src, at) == 0 {
		at++
	}
	return at
}

// lineStart is the start of the line around at.
func (t *text) lineStart(at int) int {
	lo, hi := 0, len(t.lines)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; t.lines[mid] <= at {
			lo = mid
		} else {
			hi = mid
		}
	}
	return t.lines[lo]
}

// eol is the line break that a line inserted at offset at should have: that of
// the line it follows, or of the line before at the end of the file.
func (t *text) eol(at int) string {
	end := t.lineEnd(at)
	if w := breakAt(t.src, end); w > 0 {
		return string(t.src[end : end+w])
	}
	if start := t.lineStart(at); bytes.HasSuffix(t.src[:start], []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// span is the source of the scalar or alias n without its anchor and tag. For a
// block scalar it is the line of text, if that is all the scalar has.
func (t *text) span(n *yaml.Node) (start, end int, ok bool) {
	start = t.content(n)
	switch {
	case n.Kind == yaml.AliasNode:
		return start, start + len("*") + len(n.Value), true
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		start = t.skipSpace(t.lineEnd(start), "")
		end = start + len(n.Value)
		return start, end, !strings.Contains(n.Value, "\n") && bytes.HasPrefix(t.src[start:], []byte(n.Value))
	case n.Style&yaml.SingleQuotedStyle != 0:
		return start, t.quoteEnd(start, '\''), true
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return start, t.quoteEnd(start, '"'), true
	}
	return start, t.plainEnd(start, n.Value), true
}

// quoteEnd is the end of the quoted scalar that starts at start. In single
// quotes a doubled quote stands for itself, which two scalars side by side give
// as well.
func (t *text) quoteEnd(start int, quote byte) int {
	for i := start + 1; i < len(t.src); i++ {
		switch {
		case t.src[i] == '\\' && quote == '"':
			i++
		case t.src[i] == quote && quote == '\'' && i+1 < len(t.src) && t.src[i+1] == quote:
			i++
		case t.src[i] == quote:
			return i + 1
		}
	}
	return len(t.src)
}

// plainEnd is the end of a plain scalar. Only its white space may differ from
// its value, where it goes on over several lines.
func (t *text) plainEnd(start int, value string) int {
	at := start
	for i := range len(value) {
		if value[i] == ' ' || value[i] == '\t' || value[i] == '\n' {
			continue
		}
		for at < len(t.src) && t.src[at] != value[i] {
			at++
		}
		at++
	}
	return min(at, len(t.src))
}
