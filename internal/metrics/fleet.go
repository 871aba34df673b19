package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/plan"
)

// fleet is what is told of Applications and their images. It is a collector of
// its own because all of it changes at once, at the end of a cycle: no scrape
// sees half of a fleet, and an Application that is gone has left every metric.
type fleet struct {
	mu      sync.Mutex
	apps    map[argo.Key]tally
	watched int                // Applications in the last whole cycle
	images  map[plan.State]int // of the last whole cycle
	updated int                // since the program began, whatever became of the Applications

	descs fleetDescs
}

// tally are the figures of one Application.
type tally struct {
	seen    bool // in a whole cycle; before that the number of images is not known
	images  int
	updated int // since it is watched
	errors  int // since it is watched
}

type fleetDescs struct {
	watched, watchedTotal               *prometheus.Desc
	images, imagesWatched               *prometheus.Desc
	updated, imagesUpdated, imageErrors *prometheus.Desc
}

func newFleet() *fleet {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, labels, nil)
	}
	return &fleet{
		apps:   map[argo.Key]tally{},
		images: map[plan.State]int{},
		descs: fleetDescs{
			watched:       desc("applications_watched", "Applications that asked for updates in the last cycle over the whole fleet."),
			watchedTotal:  desc("applications_watched_total", "The same as applications_watched, under the incumbent's name."),
			images:        desc("images", "Images by what the last cycle over the whole fleet found of them.", "state"),
			imagesWatched: desc("images_watched_total", "Images of an Application in the last cycle over the whole fleet (incumbent's name).", "application"),
			updated:       desc("images_updated", "Image updates that were written."),
			imagesUpdated: desc("images_updated_total", "Image updates that were written for an Application (incumbent's name).", "application"),
			imageErrors:   desc("images_errors_total", "Errors of an Application and its images (incumbent's name).", "application"),
		},
	}
}

// add counts what happened in a cycle, and takes a whole one for the fleet as
// it is.
func (f *fleet) add(scope Scope, outcomes []plan.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range outcomes {
		t := f.apps[o.App]
		if o.State == plan.Updated {
			t.updated++
			f.updated++
		}
		if o.State == plan.Failed {
			t.errors++
		}
		f.apps[o.App] = t
	}
	if scope == Whole {
		f.see(outcomes)
	}
}

// see keeps the Applications that there are outcomes of, and no others.
func (f *fleet) see(outcomes []plan.Outcome) {
	apps := map[argo.Key]tally{}
	clear(f.images)
	for _, o := range outcomes {
		t, ok := apps[o.App]
		if !ok {
			t = f.apps[o.App]
			t.seen, t.images = true, 0
		}
		if o.Track != "" { // else it is an error of the Application as a whole
			t.images++
			f.images[o.State]++
		}
		apps[o.App] = t
	}
	f.apps, f.watched = apps, len(apps)
}

// forget drops what is known of the fleet.
func (f *fleet) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.apps)
	clear(f.images)
	f.watched = 0
}

// Describe implements prometheus.Collector.
func (f *fleet) Describe(out chan<- *prometheus.Desc) {
	d := f.descs
	for _, desc := range []*prometheus.Desc{d.watched, d.watchedTotal, d.images, d.imagesWatched, d.updated, d.imagesUpdated, d.imageErrors} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (f *fleet) Collect(out chan<- prometheus.Metric) {
	f.mu.Lock()
	defer f.mu.Unlock()
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, n int, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, kind, float64(n), labels...)
	}
	d := f.descs
	send(d.watched, prometheus.GaugeValue, f.watched)
	send(d.watchedTotal, prometheus.GaugeValue, f.watched)
	send(d.updated, prometheus.CounterValue, f.updated)
	for _, state := range plan.States() {
		send(d.images, prometheus.GaugeValue, f.images[state], state.String())
	}
	for app, t := range f.apps {
		name := app.String()
		if t.seen {
			send(d.imagesWatched, prometheus.GaugeValue, t.images, name)
		}
		send(d.imagesUpdated, prometheus.CounterValue, t.updated, name)
		send(d.imageErrors, prometheus.CounterValue, t.errors, name)
	}
}
