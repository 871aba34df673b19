package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// version is a loose semantic version: a leading v, missing segments and
// leading zeros are let pass. It is what semver.NewVersion makes of the same
// text, which a fuzz test holds it to, without that function's regular
// expression and its allocations: repositories have 100,000 tags.
type version struct {
	core [3]uint64 // major, minor, patch
	pre  string    // without its hyphen
}

// parseVersion accepts what semver.NewVersion accepts. Build metadata is
// checked and forgotten: it has no part in any order.
func parseVersion(s string) (v version, ok bool) {
	if len(s) > semver.MaxVersionLen {
		return version{}, false
	}
	rest, build, hasBuild := strings.Cut(strings.TrimPrefix(s, "v"), "+")
	if hasBuild && !identifiers(build) {
		return version{}, false
	}
	core, pre, hasPre := strings.Cut(rest, "-")
	if hasPre && (!identifiers(pre) || zeroLed(pre)) {
		return version{}, false
	}
	v.pre = pre
	for i := range v.core {
		segment, next, more := strings.Cut(core, ".")
		if v.core[i], ok = parseNumber(segment); !ok {
			return version{}, false
		}
		if !more {
			return v, true
		}
		core = next
	}
	return version{}, false // a fourth segment
}

// identifiers reports whether s is a dotted list of the identifiers that the
// semantic versioning specification allows in build metadata (item 10).
func identifiers(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" {
			return false
		}
		for i := range len(part) {
			if !isIdentifierByte(part[i]) {
				return false
			}
		}
	}
	return true
}

func isIdentifierByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-'
}

// zeroLed reports whether a dotted list has a number with a leading zero,
// which pre-releases may not have (item 9).
func zeroLed(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if len(part) > 1 && part[0] == '0' && isDigits(part) {
			return true
		}
	}
	return false
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// parseNumber is strconv.ParseUint for decimal digits without the error that
// it would allocate for each of a hundred thousand names.
func parseNumber(s string) (n uint64, ok bool) {
	const limit = 1<<64 - 1
	for i := range len(s) {
		digit := uint64(s[i] - '0')
		if s[i] < '0' || digit > 9 || n > (limit-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	return n, s != ""
}

// compare orders by precedence (semantic versioning, item 11) as
// semver.Version.Compare does.
func (v version) compare(o version) int {
	if c := v.compareCore(o, len(v.core)); c != 0 {
		return c
	}
	return comparePre(v.pre, o.pre)
}

// compareCore compares the first n segments.
func (v version) compareCore(o version, n int) int {
	return slices.Compare(v.core[:n], o.core[:n])
}

func comparePre(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "": // a release is above its pre-releases
		return 1
	case b == "":
		return -1
	}
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := compareIdentifier(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// compareIdentifier orders nothing below numbers below words. A number beyond
// 64 bits counts as a word, as it does for semver.Version.Compare.
func compareIdentifier(a, b string) int {
	if a == "" || b == "" {
		return strings.Compare(a, b)
	}
	m, aIsNumber := parseNumber(a)
	n, bIsNumber := parseNumber(b)
	switch {
	case aIsNumber && bIsNumber:
		return cmp.Compare(m, n)
	case aIsNumber:
		return -1
	case bIsNumber:
		return 1
	}
	return strings.Compare(a, b)
}
