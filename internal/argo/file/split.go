package file

import "bytes"

// document is one document of a YAML file.
type document struct {
	text []byte
	line int // 1-based line of its first byte
}

// split takes a YAML file apart at its document markers, which YAML allows
// nowhere else at the beginning of a line. Documents of blank lines, comments
// and directives alone are left out.
func split(text []byte) []document {
	var docs []document
	start, end := 0, 0
	first, line := 1, 0
	flush := func() {
		if doc := text[start:end]; !isBlank(doc) {
			docs = append(docs, document{text: doc, line: first})
		}
	}
	for row := range bytes.Lines(text) {
		line++
		if isMarker(row) {
			flush()
			start, first = end, line
		}
		end += len(row)
	}
	flush()
	return docs
}

func isMarker(row []byte) bool {
	rest, ok := bytes.CutPrefix(row, []byte("---"))
	return ok && (len(rest) == 0 || bytes.ContainsRune([]byte(" \t\r\n"), rune(rest[0])))
}

func isBlank(text []byte) bool {
	for row := range bytes.Lines(text) {
		if isMarker(row) {
			row = row[len("---"):]
		}
		row = bytes.TrimSpace(row)
		if len(row) > 0 && row[0] != '#' && row[0] != '%' {
			return false
		}
	}
	return true
}
