package policy

import (
	"cmp"
	"strings"
)

// semantic takes the highest version of a range.
//
// Versions are ordered by precedence. Tags of equal precedence (1.0, 1.0.0,
// v1.0.0) are ordered as strings, so that one of them wins whatever the order
// of the list; which one changes only when a greater twin appears.
type semantic struct{ constraint constraint }

func compileSemver(text string) (semantic, error) {
	if text == "" {
		text = "*"
	}
	c, ok := parseConstraint(text)
	if !ok {
		return semantic{}, &SpecError{Key: string(RuleConstraint), Value: text,
			Remedy: "a version range expected, such as ^1.2, ~1.2.3 or >=1.0 <2.0; to follow one tag by its name, use update-strategy digest"}
	}
	return semantic{constraint: c}, nil
}

func (s semantic) admit(tag string) (version, Rule) {
	v, ok := parseVersion(tag)
	if !ok {
		return version{}, RuleNotVersion
	}
	return v, s.constraint.rule(v)
}

func (semantic) compare(a, b candidate) int {
	return cmp.Or(a.version.compare(b.version), strings.Compare(a.tag, b.tag))
}

func (semantic) behind(loser, winner candidate) string {
	if loser.version.compare(winner.version) == 0 {
		return "the same version as " + winner.tag + ", which sorts after it"
	}
	return "lower than " + winner.tag
}

func (semantic) below(chosen, declared string) bool {
	c, chosenOK := parseVersion(chosen)
	d, declaredOK := parseVersion(declared)
	return chosenOK && declaredOK && c.compare(d) < 0
}
