package cli

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/plan"
)

// A skipped image is told once for as long as it is skipped, told again when it
// is skipped anew, and forgotten with its Application.
func TestSkippedImagesAreToldOnce(t *testing.T) {
	var out bytes.Buffer
	r := &report{log: slog.New(slog.NewTextHandler(&out, nil))}
	told := func(app string, s plan.State) int {
		out.Reset()
		r.applied([]plan.Outcome{{App: argo.Key{Name: app}, Item: plan.Item{Track: "a", State: s, Reason: "why"}}}, cycleFigures{})
		r.forget()
		return strings.Count(out.String(), "Skipping image")
	}
	for i, step := range []struct {
		state plan.State
		want  int
	}{{plan.Held, 1}, {plan.Held, 0}, {plan.NotLive, 1}, {plan.AlreadyDeclared, 0}, {plan.NotLive, 1}, {plan.NotLive, 0}} {
		if got := told("web", step.state); got != step.want {
			t.Errorf("step %d, %s: told %d times, want %d", i, step.state, got, step.want)
		}
	}
	for i := range 100 {
		told("preview-"+strconv.Itoa(i), plan.Held)
	}
	if len(r.said) > 2 {
		t.Errorf("%d sayings are kept of Applications that are gone", len(r.said))
	}
}
