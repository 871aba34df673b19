package api

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
)

func at1(name string, version int) entry {
	return entry{app: argo.Application{Key: argo.Key{Name: name}, ResourceVersion: strconv.Itoa(version), Project: "p" + strconv.Itoa(version)}}
}

func (s *shelf) names() (names []string) {
	entries, _ := s.all()
	for _, e := range entries {
		names = append(names, e.app.Name+e.app.ResourceVersion)
	}
	slices.Sort(names)
	return names
}

// TestShelfConverges tells a shelf a history of changes as a stream that loses
// none does, with lists of any age in between: at the end the shelf holds what
// there is, and every change after the first list was told.
func TestShelfConverges(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := newShelf()
		now := map[string]entry{} // what the server has
		type snapshot struct {
			at   int
			list []entry
		}
		var snapshots []snapshot
		for v := 1; v <= 60; v++ {
			name := string(rune('a' + random.IntN(5)))
			if _, there := now[name]; there && random.IntN(3) == 0 {
				delete(now, name)
				s.drop(at1(name, v))
			} else {
				now[name] = at1(name, v)
				s.put(now[name])
			}
			var list []entry
			for _, e := range now {
				list = append(list, e)
			}
			snapshots = append(snapshots, snapshot{v, list})
			if random.IntN(4) == 0 { // a list that was under way for a while
				old := snapshots[max(0, len(snapshots)-1-random.IntN(6))]
				s.replace(old.list, uint64(old.at))
			}
		}
		last := snapshots[len(snapshots)-1]
		s.replace(last.list, uint64(last.at))
		var want []string
		for _, e := range now {
			want = append(want, e.app.Name+e.app.ResourceVersion)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, s.names()); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

func TestShelfKeepsTheNewer(t *testing.T) {
	s := newShelf()
	s.replace([]entry{at1("a", 1), at1("b", 2)}, 2)
	if !s.put(at1("a", 5)) || s.put(at1("a", 4)) || !s.put(at1("c", 6)) || !s.drop(at1("b", 7)) || s.drop(at1("b", 7)) {
		t.Error("changes are not told, or told twice")
	}
	// A list from before all that changes nothing.
	if changed := s.replace([]entry{at1("a", 1), at1("b", 2)}, 3); len(changed) > 0 {
		t.Error("an old list changed", changed)
	}
	if diff := cmp.Diff([]string{"a5", "c6"}, s.names()); diff != "" {
		t.Error(diff)
	}
	if s.put(at1("b", 3)) {
		t.Error("an old event brings back what was deleted")
	}
	changed := s.replace([]entry{at1("a", 8), at1("b", 9)}, 9)
	if diff := cmp.Diff([]argo.Key{{Name: "a"}, {Name: "b"}, {Name: "c"}}, changed); diff != "" {
		t.Error(diff)
	}
}

// What is not in a list that does not say how old it is, is gone.
func TestShelfListWithoutVersion(t *testing.T) {
	s := newShelf()
	s.replace([]entry{at1("a", 1), at1("b", 2)}, 0)
	s.put(at1("b", 3))
	if changed := s.replace([]entry{at1("b", 2)}, 0); len(changed) != 1 || changed[0].Name != "a" {
		t.Errorf("changed %v", changed)
	}
	if diff := cmp.Diff([]string{"b3"}, s.names()); diff != "" {
		t.Error(diff)
	}
}
