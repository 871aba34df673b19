package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
)

// tagSeeds are names as they stand in registries, and the borders of the
// grammar.
var tagSeeds = append(strings.Fields(`
	1 1.2 v1.2 01.2.3 1.2.3 2024.01.15 20240115 1234567 1.26-alpine 2024-01-15 1.2.3+b5 1.2.3-rc.1+b5 1.2.3+a-b
	V1.2.3 1.2.3.4 1.2.3-01 1.2.3-0 1.2.3-0a 1.2.3_4 release-1.2.3 latest 1e3 vv1 v 1. .1 1..2 1-- 1.2.3- 1.2.3+ 1.2.3-+b
	18446744073709551615 18446744073709551616 0.0.00000000000000000000000000001 1.2.3-18446744073709551616 1.2.3-2
	1.2.3-a.1 1.2.3-a.10 1.2.3-a.b 1.2.3-a 1.2.3-a..b 1.2.3-a. 1.2.3-.a 1.2.3-a+b+c x * 1.x 1.2.3é 0 0.0 0.0.0 0.0.3 0.1 0.2.0
	0.0.0-0 1.2.0-beta 1.2.5-beta 1.3.0-0 2.0.0-rc1 1.26.1-alpine 1.26.1-debian 11 11.1 11.1.1 12`),
	"1.2.3-"+strings.Repeat("a", 250), "1.2.3-"+strings.Repeat("a", 251), "", "1 ", "1\n")

// constraintSeeds use every operator with every number of segments.
func constraintSeeds() []string {
	seeds := []string{"1.2 - 1.4", ">=1.0 <2.0", ">=1.0, <2.0", "1.2.x || 2.0.x", "1.2 - 1.4 || >3", "1.x.3", "1.2.3+b5", ">= 1.2.3 , != 1.2.5",
		"1.26.x-alpine", ">=1.0-0 !=1.2.x", ">=1.0-0 !=1.2.x-beta", "v1.x", "01.2.3", "", "latest", "1.x ||", "1.0<2", "1.2.3-01", "x.1.2", "1.2.3.4"}
	for _, op := range []string{"", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^"} {
		for _, v := range []string{"*", "X", "*-0", "1", "1.x", "0", "0.x-0", "1.2", "1.2.*", "0.0", "0.1", "0.1.x-0", "1.2.3", "v1.2.3-beta.2", "0.0.0", "0.0.0-0", "0.0.3", "0.2.0", "1.2.0-0"} {
			seeds = append(seeds, op+v, op+" "+v)
		}
	}
	return seeds
}

// sameVersion fails unless both parsers agree on s.
func sameVersion(t *testing.T, s string) (version, *semver.Version) {
	t.Helper()
	got, ok := parseVersion(s)
	want, err := semver.NewVersion(s)
	if ok != (err == nil) {
		t.Fatalf("parseVersion(%q) accepts: %v; semver.NewVersion: %v", s, ok, err)
	}
	if !ok {
		return got, nil
	}
	if got.core != [3]uint64{want.Major(), want.Minor(), want.Patch()} || got.pre != want.Prerelease() {
		t.Fatalf("parseVersion(%q) = %v, want %v", s, got, want)
	}
	return got, want
}

func sameOrder(t *testing.T, a, b string) {
	t.Helper()
	x, wantX := sameVersion(t, a)
	y, wantY := sameVersion(t, b)
	if wantX == nil || wantY == nil {
		return
	}
	if got, want := x.compare(y), wantX.Compare(wantY); got != want {
		t.Fatalf("compare(%q, %q) = %d, want %d", a, b, got, want)
	}
}

// sameRules fails unless constraint and tags give what semver's Check gives,
// with and without pre-releases.
func sameRules(t *testing.T, text string, tags ...string) {
	t.Helper()
	got, ok := parseConstraint(text)
	want, err := semver.NewConstraint(text)
	if ok != (err == nil) {
		t.Fatalf("parseConstraint(%q) accepts: %v; semver.NewConstraint: %v", text, ok, err)
	}
	if !ok {
		return
	}
	loose := *want
	loose.IncludePrerelease = true
	for _, tag := range tags {
		v, wantV := sameVersion(t, tag)
		if wantV == nil {
			continue
		}
		rule := got.rule(v)
		if (rule == "") != want.Check(wantV) {
			t.Fatalf("constraint %q drops %q by %q, but semver's Check says %v", text, tag, rule, want.Check(wantV))
		}
		if (rule != RuleConstraint) != loose.Check(wantV) {
			t.Fatalf("constraint %q drops %q by %q, but with pre-releases semver's Check says %v", text, tag, rule, loose.Check(wantV))
		}
	}
}

func TestOrderIsThatOfSemver(t *testing.T) {
	for _, a := range tagSeeds {
		for _, b := range tagSeeds {
			sameOrder(t, a, b)
		}
	}
}

func TestConstraintsAreThoseOfSemver(t *testing.T) {
	for _, text := range constraintSeeds() {
		sameRules(t, text, tagSeeds...)
	}
}

// Random constraints of up to three comparisons against random versions from
// a small range, so that they meet.
func TestRandomConstraintsAreThoseOfSemver(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	number := func() string { return pick("0", "0", "1", "2", "3", "10", "x", "*") }
	pre := func() string { return pick("", "", "", "-0", "-1", "-a", "-a.1", "-a.b", "-10", "+m") }
	operand := func() string {
		text := pick("", "v") + number()
		for range rnd.IntN(3) {
			text += "." + number()
		}
		return text + pre()
	}
	for range 3_000 {
		text := ""
		for i := range 1 + rnd.IntN(3) {
			if i > 0 {
				text += pick(" ", ", ", " || ")
			}
			text += pick("", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^") + operand()
		}
		tags := make([]string, 20)
		for i := range tags {
			tags[i] = fmt.Sprintf("%d.%d.%d%s", rnd.IntN(4), rnd.IntN(4), rnd.IntN(4), pre())
		}
		sameRules(t, text, tags...)
	}
}

func FuzzVersion(f *testing.F) {
	for i, s := range tagSeeds {
		f.Add(s, tagSeeds[(i*7)%len(tagSeeds)])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		sameOrder(t, a, b)
	})
}

func FuzzConstraint(f *testing.F) {
	for i, text := range constraintSeeds() {
		f.Add(text, tagSeeds[(i*7)%len(tagSeeds)])
	}
	f.Fuzz(func(t *testing.T, text, tag string) {
		sameRules(t, text, tag)
	})
}
