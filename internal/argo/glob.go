package argo

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"
)

// errGlob is about the only thing that can be wrong with a glob.
var errGlob = errors.New("no glob: between [ and ] characters or one range are expected, as in [abc] or [a-z]")

// compileGlob compiles a glob of github.com/gobwas/glob, which is what Argo CD
// matches with: ? is one character and * any number of them, both without the
// separator where there is one; ** is any number of all; {a,b} is one of
// several globs, [abc], [a-z] and [!a] are one character; a backslash takes the
// meaning from what follows. The whole text has to match.
func compileGlob(glob, separator string) (*regexp.Regexp, error) {
	one := "."
	if separator != "" {
		one = "[^" + regexp.QuoteMeta(separator) + "]"
	}
	var b strings.Builder
	depth := 0
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString(one + "*")
		case c == '?':
			b.WriteString(one)
		case c == '{', depth > 0 && (c == ',' || c == '}'):
			depth += map[byte]int{'{': 1, '}': -1}[c]
			b.WriteString(map[byte]string{'{': `(?:`, ',': `|`, '}': `)`}[c])
		case c == '[':
			class, length := classExpression(glob[i+1:])
			b.WriteString(class)
			i += length
		case c == '\\':
			i++ // one at the end is left out
			b.WriteString(regexp.QuoteMeta(glob[i:min(i+1, len(glob))]))
		default:
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	// The end of a glob closes the groups that are open.
	re, err := regexp.Compile(`(?s)\A` + b.String() + strings.Repeat(")", depth) + `\z`)
	if err != nil {
		return nil, errGlob
	}
	return re, nil
}

// classExpression writes what follows a [ as a class, and says how many bytes
// of it were read. A class is one range or a list of characters, after a !
// all others. One that stays open does not compile.
func classExpression(s string) (class string, length int) {
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return "[", len(s)
	}
	body, not := strings.CutPrefix(s[:end], "!")
	open := "["
	if not {
		open = "[^"
	}
	if low, high, isRange := strings.Cut(body, "-"); isRange && utf8.RuneCountInString(low) == 1 && utf8.RuneCountInString(high) == 1 {
		return open + regexp.QuoteMeta(low) + "-" + regexp.QuoteMeta(high) + "]", end + 1
	}
	quoted := strings.ReplaceAll(regexp.QuoteMeta(body), "-", `\-`)
	return open + quoted + "]", end + 1
}
