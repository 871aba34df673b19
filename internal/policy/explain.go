package policy

import (
	"fmt"
	"slices"
	"strings"

	"argocd-image-updater/internal/image"
)

// Explain lists the tags that were not chosen with the rule that dropped
// each: the outranked ones, the best first, then the others by name. While
// nothing is chosen nothing is outranked, and tags that no rule dropped are
// not in the list.
func (p Policy) Explain(in Input) []Rejection {
	decision := p.Choose(in)
	var winner candidate
	var outranked []candidate
	var dropped []Rejection
	for _, tag := range distinct(in.Tags) {
		c, rule := p.judge(tag, in.Known)
		switch {
		case rule != "":
			dropped = append(dropped, Rejection{Tag: tag, Rule: rule, Detail: p.detail(tag, rule, in.Known)})
		case decision.Verdict != Chosen:
		case tag == decision.Choice.Tag:
			winner = c
		default:
			outranked = append(outranked, c)
		}
	}
	slices.SortFunc(outranked, func(a, b candidate) int { return p.strategy.compare(b, a) })
	rejections := make([]Rejection, 0, len(outranked)+len(dropped))
	for _, c := range outranked {
		rejections = append(rejections, Rejection{Tag: c.tag, Rule: RuleOutranked, Detail: p.strategy.behind(c, winner)})
	}
	return append(rejections, dropped...)
}

// detail says of one tag why a rule drops it.
func (p Policy) detail(tag string, rule Rule, known map[string]Metadata) string {
	switch rule {
	case RuleIgnoreTags:
		return "matched by ignore-tags " + p.filter.ignoredBy(tag)
	case RulePlatform:
		if builds := known[tag].Builds; len(builds) > 0 {
			return p.phrase(rule, 1) + ", only for " + joinPlatforms(platformsOf(builds))
		}
	}
	return p.phrase(rule, 1)
}

// phrase says of n tags why a rule drops them, so that "12 " may stand before
// it.
func (p Policy) phrase(rule Rule, n int) string {
	switch rule {
	case RuleAllowTags:
		return "not matched by allow-tags " + p.filter.allow.text
	case RuleIgnoreTags:
		return "matched by ignore-tags"
	case RuleNotVersion:
		if n == 1 {
			return "not a version"
		}
		return "not versions"
	case RulePreRelease:
		remedy := "add -0 to the constraint to admit"
		if p.constraint == "" {
			remedy = "use the constraint *-0 to admit"
		}
		if n == 1 {
			return "pre-release (" + remedy + " it)"
		}
		return "pre-releases (" + remedy + " them)"
	case RuleConstraint:
		switch p.name {
		case nameDigest:
			return "other than " + p.constraint + ", the tag to follow"
		case "":
			return "without a policy"
		}
		return "outside the constraint " + p.constraint
	case RulePlatform:
		return "without an image for " + joinPlatforms(p.platforms)
	}
	return string(rule)
}

// nothing says why no tag is eligible, and what to do about it.
func (p Policy) nothing(tags []string, known map[string]Metadata, drops []Drop) string {
	if len(tags) == 0 {
		return "the repository has no tags"
	}
	if p.name == nameDigest {
		if !slices.Contains(tags, p.constraint) {
			return fmt.Sprintf("tag %s, which is to be followed, is not among the %s of the repository", p.constraint, plural(len(tags), "tag"))
		}
		_, rule := p.judge(p.constraint, known)
		return fmt.Sprintf("tag %s, which is to be followed, does not pass: %s", p.constraint, p.detail(p.constraint, rule, known))
	}
	if len(tags) == 1 {
		return fmt.Sprintf("the only tag, %s, does not pass: %s", tags[0], p.detail(tags[0], drops[0].Rule, known))
	}
	phrases := make([]string, len(drops))
	for i, d := range drops {
		phrases[i] = fmt.Sprintf("%d %s", d.Count, p.phrase(d.Rule, d.Count))
	}
	return fmt.Sprintf("none of %d tags passes: %s", len(tags), strings.Join(phrases, ", "))
}

func platformsOf(builds []Build) []image.Platform {
	platforms := make([]image.Platform, len(builds))
	for i, b := range builds {
		platforms[i] = b.Platform
	}
	return platforms
}

func joinPlatforms(platforms []image.Platform) string {
	names := make([]string, len(platforms))
	for i, platform := range platforms {
		names[i] = platform.String()
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
