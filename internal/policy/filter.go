package policy

import (
	"path"
	"regexp"
	"strings"
)

// filter is what allow-tags and ignore-tags say. The zero filter lets every
// tag pass.
type filter struct {
	allow  *pattern // nil: any
	ignore []pattern
}

// pattern is a glob, or a regular expression where re is set.
type pattern struct {
	text string // as written
	re   *regexp.Regexp
}

const (
	keyAllowTags  = "allow-tags"
	keyIgnoreTags = "ignore-tags"
)

func compileFilter(allow string, ignore []string) (filter, error) {
	var f filter
	var err error
	if f.allow, err = compileAllow(strings.TrimSpace(allow)); err != nil {
		return filter{}, err
	}
	for _, entry := range ignore {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		p, err := compileIgnore(entry)
		if err != nil {
			return filter{}, err
		}
		f.ignore = append(f.ignore, p)
	}
	return f, nil
}

func compileAllow(text string) (*pattern, error) {
	function, expression, hasArgument := strings.Cut(text, ":")
	switch strings.ToLower(function) {
	case "":
		if !hasArgument {
			return nil, nil
		}
	case "any":
		if !hasArgument {
			return nil, nil
		}
		return nil, &SpecError{Key: keyAllowTags, Value: text, Remedy: "any takes no argument"}
	case "regexp":
		re, err := compileRegexp(keyAllowTags, text, expression)
		return &pattern{text: text, re: re}, err
	}
	return nil, &SpecError{Key: keyAllowTags, Value: text,
		Remedy: "any or regexp:<expression> expected, such as regexp:^v[0-9.]+$"}
}

func compileIgnore(text string) (pattern, error) {
	function, expression, hasArgument := strings.Cut(text, ":")
	switch {
	case hasArgument && strings.EqualFold(function, "regexp"):
		if isTorn(expression) {
			return pattern{}, &SpecError{Key: keyIgnoreTags, Value: text,
				Remedy: "a comma ends an entry, so an expression here cannot hold one; write [0-9]{7,} as [0-9]{7}[0-9]*"}
		}
		re, err := compileRegexp(keyIgnoreTags, text, expression)
		return pattern{text: text, re: re}, err
	case hasArgument && isWord(function):
		// No tag has a colon: as a glob this would ignore nothing, unsaid.
		return pattern{}, &SpecError{Key: keyIgnoreTags, Value: text,
			Remedy: "a glob such as dev-* or regexp:<expression> expected"}
	}
	if _, err := path.Match(text, ""); err != nil {
		return pattern{}, &SpecError{Key: keyIgnoreTags, Value: text,
			Remedy: `the glob does not parse: close each [ with ], and end with no \`}
	}
	return pattern{text: text}, nil
}

func compileRegexp(key, text, expression string) (*regexp.Regexp, error) {
	if expression == "" {
		return nil, &SpecError{Key: key, Value: text, Remedy: "an expression is missing after the colon"}
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, &SpecError{Key: key, Value: text,
			Remedy: strings.TrimPrefix(err.Error(), "error parsing regexp: ") + " (the syntax is RE2: no look-around, no back-references)"}
	}
	return re, nil
}

// isTorn reports whether an expression ends in {n, as the first half of one
// with {n,m} does after a list was split at its commas. RE2 takes that for a
// literal brace, which no tag has, so that nothing would be ignored, unsaid.
// Other halves lack a bracket and do not compile.
func isTorn(expression string) bool {
	i := strings.LastIndexByte(expression, '{')
	return i >= 0 && isDigits(expression[i+1:])
}

func isWord(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz") == ""
}

// rule is the rule by which f drops a tag; "" is none.
func (f filter) rule(tag string) Rule {
	if f.allow != nil && !f.allow.matches(tag) {
		return RuleAllowTags
	}
	if f.ignoredBy(tag) != "" {
		return RuleIgnoreTags
	}
	return ""
}

// ignoredBy is the first entry of ignore-tags that matches a tag, "" if none
// does.
func (f filter) ignoredBy(tag string) string {
	for i := range f.ignore {
		if f.ignore[i].matches(tag) {
			return f.ignore[i].text
		}
	}
	return ""
}

func (p *pattern) matches(tag string) bool {
	if p.re != nil {
		return p.re.MatchString(tag)
	}
	ok, _ := path.Match(p.text, tag) // its syntax was checked
	return ok
}
