package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// candidate is a tag that its name admits.
type candidate struct {
	tag     string
	version version   // of strategies that order versions
	created time.Time // where builds are known; zero if they are undated
	state   state
}

// state tells whether what has to be known of a tag is known.
type state uint8

const (
	settled state = iota // all there is to know
	unasked              // not looked up yet, or not deep enough
	silent               // looked up, and nothing could be told
	gone                 // looked up, and the manifest does not exist
)

// Choose says what the image should be.
func (p Policy) Choose(in Input) Decision {
	tags := distinct(in.Tags)
	d := Decision{Total: len(tags)}
	counts := newTally()
	var best candidate
	for _, tag := range tags {
		c, rule := p.judge(tag, in.Known)
		if rule != "" {
			counts.add(rule)
			continue
		}
		d.Eligible++
		if d.Eligible == 1 || p.strategy.compare(c, best) > 0 {
			best = c
		}
	}
	d.Dropped = counts.drops()
	switch {
	case d.Eligible == 0:
		d.Verdict = NothingEligible
		d.Reason = p.nothing(tags, in.Known, d.Dropped)
	case best.state == unasked:
		d.Verdict, d.Depth = Wanting, p.needs.depth
		d.Want = p.want(best, tags, in.Known)
		d.Reason = fmt.Sprintf("the registry has to be asked about %s", plural(len(d.Want), "tag"))
	case best.state == silent:
		d.Verdict = Undecided
		d.Reason = fmt.Sprintf("the registry tells nothing about tag %s; look at its manifest, or exclude the tag with ignore-tags", best.tag)
	case best.state == gone:
		d.Verdict = Undecided
		d.Reason = fmt.Sprintf("tag %s is listed and its manifest does not exist; delete the tag from the registry, or exclude it with ignore-tags", best.tag)
	default:
		d.Verdict = Chosen
		d.Choice = p.choice(best, in.Known)
	}
	return d
}

// judge says which rule drops a tag, or what is known of it.
func (p Policy) judge(tag string, known map[string]Metadata) (candidate, Rule) {
	v, rule := p.judgeName(tag)
	c := candidate{tag: tag, version: v}
	if rule != "" || p.needs.depth == DepthName {
		return c, rule
	}
	m, asked := known[tag]
	switch {
	case !asked:
		c.state = unasked
	case m.Gone:
		c.state = gone
	case m.Digest == "":
		c.state = silent
	case p.needs.depth == DepthDigest:
	case m.Builds == nil:
		c.state = unasked
	default:
		created, ok := p.lastBuilt(m.Builds)
		if !ok {
			return c, RulePlatform
		}
		c.created = created
	}
	return c, ""
}

// judgeName says which rule drops a tag by its name alone.
func (p Policy) judgeName(tag string) (version, Rule) {
	if p.strategy == nil {
		return version{}, RuleConstraint
	}
	if rule := p.filter.rule(tag); rule != "" {
		return version{}, rule
	}
	return p.strategy.admit(tag)
}

// lastBuilt is the date of the newest build for one of the platforms; ok is
// false if there is no such build.
func (p Policy) lastBuilt(builds []Build) (last time.Time, ok bool) {
	for _, b := range builds {
		for _, platform := range p.platforms {
			if !platform.Admits(b.Platform) {
				continue
			}
			if !ok || b.Created.After(last) {
				last = b.Created
			}
			ok = true
		}
	}
	return last, ok
}

// want are the tags to look up, the best of which is unasked.
func (p Policy) want(best candidate, tags []string, known map[string]Metadata) []string {
	if !p.needs.all {
		return []string{best.tag}
	}
	var want []string
	for _, tag := range tags {
		if c, rule := p.judge(tag, known); rule == "" && c.state == unasked {
			want = append(want, tag)
		}
	}
	return want
}

func (p Policy) choice(best candidate, known map[string]Metadata) Choice {
	c := Choice{Tag: best.tag, Created: best.created}
	if p.needs.depth == DepthBuilds {
		c.Labels = known[best.tag].Labels
	}
	if p.needs.pin {
		c.Digest = known[best.tag].Digest
	}
	return c
}

// distinct gives the tags in ascending order, each once: the list itself if
// it is so already.
func distinct(tags []string) []string {
	ascending := true
	for i := 1; i < len(tags) && ascending; i++ {
		ascending = strings.Compare(tags[i-1], tags[i]) < 0
	}
	if ascending {
		return tags
	}
	tags = slices.Clone(tags)
	slices.Sort(tags)
	return slices.Compact(tags)
}

// tally counts dropped tags by rule, in the order in which the rules apply.
type tally [6]Drop

func newTally() tally {
	return tally{
		{Rule: RuleAllowTags}, {Rule: RuleIgnoreTags}, {Rule: RuleNotVersion},
		{Rule: RulePreRelease}, {Rule: RuleConstraint}, {Rule: RulePlatform},
	}
}

func (t *tally) add(r Rule) {
	for i := range t {
		if t[i].Rule == r {
			t[i].Count++
			return
		}
	}
}

// drops are the rules that dropped a tag; nil if none did.
func (t tally) drops() []Drop {
	var drops []Drop
	for _, d := range t {
		if d.Count > 0 {
			drops = append(drops, d)
		}
	}
	return drops
}
