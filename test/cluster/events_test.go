package cluster_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster"
)

// at is an Application that runs its image from another registry.
func at(host, manifest string) string {
	return strings.ReplaceAll(manifest, "reg.example.com", host)
}

// An update is told in an event of the Application, with what was updated in
// its annotations.
func TestEventOfAnUpdate(t *testing.T) {
	t.Parallel()
	w := scene(t)
	w.Apply(app("web", followed))
	once(w, 0)
	var list core.EventList
	if err := w.Client().List(t.Context(), &list, client.InNamespace(w.Namespace)); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("events %v, want one", list.Items)
	}
	e := list.Items[0]
	if e.Type != "Normal" || e.Reason != "ImagesUpdated" || e.Message != "Successfully updated application 'web'" || e.Source.Component != "ArgocdImageUpdater" {
		t.Errorf("%s %s %q from %s", e.Type, e.Reason, e.Message, e.Source.Component)
	}
	if live := w.Application("web"); e.InvolvedObject.UID != live.GetUID() || e.InvolvedObject.Kind != "Application" || e.InvolvedObject.APIVersion != "argoproj.io/v1alpha1" {
		t.Errorf("it is about %v", e.InvolvedObject)
	}
	want := map[string]string{
		"argocd-image-updater.image-0/full-image-name": "reg.example.com/team/web",
		"argocd-image-updater.image-0/image-name":      "team/web",
		"argocd-image-updater.image-0/old-tag":         "1.2.3",
		"argocd-image-updater.image-0/new-tag":         "1.3.0",
	}
	if diff := cmp.Diff(want, e.Annotations); diff != "" {
		t.Error(diff)
	}
	once(w, 0, "--disable-kube-events")
	w.Push("team/web:1.4.0")
	once(w, 0, "--disable-kube-events")
	wantTags(w, map[string]string{"web": "1.4.0"})
	if got := events(w, "Application"); len(got) != 1 {
		t.Errorf("events that are switched off: %q", got)
	}
}

// A failure is told once when it begins, not while it lasts, and again when it
// comes back.
func TestEventsOfFailures(t *testing.T) {
	t.Parallel()
	w := scene(t)
	good := w.Expand("${REGISTRY_URL}")
	flaky := w.Registry(itest.RegistryOptions{})
	w.Push("team/web:1.2.3")
	w.Set("FLAKY", w.Expand("${REGISTRY_URL}"))
	w.Registry(itest.RegistryOptions{Username: "bot", Password: "s3cret"})
	w.Set("CLOSED", w.Expand("${REGISTRY_URL}"))
	w.Set("REGISTRY_URL", good)
	broken := itest.Fault{Kind: itest.KindTags, Harm: itest.Status(http.StatusInternalServerError)}
	flaky.Break(broken)
	conf := w.File("three.conf", "registries:\n"+
		"- {name: r, prefix: reg.example.com, api_url: \"${REGISTRY_URL}\"}\n"+
		"- {name: f, prefix: flaky.example.com, api_url: \"${FLAKY}\"}\n"+
		"- {name: c, prefix: closed.example.com, api_url: \"${CLOSED}\"}\n")
	const good1, bad1 = "web.update-strategy: semver", "web.update-strategy: best"
	w.Apply(app("invalid", followed, bad1), at("closed.example.com", app("denied", followed)), at("flaky.example.com", app("transient", followed)),
		app("conflict"), updaterOf("a", "conflict"), updaterOf("b", "conflict"))
	p := w.Start("run", "--interval", "300ms", "--registries-conf-path", conf, "--health-port", w.Port(), "--metrics-port", w.Port())
	cycles := func() {
		for range 3 {
			p.Until("Processing results:")
		}
	}
	want := map[string]int{"invalid UpdateInvalid": 1, "denied UpdateDenied": 1, "transient UpdateTransient": 1, "conflict UpdateConflict": 1}
	cycles()
	wantWarnings(w, want)

	w.Apply(app("invalid", followed, good1))
	flaky.Mend()
	untilUpdated(w, "invalid")
	cycles()
	wantWarnings(w, want)

	w.Apply(app("invalid", followed, bad1))
	flaky.Break(broken)
	p.Until("application=" + w.Namespace + "/transient")
	cycles()
	want["invalid UpdateInvalid"], want["transient UpdateTransient"] = 2, 2
	wantWarnings(w, want)
	p.Stop()
	for _, e := range events(w, "Application") {
		if strings.HasPrefix(e, "denied ") {
			wantText(t, e, "closed.example.com/team/web", "401", "(no credential)")
		}
	}

	// Another process knows of ImageUpdaters what was said.
	once(w, 1)
	if got := warnings(w)["conflict UpdateConflict"]; got != 1 {
		t.Errorf("%d events of the conflict after a new start, want 1", got)
	}
}

// warnings counts the Warning events of Applications by name and reason.
func warnings(w *cluster.World) map[string]int {
	w.Helper()
	out := map[string]int{}
	for _, e := range events(w, "Application") {
		if words := strings.Fields(e); slices.Contains(words[:2], "Warning") {
			out[words[0]+" "+strings.TrimSuffix(words[2], ":")]++
		}
	}
	return out
}

func wantWarnings(w *cluster.World, want map[string]int) {
	w.Helper()
	if diff := cmp.Diff(want, warnings(w)); diff != "" {
		w.Errorf("%s\n%s", diff, strings.Join(events(w, "Application"), "\n"))
	}
}
