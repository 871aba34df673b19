package policy

import (
	"strings"

	"github.com/Masterminds/semver/v3"
)

// constraint is a version range. The grammar is that of semver.NewConstraint,
// which reads it; the answer is that of its Check, which a fuzz test holds it
// to. Check itself is not called, because it formats an error for each version
// that it refuses, and it does not tell a pre-release inside the range from a
// version outside.
type constraint struct {
	groups []group // any of them
}

// group is what stands between two ||.
type group struct {
	terms []term // all of them
	// pre is set if a term names a pre-release, which admits those of versions
	// in the range.
	pre bool
}

// term is one comparison with a version.
type term struct {
	con version
	// floor asks for versions not below con, besides what follows.
	floor bool
	precision
	// accept are the outcomes of comparing with con, to the precision, that
	// admit a version.
	accept sign
}

// precision is how much of a version a term compares.
type precision struct {
	segments int // from the left
	pre      bool
}

type sign uint8

const (
	below sign = 1 << iota
	equal
	above
)

// parseConstraint accepts what semver.NewConstraint accepts; ok is false for
// anything else.
func parseConstraint(text string) (c constraint, ok bool) {
	parsed, err := semver.NewConstraint(text)
	if err != nil {
		return constraint{}, false
	}
	// String writes ranges such as "1 - 2" and commas in the one form
	// "op version op version || …".
	for alternative := range strings.SplitSeq(parsed.String(), " || ") {
		var g group
		for part := range strings.FieldsSeq(alternative) {
			t, ok := parseTerm(part)
			if !ok {
				return constraint{}, false
			}
			g.terms = append(g.terms, t)
			g.pre = g.pre || t.con.pre != ""
		}
		c.groups = append(c.groups, g)
	}
	return c, true
}

// parseTerm parses an operator and a version, of which segments may be
// missing or x, X or *.
func parseTerm(s string) (t term, ok bool) {
	text := strings.TrimLeft(s, "=!<>~^")
	op := s[:len(s)-len(text)]
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "v"), "+")
	core, pre, hasPre := strings.Cut(text, "-")
	given := strings.SplitN(core, ".", 3)
	for i, segment := range given {
		if segment == "x" || segment == "X" || segment == "*" {
			given = given[:i]
			break
		}
	}
	text = "0"
	if len(given) > 0 {
		text = strings.Join(given, ".")
	}
	if hasPre {
		text += "-" + pre
	}
	con, ok := parseVersion(text)
	if !ok {
		return term{}, false
	}
	return newTerm(op, con, len(given)), true
}

// newTerm gives an operator its meaning, which depends on how many segments
// of the version were given: none for *, two for 1.2 or 1.2.x.
func newTerm(op string, con version, given int) term {
	var (
		major  = precision{segments: 1}
		minor  = precision{segments: 2}
		series = precision{segments: 2, pre: true}
		full   = precision{segments: 3, pre: true}
	)
	switch op {
	case "<":
		return term{con: con, precision: full, accept: below}
	case "<=", "=<":
		return term{con: con, precision: [...]precision{minor, major, minor, full}[given], accept: below | equal}
	case ">":
		return term{con: con, precision: [...]precision{full, major, minor, full}[given], accept: above}
	case ">=", "=>":
		return term{con: con, precision: full, accept: equal | above}
	case "!=":
		return term{con: con, precision: [...]precision{full, major, series, full}[given], accept: below | above}
	case "^":
		return term{con: con, floor: true, precision: precision{segments: caret(con, given)}, accept: equal}
	case "~", "~>":
		return term{con: con, floor: true, precision: precision{segments: tilde(con, given)}, accept: equal}
	}
	if given == len(con.core) {
		return term{con: con, precision: full, accept: equal}
	}
	return term{con: con, floor: true, precision: precision{segments: given}, accept: equal}
}

// caret is how many segments ^ keeps: through the first that is not zero.
func caret(con version, given int) int {
	switch {
	case con.core[0] > 0 || given == 1:
		return 1
	case con.core[1] > 0 || given == 2:
		return 2
	}
	return 3
}

// tilde is how many segments ~ keeps: major and minor, as far as given. ~0.0.0
// keeps none.
func tilde(con version, given int) int {
	if given == 3 && con.core == [3]uint64{} {
		return 0
	}
	return min(given, 2)
}

// rule is the rule by which c drops v; "" is none.
func (c constraint) rule(v version) Rule {
	inside := false
	for _, g := range c.groups {
		if !g.admits(v) {
			continue
		}
		if v.pre == "" || g.pre {
			return ""
		}
		inside = true
	}
	if inside {
		return RulePreRelease
	}
	return RuleConstraint
}

// admits reports whether v is in the range, pre-release or not.
func (g group) admits(v version) bool {
	for _, t := range g.terms {
		if !t.admits(v) {
			return false
		}
	}
	return true
}

func (t term) admits(v version) bool {
	if t.floor && v.compare(t.con) < 0 {
		return false
	}
	c := v.compareCore(t.con, t.segments)
	if c == 0 && t.pre {
		c = comparePre(v.pre, t.con.pre)
	}
	switch {
	case c < 0:
		return t.accept&below != 0
	case c > 0:
		return t.accept&above != 0
	}
	return t.accept&equal != 0
}
