// Package policy decides which tag of an image repository an image should
// have, and says why no other.
//
// A Spec is compiled once into a Policy; a Spec that does not compile is an
// error and never a wider policy. Choose is total and pure: the same tags and
// metadata in any order give the same Decision. What it cannot know from
// names alone it asks for, by name, in Decision.Want; the caller looks it up
// and calls again until nothing is wanted. So a strategy that needs one
// manifest costs one request and not one for each tag.
//
// The package reads no clock, no registry and no YAML, and does not know
// where an image is declared. The tag that is in use has no part in a choice;
// only Guard looks at it.
package policy

import (
	"strconv"
	"time"

	"argocd-image-updater/internal/image"
)

// Spec is what somebody asked for, in the words of the annotations.
type Spec struct {
	// Strategy is the name of a strategy or one of its old names, any case;
	// "" is semver.
	Strategy string
	// Constraint is a version range in the grammar of Masterminds/semver for
	// semver ("": any release, no pre-release), the tag to follow for digest,
	// and unused by the others.
	Constraint string
	// AllowTags is "any", "regexp:<RE2>" or "" (any). The expression is not
	// anchored; the word before the colon may be in any case.
	AllowTags string
	// IgnoreTags are globs as in path.Match, or regexp:<RE2>. Blank entries
	// are passed over.
	IgnoreTags []string
	// Platforms are os/arch[/variant]; a tag passes if it has an image for one
	// of them. Blank entries are passed over. Empty: DefaultPlatform for
	// newest-build, not looked at for the others.
	Platforms []string
	// DefaultPlatform is the platform that newest-build looks for when
	// Platforms is empty. It does not narrow digest: the digest of a tag is
	// that of its index, whatever the index holds, and one HEAD tells it;
	// looking for a platform inside would cost more requests for the same
	// answer.
	DefaultPlatform image.Platform
}

// SpecError says which key of a Spec holds which wrong value, and what would
// be right.
type SpecError struct {
	Key    string // as in the annotations: "update-strategy", "allow-tags"
	Value  string
	Remedy string
}

func (e *SpecError) Error() string {
	return e.Key + " " + strconv.Quote(e.Value) + ": " + e.Remedy
}

// Metadata is what the registry says of one tag beyond its name. The zero
// Metadata is a tag about which nothing could be told but that it exists; a
// decision that depends on it is Undecided.
type Metadata struct {
	// Digest is the digest of the manifest or index that the tag points to;
	// known at every depth.
	Digest image.Digest
	// Builds are the images behind the tag, one for each platform; at least
	// those for the platforms that Policy.Platforms names.
	// Attestations and other artifacts without a platform are not among them.
	// Nil where only the digest was asked for; not nil, if empty, where builds
	// were asked for and there are none.
	Builds []Build
	// Labels are the OCI labels of the image; nil where the configuration was
	// not read.
	Labels map[string]string
	// Gone is set if the tag was listed and its manifest does not exist.
	Gone bool
}

// Build is the image for one platform.
type Build struct {
	Platform image.Platform
	// Created is the configuration's created field; zero if absent, which
	// counts as the epoch: the date that reproducible builds write.
	Created time.Time
}

// Depth is how far the registry has to be asked about a tag.
type Depth uint8

// The depths, each including the ones before.
const (
	DepthName   Depth = iota // the name alone
	DepthDigest              // the manifest's digest: one HEAD
	DepthBuilds              // manifests and configurations: Builds and Labels
)

// Input is all that Choose looks at.
type Input struct {
	// Tags is the complete list of the repository's tags, in any order; a tag
	// that is there twice counts once. A list in ascending order is looked at
	// in place, any other is sorted in a copy.
	Tags []string
	// Known is the metadata that has been looked up, by tag. It may hold more
	// than was wanted.
	Known map[string]Metadata
}

// Verdict is the kind of a Decision.
type Verdict uint8

// The verdicts.
const (
	// Wanting: metadata of the tags in Want, to the depth Depth, is needed
	// before anything can be said.
	Wanting Verdict = iota
	// Chosen: Choice is what the image should be.
	Chosen
	// NothingEligible: every tag was dropped by some rule.
	NothingEligible
	// Undecided: the answer was complete but is not to be believed yet; Reason
	// says why.
	Undecided
	// Held: there is a choice and something forbids to take it; Reason says
	// what.
	Held
)

// Decision is what an image should be, and why. It is comparable by value in
// tests and small enough to be kept for a whole fleet: of the rejected tags it
// holds counts; Explain makes the full list.
type Decision struct {
	Verdict  Verdict
	Choice   Choice
	Reason   string   // for a person, with the remedy; set unless Verdict is Chosen
	Want     []string // sorted; set if Verdict is Wanting
	Depth    Depth    // how much of each wanted tag
	Total    int      // tags that were looked at
	Eligible int      // tags that no rule dropped, as far as metadata is known
	Dropped  []Drop   // in the order in which the rules apply, without zeros
}

// Choice is the chosen version. Digest is set if the strategy pins it.
type Choice struct {
	Tag     string
	Digest  image.Digest
	Created time.Time         // zero unless the strategy looked at it
	Labels  map[string]string // nil unless metadata was read
}

// Drop counts the tags that one rule dropped.
type Drop struct {
	Rule  Rule
	Count int
}

// Rejection is one tag that was not chosen and the rule that dropped it.
type Rejection struct {
	Tag    string
	Rule   Rule
	Detail string // "not matched by allow-tags regexp:^v", "older than 1.3.0"
}

// Rule names what dropped a tag, in the words of the annotations where there
// is one.
type Rule string

// The rules, in the order in which they apply.
const (
	RuleAllowTags  Rule = "allow-tags"
	RuleIgnoreTags Rule = "ignore-tags"
	RuleNotVersion Rule = "not-a-version"
	RulePreRelease Rule = "pre-release"
	RuleConstraint Rule = "constraint"
	RulePlatform   Rule = "platforms"
	RuleOutranked  Rule = "outranked" // eligible, and another one is better
)
