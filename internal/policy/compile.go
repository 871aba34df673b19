package policy

import (
	"fmt"
	"slices"
	"strings"

	"argocd-image-updater/internal/image"
)

// Policy is a compiled Spec. It is immutable and safe for use by many
// goroutines. The zero Policy admits nothing.
type Policy struct {
	strategy   strategy
	name       string // canonical
	deprecated bool   // name was given by an old name
	constraint string // as written, trimmed
	needs      needs
	filter     filter
	platforms  []image.Platform
}

// strategy orders the tags that pass the filters. One that orders versions
// has the method below as well; see versioned.
type strategy interface {
	// admit judges a tag by its name; "" is no objection. The version is for
	// compare, where the strategy has one.
	admit(tag string) (version, Rule)
	// compare is above zero if a is better than b. It is zero only for a tag
	// and itself.
	compare(a, b candidate) int
	// behind says why loser is not the best.
	behind(loser, winner candidate) string
}

// versioned is a strategy whose tags are versions, so that a choice can be a
// downgrade.
type versioned interface {
	// below reports whether both tags are versions and chosen is the lower one.
	below(chosen, declared string) bool
}

// needs is what a strategy has to know of tags beyond their names.
type needs struct {
	depth Depth
	all   bool // of each tag that its name admits; else of the best alone
	pin   bool // the digest is part of the choice
}

// The strategies, in the words of the annotations.
const (
	nameSemver       = "semver"
	nameNewestBuild  = "newest-build"
	nameAlphabetical = "alphabetical"
	nameDigest       = "digest"
)

// Compile checks s and makes a Policy of it. The error is a *SpecError.
func Compile(s Spec) (Policy, error) {
	p := Policy{constraint: strings.TrimSpace(s.Constraint)}
	err := p.compileStrategy(s.Strategy)
	if err != nil {
		return Policy{}, err
	}
	if p.filter, err = compileFilter(s.AllowTags, s.IgnoreTags); err != nil {
		return Policy{}, err
	}
	if err := p.compilePlatforms(s); err != nil {
		return Policy{}, err
	}
	return p, nil
}

func (p *Policy) compileStrategy(text string) (err error) {
	if p.name, p.deprecated, err = parseStrategy(text); err != nil {
		return err
	}
	switch p.name {
	case nameSemver:
		p.strategy, err = compileSemver(p.constraint)
	case nameNewestBuild:
		p.strategy, p.needs = newestBuild{}, needs{depth: DepthBuilds, all: true}
	case nameAlphabetical:
		p.strategy = alphabetical{}
	case nameDigest:
		p.needs = needs{depth: DepthDigest, pin: true}
		p.strategy, err = compileDigest(p.constraint)
	}
	return err
}

// compilePlatforms sets what is looked for, and that builds are to be read
// where something is.
func (p *Policy) compilePlatforms(s Spec) (err error) {
	p.platforms, err = parsePlatforms(s.Platforms)
	switch {
	case err != nil:
		return err
	case len(p.platforms) > 0:
		p.needs.depth = DepthBuilds
	case p.needs.depth < DepthBuilds:
	case s.DefaultPlatform == image.Platform{}:
		return &SpecError{Key: string(RulePlatform), Remedy: p.name + " needs a platform, such as linux/amd64"}
	default:
		p.platforms = []image.Platform{s.DefaultPlatform}
	}
	return nil
}

func parsePlatforms(texts []string) ([]image.Platform, error) {
	var platforms []image.Platform
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		platform, err := image.ParsePlatform(text)
		if err != nil {
			return nil, &SpecError{Key: string(RulePlatform), Value: text,
				Remedy: "os/arch or os/arch/variant expected, such as linux/amd64 or linux/arm/v7"}
		}
		platforms = append(platforms, platform)
	}
	return platforms, nil
}

// parseStrategy gives the canonical name of a strategy.
func parseStrategy(text string) (name string, deprecated bool, err error) {
	switch name := strings.ToLower(strings.TrimSpace(text)); name {
	case "":
		return nameSemver, false, nil
	case nameSemver, nameNewestBuild, nameAlphabetical, nameDigest:
		return name, false, nil
	case "latest":
		return nameNewestBuild, true, nil
	case "name":
		return nameAlphabetical, true, nil
	}
	remedy := fmt.Sprintf("%s, %s, %s or %s expected", nameSemver, nameNewestBuild, nameAlphabetical, nameDigest)
	if near := meantStrategy(strings.ToLower(strings.TrimSpace(text))); near != "" {
		remedy = fmt.Sprintf("did you mean %s? %s", near, remedy)
	}
	return "", false, &SpecError{Key: "update-strategy", Value: text, Remedy: remedy}
}

// Strategy is the canonical name: "semver", "newest-build", "alphabetical" or
// "digest".
func (p Policy) Strategy() string { return p.name }

// Deprecated is the new name of the strategy if Spec used an old one, else "".
func (p Policy) Deprecated() string {
	if p.deprecated {
		return p.name
	}
	return ""
}

// Platforms are those that builds have to be known for wherever DepthBuilds is
// wanted; nil if it never is. Builds for others may be left out of Metadata.
func (p Policy) Platforms() []image.Platform { return slices.Clone(p.platforms) }

// Admits reports whether a tag passes filters and constraint, by its name.
func (p Policy) Admits(tag string) bool {
	_, rule := p.judgeName(tag)
	return rule == ""
}

// Guard reports whether writing the tag chosen over the tag declared would be
// a downgrade, with the reason for a person. Only strategies that order
// versions hold; a declared tag that is no version does not.
func (p Policy) Guard(declared, chosen string) (reason string, held bool) {
	v, ok := p.strategy.(versioned)
	if !ok || !v.below(chosen, declared) {
		return "", false
	}
	return fmt.Sprintf("%s is below the declared %s; to let it be written, set allow-downgrade to true", chosen, declared), true
}
