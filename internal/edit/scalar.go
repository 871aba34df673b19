package edit

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var (
	// plainPattern is the part of the plain scalars that needs no thought about
	// indicators: no blanks, nothing that opens or ends anything in block or
	// flow context.
	plainPattern = regexp.MustCompile(`^[A-Za-z0-9_/](?:[A-Za-z0-9._/@=+-]|:[A-Za-z0-9._/])*$`)

	// numberPattern covers the numbers and dates of YAML 1.1 (types int,
	// float, timestamp; with base 60) and of YAML 1.2 (core schema), and a
	// little more: quotes too many do no harm.
	numberPattern = regexp.MustCompile(`^(?:` +
		`[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9_]*)?` +
		`|0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+` +
		`|[0-9][0-9_]*(?::[0-9]{1,2})+(?:\.[0-9_]*)?` +
		`|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt].*)?` +
		`)$`)

	// wordPattern covers the booleans and nulls of both.
	wordPattern = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null)$`)
)

// plainString reports whether s, written without quotes, is the string s to
// readers of YAML 1.1 and 1.2 alike.
func plainString(s string) bool {
	return plainPattern.MatchString(s) && !numberPattern.MatchString(s) && !wordPattern.MatchString(s)
}

// scalarSource writes the new value of a scalar in the style of the old one as
// far as that can hold it.
func scalarSource(value string, old *yaml.Node) string {
	tagged := old.Style&yaml.TaggedStyle != 0
	switch {
	case old.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return value
	case old.Style&yaml.SingleQuotedStyle != 0 && printable(value):
		return "'" + strings.ReplaceAll(value, "'", "''") + "'"
	case old.Style&yaml.DoubleQuotedStyle != 0:
		return doubleQuoted(value)
	case plainString(value), tagged && plainPattern.MatchString(value):
		return value
	}
	return doubleQuoted(value)
}

// printable reports whether s can stand on one line as it is.
func printable(s string) bool {
	for _, r := range s {
		if r < ' ' || r >= 0x7F && r < 0xA0 || r == 0x2028 || r == 0x2029 || r == 0xFEFF || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// doubleQuoted writes s in double quotes with the escapes of YAML (1.2.2, 5.7).
func doubleQuoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case printable(string(r)):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
