package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"k8s.io/klog/v2"

	"argocd-image-updater/internal/argo/api"
	"argocd-image-updater/internal/argo/kube"
	"argocd-image-updater/internal/controller"
	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/metrics"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/registry"
	"argocd-image-updater/internal/update"
)

// watcher passes on what the rooms do: to metrics, to health, and to whoever
// looks at the terminal.
func (s *service) watcher() watcher {
	return watcher{
		line: observers{s, s.progress},
		requests: observed{
			kubernetes: func(r kube.Request) { s.metrics.KubernetesRequest(r.Code) },
			// Requests to an API are no sign of life of a cycle: watches make them, too.
			argocd:  func(address string, r api.Request) { s.metrics.ArgoCDRequest(address, r.Code) },
			changed: s.changed,
		},
		registry: func(o registry.Observation) {
			s.health.Progress()
			s.metrics.RegistryRequest(o.Registry, o.Status, o.Elapsed)
		},
		git: func(o git.Operation) {
			s.health.Progress()
			s.metrics.GitOperation(string(o.Kind), o.Elapsed, o.Err)
		},
	}
}

// Observe implements update.Observer.
func (s *service) Observe(e update.Event) {
	s.health.Progress()
	switch e := e.(type) {
	case update.CycleStarted:
		s.health.Listed()
		s.log.Info(fmt.Sprintf("Checking %d applications", e.Applications))
	case update.Refreshed:
		if e.Err != nil {
			s.log.Warn("Could not ask Argo CD to refresh, it looks when its own time comes", "application", e.App.String(), "error", e.Err)
		}
	}
}

// Planned implements controller.Report.
func (s *service) Planned(plans []plan.Plan) {
	s.progress.clear()
	s.report.planned(plans)
}

// Done implements controller.Report.
func (s *service) Done(c controller.Cycle) {
	s.c.forget()
	s.progress.clear()
	s.health.End(c.Err)
	problems := s.c.problems(c.Rules)
	for _, text := range problems {
		s.log.Log(context.Background(), s.report.once("problem "+text, text, slog.LevelError), "Could not read an object", "error", text)
	}
	for _, text := range s.c.source.notices() {
		s.log.Log(context.Background(), s.report.once("notice "+text, text, slog.LevelInfo), text)
	}
	if c.Err == nil {
		s.failures = s.report.applied(c.Outcomes, cycleFigures{applications: managed(c.Plans), problems: len(problems), took: c.Took})
		if !c.Partial() {
			s.report.forget()
		}
	} else if !errors.Is(c.Err, context.Canceled) {
		s.log.Error("Could not complete the cycle", "error", c.Err)
	}
	s.measure(c)
	if s.o.output == outputJSON && c.Err == nil {
		if err := writeJSON(s.out, map[string]any{"outcomes": viewOutcomes(c.Outcomes), "problems": problems}); err != nil {
			s.log.Error("Could not write the outcomes", "error", err)
		}
	}
}

// measure leaves out a cycle that was broken off: nothing failed then.
func (s *service) measure(c controller.Cycle) {
	if errors.Is(c.Err, context.Canceled) {
		return
	}
	scope := metrics.Whole
	if c.Partial() {
		scope = metrics.Part
	}
	s.metrics.CycleEnded(metrics.Cycle{
		Scope: scope, Begin: c.Began, Took: c.Took, Outcomes: c.Outcomes, Problems: s.c.source.problems(), Err: c.Err,
	})
}

// Trouble implements controller.Report.
func (s *service) Trouble(what string, err error) {
	s.log.Warn("Could not "+what, "error", err, "class", classify(err))
}

// classify is update.Classify in the words of metrics.
func classify(err error) string { return string(update.Classify(err)) }

func classNames() []string {
	return []string{string(update.Invalid), string(update.Denied), string(update.Transient), string(update.Conflict)}
}

// quietKubernetes has the Kubernetes client write into our log, where its own
// troubles are details: what they mean for us is told elsewhere.
func quietKubernetes(log *slog.Logger) {
	klog.SetSlogLogger(slog.New(lowered{log.Handler()}))
}

// leases speaks the words of the controller to a Lease of the cluster.
type leases struct{ lease *kube.Lease }

// Get implements controller.Leases.
func (l leases) Get(ctx context.Context) (controller.Lease, error) {
	r, err := l.lease.Get(ctx)
	return controller.Lease(r), err
}

// Put implements controller.Leases.
func (l leases) Put(ctx context.Context, r controller.Lease) error {
	return l.lease.Put(ctx, kube.LeaseRecord(r))
}
