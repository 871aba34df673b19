package edit

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// prove parses the result and compares it with the tree that was intended.
func (d *draft) prove(out []byte) error {
	got, err := parse(out)
	if err != nil {
		return unproven(0)
	}
	if len(got.docs) != len(d.docs) {
		return unproven(0)
	}
	for i, doc := range d.docs {
		if line, ok := d.same(doc, got.docs[i]); !ok {
			return unproven(line)
		}
	}
	return nil
}

// unproven refuses an edit whose result does not say what it should.
func unproven(line int) *RefusedError {
	e := &RefusedError{
		Reason: "would not say afterwards what it should",
		Remedy: "change the image by hand once, or write this part of the file in a plainer way",
	}
	if line > 0 {
		e.Reason = "would not say afterwards, at line " + strconv.Itoa(line) + ", what it should"
	}
	return e
}

// same reports whether the intended node reads as got, and the line where it
// does not. Equal anchors and aliases at equal places bind alike.
func (d *draft) same(want, got *yaml.Node) (line int, ok bool) {
	content := want.Content
	if len(d.gone) > 0 && want.Kind == yaml.MappingNode {
		content = d.remaining(want)
	}
	if want.Kind != got.Kind || want.Tag != got.Tag || want.Value != got.Value ||
		want.Anchor != got.Anchor || len(content) != len(got.Content) {
		return got.Line, false
	}
	for i, child := range content {
		if line, ok := d.same(child, got.Content[i]); !ok {
			return line, false
		}
	}
	return 0, true
}

// remaining is the content of the mapping m without the keys that go.
func (d *draft) remaining(m *yaml.Node) []*yaml.Node {
	var content []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		if !d.gone[m.Content[i]] {
			content = append(content, m.Content[i], m.Content[i+1])
		}
	}
	return content
}

// Error says what cannot be edited, why, and what to do about it.
func (e *RefusedError) Error() string {
	var b strings.Builder
	if e.Track != "" {
		b.WriteString(e.Track + ": ")
	}
	switch {
	case e.Key != "":
		b.WriteString(e.Key)
	case e.Track == "":
		b.WriteString("file")
	default:
		b.WriteString("edit")
	}
	if e.Line > 0 {
		b.WriteString(" (line " + strconv.Itoa(e.Line) + ")")
	}
	b.WriteString(" " + e.Reason)
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}
