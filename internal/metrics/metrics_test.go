package metrics_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/metrics"
	"argocd-image-updater/internal/plan"
)

const prefix = "argocd_image_updater_"

// scrape asks as Prometheus does, which would rather have OpenMetrics, and
// gives the families of ours by name without the prefix.
func scrape(t *testing.T, m *metrics.Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1")
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, req)
	if kind := answer.Header().Get("Content-Type"); answer.Code != 200 || !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Fatalf("%d, %s\n%s", answer.Code, kind, answer.Body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]*dto.MetricFamily{}
	for name, family := range all {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			ours[short] = family
		}
	}
	if len(ours) == len(all) {
		t.Error("the metrics of the Go runtime and the process are not there")
	}
	return ours
}

// samples are the lines of the named families, sorted. Of a histogram only the
// number of observations is shown.
func samples(t *testing.T, m *metrics.Metrics, names ...string) string {
	t.Helper()
	all := scrape(t, m)
	var lines []string
	for _, name := range names {
		for _, one := range all[name].GetMetric() {
			var labels []string
			for _, l := range one.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := one.GetGauge().GetValue() + one.GetCounter().GetValue() + float64(one.GetHistogram().GetSampleCount())
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s", name, strings.Join(labels, ",")))+fmt.Sprintf(" %v", value))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func wants(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimSpace(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

var errClassed = errors.New("registry is down")

func newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Options{
		Version: "v1.2.3",
		Classes: []string{"Invalid", "Transient"},
		Classify: func(err error) string {
			if errors.Is(err, errClassed) {
				return "Transient"
			}
			return "Invalid"
		},
	})
}

// outcomes reads lines of application, track and state; a track of - is an
// error of the Application as a whole.
func outcomes(t *testing.T, text string) []plan.Outcome {
	t.Helper()
	var out []plan.Outcome
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		at := slices.IndexFunc(plan.States(), func(s plan.State) bool { return s.String() == fields[2] })
		if at < 0 {
			t.Fatalf("no state %q", fields[2])
		}
		o := plan.Outcome{App: argo.Key{Namespace: "argocd", Name: fields[0]}, Item: plan.Item{Track: fields[1], State: plan.States()[at]}}
		if o.Track == "-" {
			o.Track = ""
		}
		if o.State == plan.Failed {
			o.Err = errClassed
		}
		out = append(out, o)
	}
	return out
}

func whole(t *testing.T, text string) metrics.Cycle {
	return metrics.Cycle{Scope: metrics.Whole, Begin: time.Unix(1000, 0), Took: 1500 * time.Millisecond, Outcomes: outcomes(t, text)}
}

func part(t *testing.T, text string) metrics.Cycle {
	return metrics.Cycle{Scope: metrics.Part, Begin: time.Unix(2000, 0), Took: time.Second, Outcomes: outcomes(t, text)}
}

var fleetNames = []string{
	"applications_watched", "applications_watched_total", "images_watched_total",
	"images_updated", "images_updated_total", "images_errors_total",
}

func TestFleet(t *testing.T) {
	m := newMetrics()
	m.CycleEnded(whole(t, `
		web   nginx  Updated
		web   redis  Updated
		api   api    AlreadyDeclared
		api   tool   Failed
		wrong -      Failed
	`))
	wants(t, samples(t, m, fleetNames...), `
applications_watched 3
applications_watched_total 3
images_errors_total application=argocd/api 1
images_errors_total application=argocd/web 0
images_errors_total application=argocd/wrong 1
images_updated 2
images_updated_total application=argocd/api 0
images_updated_total application=argocd/web 2
images_updated_total application=argocd/wrong 0
images_watched_total application=argocd/api 2
images_watched_total application=argocd/web 2
images_watched_total application=argocd/wrong 0
`)
	wants(t, samples(t, m, "images"), `
images state=AlreadyDeclared 1
images state=Failed 1
images state=Held 0
images state=NotLive 0
images state=NothingEligible 0
images state=Pending 0
images state=Undecided 0
images state=Updated 2
`)
	wants(t, samples(t, m, "errors_total", "cycles_total", "cycle_duration_seconds", "last_cycle_timestamp_seconds"), `
cycle_duration_seconds 1
cycles_total result=done,scope=part 0
cycles_total result=done,scope=whole 1
cycles_total result=failed,scope=part 0
cycles_total result=failed,scope=whole 0
errors_total class=Invalid 0
errors_total class=Transient 2
last_cycle_timestamp_seconds 1001.5
`)
}

// An Application that is gone, or asks for nothing any more, leaves no series
// behind; what was written to it stays in the figure of the fleet.
func TestGoneApplication(t *testing.T) {
	m := newMetrics()
	m.CycleEnded(whole(t, "web nginx Updated\napi api AlreadyDeclared"))
	m.CycleEnded(whole(t, "api api AlreadyDeclared"))
	wants(t, samples(t, m, fleetNames...), `
applications_watched 1
applications_watched_total 1
images_errors_total application=argocd/api 0
images_updated 1
images_updated_total application=argocd/api 0
images_watched_total application=argocd/api 1
`)
}

// A cycle over a part of the fleet counts what happened in it, and says nothing
// of the rest. An Application that it is the first to meet is counted too.
func TestPartOfTheFleet(t *testing.T) {
	m := newMetrics()
	m.CycleEnded(whole(t, "web nginx AlreadyDeclared\napi api Held"))
	m.CycleEnded(part(t, "web nginx Updated\nnew new Updated"))
	wants(t, samples(t, m, append(fleetNames, "last_cycle_timestamp_seconds", "cycle_duration_seconds")...), `
applications_watched 2
applications_watched_total 2
cycle_duration_seconds 1
images_errors_total application=argocd/api 0
images_errors_total application=argocd/new 0
images_errors_total application=argocd/web 0
images_updated 2
images_updated_total application=argocd/api 0
images_updated_total application=argocd/new 1
images_updated_total application=argocd/web 1
images_watched_total application=argocd/api 1
images_watched_total application=argocd/web 1
last_cycle_timestamp_seconds 1001.5
`)
	if got := samples(t, m, "images"); !strings.Contains(got, "state=AlreadyDeclared 1") || !strings.Contains(got, "state=Held 1") || !strings.Contains(got, "state=Updated 0") {
		t.Errorf("images moved:\n%s", got)
	}
	wants(t, samples(t, m, "cycles_total"), `
cycles_total result=done,scope=part 1
cycles_total result=done,scope=whole 1
cycles_total result=failed,scope=part 0
cycles_total result=failed,scope=whole 0
`)
}

// When nothing could be planned, what was known of the fleet is still the best
// there is to say.
func TestFailedCycle(t *testing.T) {
	m := newMetrics()
	m.CycleEnded(whole(t, "web nginx AlreadyDeclared"))
	before := samples(t, m, append(fleetNames, "images", "last_cycle_timestamp_seconds", "cycle_duration_seconds")...)
	m.CycleEnded(metrics.Cycle{Scope: metrics.Whole, Begin: time.Unix(5000, 0), Took: time.Second, Err: errClassed})
	wants(t, samples(t, m, append(fleetNames, "images", "last_cycle_timestamp_seconds", "cycle_duration_seconds")...), before)
	wants(t, samples(t, m, "errors_total"), "errors_total class=Invalid 0\nerrors_total class=Transient 1")
}

func TestProblems(t *testing.T) {
	m := newMetrics()
	c := whole(t, "web nginx AlreadyDeclared")
	c.Problems = []error{errors.New("apps/web.yaml does not parse"), errors.New("apps/api.yaml does not parse")}
	m.CycleEnded(c)
	wants(t, samples(t, m, "errors_total"), "errors_total class=Invalid 2\nerrors_total class=Transient 0")
}

// A replica that no longer leads says nothing of the fleet, which another one
// reports.
func TestLeader(t *testing.T) {
	m := newMetrics()
	wants(t, samples(t, m, "leader"), "leader 0")
	m.Lead()
	m.CycleEnded(whole(t, "web nginx Updated"))
	wants(t, samples(t, m, "leader"), "leader 1")
	m.StandBy()
	wants(t, samples(t, m, append(fleetNames, "leader")...), `
applications_watched 0
applications_watched_total 0
images_updated 1
leader 0
`)
}

func TestRequests(t *testing.T) {
	m := newMetrics()
	for _, status := range []int{200, 401, 404, 403, 429, 500, 503, 0} {
		m.RegistryRequest("ghcr.io", status, time.Millisecond)
		m.KubernetesRequest(status)
		m.ArgoCDRequest("argocd-server", status)
	}
	m.KubernetesRequest(http.StatusConflict)
	wants(t, samples(t, m, "registry_requests_total", "registry_requests_failed_total", "registry_response_time",
		"k8s_api_requests_total", "k8s_api_errors_total", "argocd_api_requests_total", "argocd_api_errors_total"), `
argocd_api_errors_total argocd_server=argocd-server 6
argocd_api_requests_total argocd_server=argocd-server 8
k8s_api_errors_total 6
k8s_api_requests_total 9
registry_requests_failed_total registry=ghcr.io 5
registry_requests_total registry=ghcr.io 8
registry_response_time registry=ghcr.io 8
`)
}

// A failure that has not happened yet is a 0 that can be subtracted from.
func TestNoFailureYet(t *testing.T) {
	m := newMetrics()
	m.RegistryRequest("ghcr.io", 200, time.Millisecond)
	m.ArgoCDRequest("argocd-server", 200)
	wants(t, samples(t, m, "registry_requests_failed_total", "argocd_api_errors_total", "k8s_api_errors_total"), `
argocd_api_errors_total argocd_server=argocd-server 0
k8s_api_errors_total 0
registry_requests_failed_total registry=ghcr.io 0
`)
}

func TestGit(t *testing.T) {
	m := newMetrics()
	m.GitOperation("look", time.Millisecond, nil)
	m.GitOperation("push", time.Millisecond, fmt.Errorf("push: %w", fault.ErrLostRace))
	m.GitOperation("push", time.Millisecond, nil)
	m.GitOperation("push", time.Millisecond, fault.ErrRefused)
	wants(t, samples(t, m, "git_operations_total", "git_operation_duration_seconds"), `
git_operation_duration_seconds operation=look 1
git_operation_duration_seconds operation=push 3
git_operations_total operation=look,result=done 1
git_operations_total operation=look,result=failed 0
git_operations_total operation=push,result=done 1
git_operations_total operation=push,result=failed 1
git_operations_total operation=push,result=lost 1
`)
}

// Image names are written by whoever may write an Application.
func TestManyRegistries(t *testing.T) {
	m := newMetrics()
	for range 2 {
		for i := range 150 {
			m.RegistryRequest(fmt.Sprintf("registry-%d", i), 200, time.Millisecond)
		}
	}
	got := strings.Split(samples(t, m, "registry_requests_total"), "\n")
	if len(got) != 101 || got[0] != "registry_requests_total registry=other 100" {
		t.Errorf("%d series, the first is %s", len(got), got[0])
	}
}

// unconventional are names that people have in their dashboards.
var unconventional = map[string]string{
	"applications_watched_total": "the incumbent's name of a gauge",
	"images_watched_total":       "the incumbent's name of a gauge",
	"images_updated":             "named so in guides; images_updated_total stands beside it",
}

func TestConventions(t *testing.T) {
	var families []*dto.MetricFamily
	for _, family := range scrape(t, used(t)) {
		families = append(families, family)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, p := range problems {
		name := strings.TrimPrefix(p.Metric, prefix)
		found[name] = true
		if unconventional[name] == "" {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for name := range unconventional {
		if !found[name] {
			t.Errorf("%s keeps the conventions and needs no exemption", name)
		}
	}
}

// used has counted something of everything.
func used(t *testing.T) *metrics.Metrics {
	t.Helper()
	m := newMetrics()
	m.Lead()
	m.CycleEnded(whole(t, "web nginx Updated\napi - Failed"))
	m.RegistryRequest("ghcr.io", 200, time.Second)
	m.GitOperation("look", time.Second, nil)
	m.ArgoCDRequest("argocd-server.argocd", 200)
	m.KubernetesRequest(200)
	return m
}

// What many goroutines count at once is counted once each, while scrapes go on.
func TestConcurrency(t *testing.T) {
	m := newMetrics()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				m.RegistryRequest("ghcr.io", 200, time.Millisecond)
				m.GitOperation("push", time.Millisecond, nil)
				m.KubernetesRequest(200)
				m.ArgoCDRequest("argocd-server", 200)
				m.CycleEnded(part(t, "web nginx Updated"))
				m.CycleEnded(whole(t, "web nginx Updated"))
			}
		})
		wg.Go(func() {
			for range 10 {
				scrape(t, m)
			}
		})
	}
	wg.Wait()
	wants(t, samples(t, m, "registry_requests_total", "registry_response_time", "git_operations_total", "k8s_api_requests_total",
		"argocd_api_requests_total", "images_updated", "images_updated_total", "cycle_duration_seconds"), `
argocd_api_requests_total argocd_server=argocd-server 400
cycle_duration_seconds 400
git_operations_total operation=push,result=done 400
git_operations_total operation=push,result=failed 0
images_updated 800
images_updated_total application=argocd/web 800
k8s_api_requests_total 400
registry_requests_total registry=ghcr.io 400
registry_response_time registry=ghcr.io 400
`)
}
