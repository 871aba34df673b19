// Package argotest is what every source of Applications has to stand: the same
// Applications, put into whatever is behind an adapter, have to come out of it
// the same; patches touch what they name and nothing else; and of a server that
// does harm the adapter hands on an error, never half of an answer.
//
// A source that only reads runs the reading part. The package knows no adapter
// and no protocol: a test hands it a World.
package argotest

import (
	"context"
	"testing"
	"time"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/itest"
)

// Namespace is Argo CD's own in each World, and Foreign one that it also
// manages.
const (
	Namespace = "argocd"
	Foreign   = "team"
)

// Source gives Applications.
type Source interface {
	List(ctx context.Context) ([]argo.Application, error)
}

// Writer changes Applications where they live.
type Writer interface {
	Get(ctx context.Context, key argo.Key) (argo.Application, error)
	Patch(ctx context.Context, p argo.Patch) (argo.Application, error)
	Refresh(ctx context.Context, key argo.Key) error
}

// Projects gives AppProjects.
type Projects interface {
	Project(ctx context.Context, app argo.Application) (*argo.Project, error)
}

// World is an adapter and what is behind it, empty and in good health.
type World struct {
	// Source is the adapter.
	Source Source
	// Seed puts an Application or AppProject there, or another in its place.
	// Manifests are YAML, of one object each.
	Seed func(t testing.TB, manifest string)

	// Problems are the errors of single objects that the last List left out; nil
	// if there can be no such object.
	Problems func() []error
	// Projects are the AppProjects; nil if the adapter gives none.
	Projects Projects
	// Server is nil if the adapter only reads what lies there.
	Server *Server
}

// Server is a World's part for adapters that speak with a server.
type Server struct {
	// Writer is the adapter.
	Writer Writer
	// Raw is an Application as it is stored.
	Raw func(t testing.TB, key argo.Key) map[string]any
	// Refreshed reports whether Argo CD was asked to refresh an Application.
	Refreshed func(t testing.TB, key argo.Key) bool
	// Break lets all requests from now on, after skip good ones, suffer harm.
	Break func(skip int, harm itest.Harm)
	// Mend ends that.
	Mend func()
	// Pages is how many Applications more than one page holds; 0 if lists have
	// no pages.
	Pages int
}

// Run runs the suite; start makes a World for each of its tests.
func Run(t *testing.T, start func(t *testing.T) World) {
	t.Run("reads", func(t *testing.T) { reads(t, start(t)) })
	t.Run("reads what is there now", func(t *testing.T) { readsAgain(t, start(t)) })
	w := start(t)
	if w.Problems != nil {
		t.Run("one malformed Application", func(t *testing.T) { malformed(t, w) })
	}
	if w.Projects != nil {
		t.Run("projects", func(t *testing.T) { projects(t, start(t)) })
	}
	if w.Server == nil {
		return
	}
	t.Run("pages", func(t *testing.T) { pages(t, start(t)) })
	t.Run("reads one", func(t *testing.T) { readsOne(t, start(t)) })
	t.Run("patches", func(t *testing.T) { patches(t, start(t)) })
	t.Run("stale patches", func(t *testing.T) { stale(t, start(t)) })
	t.Run("what is not there", func(t *testing.T) { missing(t, start(t)) })
	t.Run("refreshes", func(t *testing.T) { refreshes(t, start(t)) })
	t.Run("harm", func(t *testing.T) { harm(t, start(t)) })
}

// contextOf ends with the test, and long before that if an adapter waits for
// ever.
func contextOf(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
