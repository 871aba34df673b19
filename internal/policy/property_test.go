package policy_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/policy"
)

// world is a policy, a repository, and all that its registry would answer.
type world struct {
	spec   policy.Spec
	policy policy.Policy
	tags   []string
	truth  map[string]policy.Metadata
}

var (
	amd64 = image.Platform{OS: "linux", Arch: "amd64"}
	arm64 = image.Platform{OS: "linux", Arch: "arm64"}
)

func randomWorld(t *testing.T, rnd *rand.Rand) world {
	t.Helper()
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	w := world{truth: map[string]policy.Metadata{}}
	w.spec = policy.Spec{
		Strategy:        pick("", "semver", "newest-build", "alphabetical", "digest"),
		AllowTags:       pick("", "any", "regexp:^v", `regexp:^[0-9.]+$`, "regexp:[0-9]"),
		IgnoreTags:      strings.Split(pick("", "v*", "latest, *-rc*", "regexp:a$"), ","),
		Platforms:       strings.Split(pick("", "", "linux/arm64", "linux/amd64,linux/arm64"), ","),
		DefaultPlatform: amd64,
	}
	switch w.spec.Strategy {
	case "", "semver":
		w.spec.Constraint = pick("", "1.x", "*-0", "~1.2-0 || >2", "!=1.2")
	case "digest":
		w.spec.Constraint = pick("latest", "1.2", "v1.2.0")
	}
	for range rnd.IntN(12) {
		w.tags = append(w.tags, randomTag(pick))
	}
	for _, tag := range w.tags {
		w.truth[tag] = randomMetadata(rnd, tag)
	}
	w.policy = mustCompile(t, w.spec)
	return w
}

func randomTag(pick func(...string) string) string {
	if pick("version", "version", "name") == "name" {
		return pick("latest", "main", "nightly", "alpha", "1.2.3.4")
	}
	return pick("", "v") + pick("1", "1.2", "1.2.0", "1.2.1", "1.10.0", "2.0", "3") + pick("", "", "-rc1", "-a", "+b1")
}

func randomMetadata(rnd *rand.Rand, tag string) policy.Metadata {
	switch rnd.IntN(20) {
	case 0:
		return policy.Metadata{Gone: true}
	case 1:
		return policy.Metadata{}
	}
	m := policy.Metadata{Digest: digestOf(tag), Builds: []policy.Build{}}
	for _, platform := range []image.Platform{amd64, arm64} {
		if rnd.IntN(3) > 0 {
			b := policy.Build{Platform: platform}
			if rnd.IntN(4) > 0 {
				b.Created = time.Unix(int64(rnd.IntN(4))*86400, 0)
			}
			m.Builds = append(m.Builds, b)
		}
	}
	return m
}

// settle answers what is wanted until nothing is, as the updater does.
func settle(t *testing.T, w world) (policy.Input, policy.Decision) {
	t.Helper()
	in := policy.Input{Tags: w.tags, Known: map[string]policy.Metadata{}}
	for range len(w.tags) + 1 {
		d := w.policy.Choose(in)
		if d.Verdict != policy.Wanting {
			return in, d
		}
		if len(d.Want) == 0 || !slices.IsSorted(d.Want) {
			t.Fatalf("wants %q", d.Want)
		}
		for _, tag := range d.Want {
			if _, asked := in.Known[tag]; asked {
				t.Fatalf("wants %s again", tag)
			}
			in.Known[tag] = answerOf(w.truth[tag], d.Depth)
		}
	}
	t.Fatal("wants more than there is")
	return in, policy.Decision{}
}

func answerOf(m policy.Metadata, depth policy.Depth) policy.Metadata {
	if depth == policy.DepthDigest {
		m.Builds = nil
	}
	return m
}

func eachWorld(t *testing.T, check func(t *testing.T, rnd *rand.Rand, w world)) {
	t.Helper()
	for seed := range uint64(1_000) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		w := randomWorld(t, rnd)
		check(t, rnd, w)
		if t.Failed() {
			t.Fatalf("seed %d: %+v\ntags %q\ntruth %+v", seed, w.spec, w.tags, w.truth)
		}
	}
}

func TestTheOrderOfTagsIsIrrelevant(t *testing.T) {
	eachWorld(t, func(t *testing.T, rnd *rand.Rand, w world) {
		in, d := settle(t, w)
		shuffled := slices.Clone(in.Tags)
		rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		before := slices.Clone(shuffled)
		other := policy.Input{Tags: append(shuffled, in.Tags...), Known: in.Known} // and so are doubles
		if diff := cmp.Diff(d, w.policy.Choose(other)); diff != "" {
			t.Errorf("another order, another decision:\n%s", diff)
		}
		if diff := cmp.Diff(w.policy.Explain(in), w.policy.Explain(other)); diff != "" {
			t.Errorf("another order, another explanation:\n%s", diff)
		}
		if !slices.Equal(before, shuffled) {
			t.Error("the list of the caller was sorted")
		}
	})
}

func TestTheChosenIsEligible(t *testing.T) {
	eachWorld(t, func(t *testing.T, _ *rand.Rand, w world) {
		in, d := settle(t, w)
		if d.Verdict != policy.Chosen {
			if d.Choice.Tag != "" || d.Reason == "" {
				t.Errorf("no choice, but %+v", d)
			}
			return
		}
		if !slices.Contains(in.Tags, d.Choice.Tag) || !w.policy.Admits(d.Choice.Tag) {
			t.Errorf("chose %s", d.Choice.Tag)
		}
		if m, asked := in.Known[d.Choice.Tag]; asked && (m.Gone || m.Digest == "") {
			t.Errorf("chose %s of which nothing is known", d.Choice.Tag)
		}
	})
}

func TestCountsAreExact(t *testing.T) {
	eachWorld(t, func(t *testing.T, _ *rand.Rand, w world) {
		in, d := settle(t, w)
		counts := map[policy.Rule]int{}
		for _, r := range w.policy.Explain(in) {
			counts[r.Rule]++
			if r.Detail == "" {
				t.Errorf("%s: no detail", r.Tag)
			}
		}
		sum := d.Eligible
		for _, drop := range d.Dropped {
			sum += drop.Count
			if counts[drop.Rule] != drop.Count {
				t.Errorf("%d dropped by %s, %d explained", drop.Count, drop.Rule, counts[drop.Rule])
			}
		}
		if sum != d.Total {
			t.Errorf("%d eligible and dropped of %d", sum, d.Total)
		}
		if d.Verdict == policy.Chosen && counts[policy.RuleOutranked] != d.Eligible-1 {
			t.Errorf("%d outranked of %d eligible", counts[policy.RuleOutranked], d.Eligible)
		}
	})
}

func TestARejectedTagChangesNothingButCounts(t *testing.T) {
	eachWorld(t, func(t *testing.T, _ *rand.Rand, w world) {
		in, d := settle(t, w)
		if d.Verdict != policy.Chosen {
			return
		}
		for _, r := range w.policy.Explain(in) {
			without := slices.DeleteFunc(slices.Clone(in.Tags), func(tag string) bool { return tag == r.Tag })
			got := w.policy.Choose(policy.Input{Tags: without, Known: in.Known})
			if diff := cmp.Diff(d.Choice, got.Choice); diff != "" {
				t.Errorf("without %s (%s):\n%s", r.Tag, r.Rule, diff)
			}
			if got.Total != d.Total-1 {
				t.Errorf("without %s: %d of %d", r.Tag, got.Total, d.Total)
			}
		}
	})
}

// Without the winner, the first of the explanation wins, or is what nothing
// can be decided about.
func TestTheSecondBestIsFirstInTheExplanation(t *testing.T) {
	eachWorld(t, func(t *testing.T, _ *rand.Rand, w world) {
		in := policy.Input{Tags: w.tags, Known: w.truth}
		d, rejections := w.policy.Choose(in), w.policy.Explain(in)
		if d.Verdict != policy.Chosen || len(rejections) == 0 || rejections[0].Rule != policy.RuleOutranked {
			return
		}
		second := rejections[0].Tag
		in.Tags = slices.DeleteFunc(slices.Clone(in.Tags), func(tag string) bool { return tag == d.Choice.Tag })
		next := w.policy.Choose(in)
		if next.Verdict == policy.Undecided && w.truth[second].Digest == "" {
			return
		}
		if next.Verdict != policy.Chosen || next.Choice.Tag != second {
			t.Errorf("after %s comes %+v, want %s", d.Choice.Tag, next, second)
		}
	})
}

func TestZeroPolicyAdmitsNothing(t *testing.T) {
	var p policy.Policy
	d := p.Choose(policy.Input{Tags: []string{"1.0", "2.0"}})
	if d.Verdict != policy.NothingEligible || p.Admits("1.0") || d.Reason != "none of 2 tags passes: 2 without a policy" {
		t.Errorf("got %+v", d)
	}
	if _, held := p.Guard("2.0", "1.0"); held || p.Strategy() != "" || p.Deprecated() != "" {
		t.Error("the zero policy holds something")
	}
	if got := p.Explain(policy.Input{Tags: []string{"1.0"}}); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}

// Builds for other platforms than the policy names may be left out.
func TestPlatformsAreAllThatIsLookedAt(t *testing.T) {
	eachWorld(t, func(t *testing.T, _ *rand.Rand, w world) {
		in, d := settle(t, w)
		narrow := map[string]policy.Metadata{}
		for tag, m := range in.Known {
			builds := []policy.Build{}
			for _, b := range m.Builds {
				if slices.Contains(w.policy.Platforms(), b.Platform) {
					builds = append(builds, b)
				}
			}
			if m.Builds != nil {
				m.Builds = builds
			}
			narrow[tag] = m
		}
		got := w.policy.Choose(policy.Input{Tags: w.tags, Known: narrow})
		got.Reason, d.Reason = "", "" // which may name the others
		if diff := cmp.Diff(d, got); diff != "" {
			t.Errorf("with fewer builds:\n%s", diff)
		}
	})
}

func TestNewestBuildNeedsAPlatform(t *testing.T) {
	_, err := policy.Compile(policy.Spec{Strategy: "latest"})
	var specErr *policy.SpecError
	if !errors.As(err, &specErr) || specErr.Key != "platforms" {
		t.Fatalf("got %v", err)
	}
}

func TestTheChoiceCarriesWhatWasRead(t *testing.T) {
	day := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	known := map[string]policy.Metadata{"1.0": {
		Digest: digestOf("1.0"),
		Builds: []policy.Build{{Platform: amd64, Created: day}},
		Labels: map[string]string{"org.opencontainers.image.source": "https://example.com"},
	}}
	tests := map[string]struct {
		spec policy.Spec
		want policy.Choice
	}{
		"semver looks at the name alone": {policy.Spec{}, policy.Choice{Tag: "1.0"}},
		"newest-build": {policy.Spec{Strategy: "newest-build", DefaultPlatform: amd64},
			policy.Choice{Tag: "1.0", Created: day, Labels: known["1.0"].Labels}},
		"digest": {policy.Spec{Strategy: "digest", Constraint: "1.0"},
			policy.Choice{Tag: "1.0", Digest: digestOf("1.0")}},
		"digest with platforms": {policy.Spec{Strategy: "digest", Constraint: "1.0", Platforms: []string{"linux/amd64"}},
			policy.Choice{Tag: "1.0", Digest: digestOf("1.0"), Created: day, Labels: known["1.0"].Labels}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := mustCompile(t, test.spec).Choose(policy.Input{Tags: []string{"1.0"}, Known: known})
			want := policy.Decision{Verdict: policy.Chosen, Choice: test.want, Total: 1, Eligible: 1}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Whatever is written in a Spec, Compile says what is wrong or gives a Policy
// that keeps to its own filters.
func FuzzCompile(f *testing.F) {
	for _, s := range []policy.Spec{
		{},
		{Strategy: "semver", Constraint: "~1.2-0 || >=3 <4", AllowTags: "regexp:^v", IgnoreTags: []string{"dev-*"}},
		{Strategy: "Latest", AllowTags: "any", IgnoreTags: []string{"regexp:a{2"}, Platforms: []string{"linux/arm/v7"}},
		{Strategy: "digest", Constraint: "latest", IgnoreTags: []string{"[a-"}, Platforms: []string{"arm64"}},
		{Strategy: "alphabetical", AllowTags: "regexp:(", IgnoreTags: []string{`\`}},
	} {
		f.Add(s.Strategy, s.Constraint, s.AllowTags, strings.Join(s.IgnoreTags, ","), strings.Join(s.Platforms, ","), "v1.2.3 dev-1 latest")
	}
	f.Fuzz(func(t *testing.T, strategy, constraint, allow, ignore, platforms, tags string) {
		p, err := policy.Compile(policy.Spec{
			Strategy: strategy, Constraint: constraint, AllowTags: allow,
			IgnoreTags: strings.Split(ignore, ","), Platforms: strings.Split(platforms, ","), DefaultPlatform: amd64,
		})
		if err != nil {
			var specErr *policy.SpecError
			if !errors.As(err, &specErr) || specErr.Key == "" || specErr.Remedy == "" {
				t.Fatalf("error without key or remedy: %v", err)
			}
			if p.Admits("1.0") {
				t.Fatal("a policy that does not compile admits a tag")
			}
			return
		}
		in := policy.Input{Tags: strings.Fields(tags)}
		d := p.Choose(in)
		if d.Verdict == policy.Chosen && !p.Admits(d.Choice.Tag) {
			t.Fatalf("chose %q, which it does not admit", d.Choice.Tag)
		}
		if len(in.Tags) == 0 && d.Verdict != policy.NothingEligible {
			t.Fatalf("chose from nothing: %+v", d)
		}
		p.Explain(in)
	})
}
