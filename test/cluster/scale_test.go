package cluster_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"argocd-image-updater/internal/argo/kube"
	"argocd-image-updater/internal/controller"
	images "argocd-image-updater/internal/image"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
	"argocd-image-updater/test/cluster"
	"argocd-image-updater/test/cluster/fleet"
	"argocd-image-updater/test/cluster/inside"
)

// requests counts what an API server is asked, by verb and resource.
type requests struct {
	mu    sync.Mutex
	count map[string]int
}

func (r *requests) observe(q kube.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[q.Verb+" "+q.Resource]++
}

// taken is what was counted since the last call.
func (r *requests) taken() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.count
	r.count = map[string]int{}
	return was
}

// told hands each cycle that ended to the test.
type told struct {
	testing.TB
	cycles chan controller.Cycle
}

func (told) Planned([]plan.Plan)              {}
func (r told) Done(c controller.Cycle)        { r.cycles <- c }
func (r told) Trouble(what string, err error) { r.Errorf("%s: %v", what, err) }

// poked is the updater in this process, on a fleet, with what it asks for.
type poked struct {
	*controller.Controller
	asked    *requests
	cycles   chan controller.Cycle
	registry *itest.Registry
}

// inProcess starts the updater in this process, on a fleet of its own.
func inProcess(t *testing.T, f fleet.Fleet) (*cluster.World, poked) {
	t.Helper()
	w := suite.World(t)
	install(w)
	if err := f.Create(t.Context(), w.Plane.Config(), w.Namespace); err != nil {
		t.Fatal(err)
	}
	registry, err := f.Registry()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	l := poked{asked: &requests{count: map[string]int{}}, cycles: make(chan controller.Cycle, 100), registry: registry}
	c, client, err := inside.Controller(inside.Options{
		Kubeconfig: w.KubeconfigOf(w.ServiceAccount), RegistriesConf: fleet.Conf(registry), Observe: l.asked.observe,
		Report: told{t, l.cycles}, Controller: controller.Options{Interval: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Controller = c
	var group sync.WaitGroup
	t.Cleanup(group.Wait) // the test's context has ended then
	group.Go(func() { _ = client.Watch(t.Context()) })
	w.Until("the fleet is known", func() error {
		if !client.Synced() {
			return fmt.Errorf("%v", client.Problems())
		}
		return nil
	})
	group.Go(func() { c.Run(t.Context()) })
	return w, l
}

// cycle waits for the end of the next cycle.
func (l poked) cycle(t *testing.T) controller.Cycle {
	t.Helper()
	select {
	case c := <-l.cycles:
		if c.Err != nil {
			t.Fatal(c.Err)
		}
		return c
	case <-time.After(2 * time.Minute):
		t.Fatal("no cycle ended")
		return controller.Cycle{}
	}
}

func updated(c controller.Cycle) int {
	n := 0
	for _, o := range c.Outcomes {
		if o.State == plan.Updated {
			n++
		}
	}
	return n
}

// A fleet of 3,000 Applications with long status is listed by pages, once, and
// after that only those are asked for that are patched.
func TestLargeFleet(t *testing.T) {
	t.Parallel()
	f := fleet.Fleet{Applications: 3000, Images: 2, Repositories: 50, Tags: 20, Status: 20_000, Outdated: 25}
	w, l := inProcess(t, f)
	first := l.cycle(t)
	if len(first.Plans) != f.Applications || len(first.Outcomes) != 2*f.Applications || updated(first) != 2*f.Outdated {
		t.Errorf("%d plans, %d outcomes, %d updated", len(first.Plans), len(first.Outcomes), updated(first))
	}
	asked := l.asked.taken()
	if asked["patch applications"] != f.Outdated || asked["get applications"] != 0 || asked["list applications"]+asked["watch applications"] > f.Applications/500+2 {
		t.Errorf("the first cycle asked %v", asked)
	}
	if n := l.registry.Count(itest.KindTags).Requests; n != f.Repositories {
		t.Errorf("%d tag lists of %d repositories", n, f.Repositories)
	}
	for _, name := range []string{fleet.Name(0), fleet.Name(f.Outdated - 1), fleet.Name(f.Outdated), fleet.Name(f.Applications - 1)} {
		app := w.Application(name)
		if got := cluster.Field(app, "spec.source.helm.parameters.3.value"); got != `"1.0.19"` {
			t.Errorf("%s has the tag %s", name, got)
		}
		if got := cluster.Field(app, "status.resources"); len(got) < f.Status {
			t.Errorf("%s has %d bytes of status left", name, len(got))
		}
	}

	// Every repository is asked about once more, and the API server about nothing.
	l.registry.Reset()
	repo, err := images.ParseRepo(fleet.Host + "/team/service-007")
	if err != nil {
		t.Fatal(err)
	}
	l.Poke(update.Poke{Repo: repo})
	second := l.cycle(t)
	if updated(second) != 0 || len(second.Outcomes) != f.Applications/f.Repositories*4 {
		t.Errorf("%d outcomes, %d updated", len(second.Outcomes), updated(second))
	}
	if asked := l.asked.taken(); len(asked) != 0 {
		t.Errorf("the second cycle asked %v", asked)
	}
}

// From a new tag that is announced to the Application that has it there are one
// question to the registry and one to the API server.
func TestPoke(t *testing.T) {
	t.Parallel()
	w, l := inProcess(t, fleet.Fleet{Applications: 20, Images: 1, Repositories: 20, Tags: 5})
	if c := l.cycle(t); updated(c) != 0 {
		t.Fatalf("%d updated", updated(c))
	}
	outdated := w.Application(fleet.Name(7))
	parameters := outdated.Object["spec"].(map[string]any)["source"].(map[string]any)["helm"].(map[string]any)["parameters"].([]any)
	parameters[1].(map[string]any)["value"] = "1.0.1"
	if err := w.Client().Update(t.Context(), outdated); err != nil {
		t.Fatal(err)
	}
	w.Until("the updater has seen it", func() error {
		apps, err := l.Updater.Applications.List(t.Context())
		for _, app := range apps {
			if app.Name == outdated.GetName() && app.ResourceVersion == outdated.GetResourceVersion() {
				return nil
			}
		}
		return fmt.Errorf("not yet: %w", err)
	})
	l.registry.Reset()
	l.asked.taken()
	repo, err := images.ParseRepo(fleet.Host + "/team/service-007")
	if err != nil {
		t.Fatal(err)
	}
	l.Poke(update.Poke{Repo: repo})
	c := l.cycle(t)
	if updated(c) != 1 || len(c.Outcomes) != 1 || cluster.Field(w.Application(fleet.Name(7)), "spec.source.helm.parameters.1.value") != `"1.0.4"` {
		t.Errorf("outcomes %+v", c.Outcomes)
	}
	if asked := l.asked.taken(); len(asked) != 1 || asked["patch applications"] != 1 {
		t.Errorf("asked %v", asked)
	}
	if n := l.registry.Count(itest.KindTags).Requests; n != 1 {
		t.Errorf("%d tag lists", n)
	}
}

// The metrics of both families move with an update.
func TestMetricsOfAnUpdate(t *testing.T) {
	t.Parallel()
	w, _ := withImage(t, suite)
	w.Apply(annotated)
	r := start(w)
	tagged(w, "1.3.0")
	app := `{application="` + w.Namespace + `/web"}`
	const registry = `{registry="reg.example.com"}`
	for _, want := range []string{
		"argocd_image_updater_applications_watched 1", "argocd_image_updater_applications_watched_total 1",
		"argocd_image_updater_images_updated 1", "argocd_image_updater_images_updated_total" + app + " 1",
		"argocd_image_updater_images_watched_total" + app + " 1", "argocd_image_updater_images_errors_total" + app + " 0",
		"argocd_image_updater_registry_response_time_count" + registry, "argocd_image_updater_registry_requests_total" + registry,
		"argocd_image_updater_registry_requests_failed_total" + registry + " 0",
		"argocd_image_updater_k8s_api_requests_total", "argocd_image_updater_k8s_api_errors_total",
		"argocd_image_updater_leader 1", `argocd_image_updater_cycles_total{result="done",scope="whole"}`,
		`argocd_image_updater_images{state="Updated"}`, "argocd_image_updater_build_info{",
		"argocd_image_updater_last_cycle_timestamp_seconds", "argocd_image_updater_cycle_duration_seconds_count",
	} {
		w.Until("there is "+want, func() error {
			if _, body := page(t, r.metrics, "/metrics"); !strings.Contains(body, "\n"+want) {
				return fmt.Errorf("%s", body)
			}
			return nil
		})
	}
	answers(t, w, r.health, "/healthz", 200)
	answers(t, w, r.health, "/readyz", 200)
}
