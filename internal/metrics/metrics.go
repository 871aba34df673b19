// Package metrics counts what the updater does, for Prometheus.
//
// A Metrics holds a registry of its own, so that two of them in one process
// know nothing of each other. It is told plain values by whoever puts the rooms
// together, and knows neither registries nor clusters. All its methods may be
// called by many goroutines.
//
// There are two families of names. Those that end in _total and carry the label
// application are the incumbent's, some of them gauges in spite of their name;
// the others follow the conventions of Prometheus. A counter stands there
// with _total and without it, which the text format can say and OpenMetrics
// cannot, so OpenMetrics is not offered.
//
// What comes from outside is bounded: an Application has series as long as it
// is watched, and a registry as long as there are not too many of them. A cycle
// that looked at a part of the fleet adds to the counters and says nothing of
// the fleet.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// prefix begins every name of ours.
const prefix = "argocd_image_updater_"

// maxScrapes bounds how many scrapes are answered at once; one costs memory in
// proportion to the fleet.
const maxScrapes = 3

// Options are what Metrics do not find out for themselves.
type Options struct {
	// Version of the program; "" is "unknown".
	Version string
	// Classes are all answers of Classify, so that each is counted from 0 on.
	Classes []string
	// Classify names the class of an error; nil puts all into the class "error".
	Classify func(error) string
}

// Metrics are all that is measured in one process.
type Metrics struct {
	registry *prometheus.Registry
	classify func(error) string

	fleet    *fleet
	errors   *prometheus.CounterVec
	cycles   *prometheus.CounterVec
	duration prometheus.Histogram
	last     prometheus.Gauge
	leader   prometheus.Gauge
	requests requests
}

// New makes Metrics on which nothing was counted yet.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), classify: o.Classify, fleet: newFleet()}
	if m.classify == nil {
		m.classify = func(error) string { return "error" }
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	m.errors = counters("errors_total", "Errors of images, Applications and cycles, by who can do something about them.", "class")
	m.cycles = counters("cycles_total", "Cycles that ended, over the whole fleet or a part of it; a failed one could not plan anything.", "scope", "result")
	m.duration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: prefix + "cycle_duration_seconds", Help: "Time that cycles over the whole fleet took.",
		Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600},
	})
	m.last = gauge("last_cycle_timestamp_seconds", "When the last cycle over the whole fleet ended that did not fail, in Unix time; 0 if none has.")
	m.leader = gauge("leader", "1 if this replica does the work, 0 if it stands by.")
	m.requests = newRequests()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: prefix + "build_info", Help: "1, with the version of the program.", ConstLabels: prometheus.Labels{"version": o.Version},
	})
	build.Set(1)

	m.registry.MustRegister(m.fleet, m.errors, m.cycles, m.duration, m.last, m.leader, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.requests.all()...)
	for _, class := range o.Classes {
		m.errors.WithLabelValues(class)
	}
	for _, scope := range []Scope{Whole, Part} {
		m.cycles.WithLabelValues(string(scope), done)
		m.cycles.WithLabelValues(string(scope), failed)
	}
	return m
}

// Handler answers scrapes, in the text format or in that of protocol buffers.
// It asks nobody who they are; wrap it where that matters.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})
}

// Lead tells that this replica does the work from now on.
func (m *Metrics) Lead() { m.leader.Set(1) }

// StandBy tells that another replica does the work. What this one last saw of
// the fleet is not reported any longer: it gets old, and the other reports it.
func (m *Metrics) StandBy() {
	m.leader.Set(0)
	m.fleet.forget()
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
}

func histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: prefix + name, Help: help, Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, labels)
}
