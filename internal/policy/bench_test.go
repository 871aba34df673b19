package policy_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/policy"
)

// crowd is a repository such as a busy team fills: releases, pre-releases,
// builds named by commit, moving tags.
func crowd(n int) []string {
	rnd := rand.New(rand.NewPCG(7, 7))
	tags := make([]string, 0, n)
	for i := range n {
		core := fmt.Sprintf("%d.%d.%d", i%7, i%311, i)
		switch i % 5 {
		case 0, 1:
			tags = append(tags, core)
		case 2:
			tags = append(tags, "v"+core+fmt.Sprintf("-rc.%d", i%17))
		case 3:
			tags = append(tags, fmt.Sprintf("main-%07x", rnd.Uint32()))
		default:
			tags = append(tags, fmt.Sprintf("pr-%d-dirty", i))
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// crowdMetadata knows everything of every tag.
func crowdMetadata(tags []string) map[string]policy.Metadata {
	amd64 := image.Platform{OS: "linux", Arch: "amd64"}
	known := make(map[string]policy.Metadata, len(tags))
	for i, tag := range tags {
		known[tag] = policy.Metadata{
			Digest: "sha256:0",
			Builds: []policy.Build{{Platform: amd64, Created: time.Unix(int64(i*7919%1_000_003), 0)}},
		}
	}
	return known
}

func crowdSpecs() map[string]policy.Spec {
	amd64 := image.Platform{OS: "linux", Arch: "amd64"}
	return map[string]policy.Spec{
		"semver":          {},
		"semver-range":    {Constraint: ">=1.2 <3 || ^5.1"},
		"semver-filtered": {AllowTags: `regexp:^[0-9]+\.[0-9]+\.[0-9]+$`, IgnoreTags: []string{"pr-*", "*-dirty"}},
		"newest-build":    {Strategy: "newest-build", DefaultPlatform: amd64},
		"alphabetical":    {Strategy: "alphabetical", IgnoreTags: []string{"pr-*"}},
		"digest":          {Strategy: "digest", Constraint: "1.1.1"},
	}
}

func mustCompile(t testing.TB, s policy.Spec) policy.Policy {
	t.Helper()
	p, err := policy.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func BenchmarkChoose(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		tags := crowd(n)
		in := policy.Input{Tags: tags, Known: crowdMetadata(tags)}
		specs := crowdSpecs()
		for _, name := range slices.Sorted(maps.Keys(specs)) {
			p := mustCompile(b, specs[name])
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Choose(in)
				}
			})
		}
		shuffled := slices.Clone(tags)
		rand.New(rand.NewPCG(1, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		b.Run(fmt.Sprintf("%d/semver-unsorted", n), func(b *testing.B) {
			b.ReportAllocs()
			p := mustCompile(b, policy.Spec{})
			for b.Loop() {
				p.Choose(policy.Input{Tags: shuffled})
			}
		})
	}
}

func BenchmarkExplain(b *testing.B) {
	in := policy.Input{Tags: crowd(10_000)}
	p := mustCompile(b, policy.Spec{})
	b.ReportAllocs()
	for b.Loop() {
		p.Explain(in)
	}
}

// Choosing costs a handful of allocations, however many tags there are: the
// list of drops, and what a sorted copy takes where the list is not sorted.
// Regular expressions are left out: they borrow their memory from a sync.Pool,
// which the race detector empties at random.
func TestChooseDoesNotAllocatePerTag(t *testing.T) {
	const limit = 8
	for _, n := range []int{1_000, 20_000} {
		tags := crowd(n)
		reversed := slices.Clone(tags)
		slices.Reverse(reversed)
		known := crowdMetadata(tags)
		for name, spec := range crowdSpecs() {
			spec.AllowTags = ""
			p := mustCompile(t, spec)
			for _, list := range [][]string{tags, reversed} {
				allocs := testing.AllocsPerRun(3, func() { p.Choose(policy.Input{Tags: list, Known: known}) })
				if allocs > limit {
					t.Errorf("%s of %d tags: %v allocations, at most %d are due", name, n, allocs, limit)
				}
			}
		}
	}
}
