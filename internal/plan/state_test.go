package plan_test

import (
	"testing"

	"argocd-image-updater/internal/plan"
)

// A state without a name, or with that of another, could not be told apart in
// output and metrics.
func TestStateNames(t *testing.T) {
	seen := map[string]plan.State{}
	for _, s := range plan.States() {
		other, twice := seen[s.String()]
		if s.String() == "" || twice {
			t.Errorf("state %d is called %q, as state %d is", s, s, other)
		}
		seen[s.String()] = s
	}
	if _, ok := seen["Failed"]; !ok || seen["Failed"] != plan.Failed {
		t.Errorf("the last state is missing: %v", seen)
	}
}
