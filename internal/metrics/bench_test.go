package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/metrics"
	"argocd-image-updater/internal/plan"
)

// BenchmarkScrape is one answer about 10,000 Applications, which is 30,000
// series; BenchmarkCycle is the end of a cycle over them.
func BenchmarkScrape(b *testing.B) {
	m := metrics.New(metrics.Options{})
	m.CycleEnded(large())
	handler := m.Handler()
	b.ReportAllocs()
	for b.Loop() {
		answer := httptest.NewRecorder()
		answer.Body = nil // nobody reads it
		handler.ServeHTTP(answer, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil))
	}
}

func BenchmarkCycle(b *testing.B) {
	m, c := metrics.New(metrics.Options{}), large()
	b.ReportAllocs()
	for b.Loop() {
		m.CycleEnded(c)
	}
}

func large() metrics.Cycle {
	c := metrics.Cycle{Scope: metrics.Whole}
	for i := range 10_000 {
		app := argo.Key{Namespace: "argocd", Name: fmt.Sprintf("application-%05d", i)}
		for _, track := range []string{"web", "api"} {
			c.Outcomes = append(c.Outcomes, plan.Outcome{App: app, Item: plan.Item{Track: track, State: plan.AlreadyDeclared}})
		}
	}
	return c
}
