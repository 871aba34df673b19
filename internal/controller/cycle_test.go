package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

// applications are a source; an error is given instead of them.
type applications struct {
	apps []argo.Application
	err  error
}

func (a applications) List(context.Context) ([]argo.Application, error) { return a.apps, a.err }

// misspelt is an Application whose strategy there is not.
func misspelt() argo.Application {
	return argo.Application{Key: argo.Key{Namespace: "argocd", Name: "web"}, Annotations: map[string]string{
		settings.Prefix + "image-list": "a=nginx", settings.Prefix + "a.update-strategy": "best",
	}}
}

// report keeps what a Controller reports.
type report struct {
	mu     sync.Mutex
	cycles []Cycle
	said   []string
}

func (r *report) Planned([]plan.Plan) {}

func (r *report) Done(c Cycle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cycles = append(r.cycles, c)
}

func (r *report) Trouble(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf("%s: %v", what, err))
}

// What comes while a cycle runs waits for its end and shares the next one.
func TestPokesShareCycles(t *testing.T) {
	began, goOn := make(chan bool), make(chan bool)
	r := &report{}
	c := &Controller{Updater: &update.Updater{Applications: applications{}}, Report: r, Options: Options{
		Interval: time.Hour, Gap: time.Nanosecond, Before: func() { began <- true; <-goOn },
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { c.Run(ctx); close(ended) }()
	poke := func(i int) { c.Poke(update.Poke{App: argo.Key{Name: fmt.Sprint(i)}}) }
	<-began // the first cycle, over everything
	goOn <- true
	poke(0)
	<-began
	for i := range 1000 {
		poke(i)
		poke(i) // and each thing counts once
	}
	goOn <- true
	<-began
	goOn <- true
	cancel()
	<-ended
	if len(r.cycles) != 3 || len(r.cycles[1].Pokes) != 1 || len(r.cycles[2].Pokes) != 1000 {
		t.Errorf("%d cycles", len(r.cycles))
		for _, c := range r.cycles {
			t.Errorf("a cycle about %d pokes", len(c.Pokes))
		}
	}
}

func withFinalizer() *cluster {
	u := v1alpha1.ImageUpdater{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "iu", Finalizers: []string{v1alpha1.Finalizer}}}
	u.Spec.ApplicationRefs = []v1alpha1.ApplicationRef{{NamePattern: "["}}
	return &cluster{objects: map[string]v1alpha1.ImageUpdater{"iu": u}}
}

// A dry run tells nobody but its report, and events can be switched off.
func TestWhoIsTold(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		want    []string
	}{
		"all":       {Options{}, []string{"event of Application web: Warning UpdateInvalid", "event of ImageUpdater iu: Warning InvalidSpec", "released iu", "status of iu"}},
		"no events": {Options{NoEvents: true}, []string{"released iu", "status of iu"}},
		"dry run":   {Options{DryRun: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			k, r := withFinalizer(), &report{}
			c := &Controller{Updater: &update.Updater{Applications: applications{apps: []argo.Application{misspelt()}}}, Cluster: k, Report: r, Options: test.options}
			done := c.Cycle(t.Context(), nil)
			if len(done.Outcomes) != 1 || done.Outcomes[0].State != plan.Failed || len(r.cycles) != 1 {
				t.Errorf("outcomes %v, %d reports", done.Outcomes, len(r.cycles))
			}
			var got []string
			for line := range strings.Lines(k.take()) {
				if !strings.HasPrefix(line, " ") {
					got = append(got, line)
				}
			}
			if len(got) != len(test.want) {
				t.Fatalf("written: %q, want %q", got, test.want)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("written: %q, want %q", got[i], want)
				}
			}
		})
	}
}

// A cycle that comes to nothing is reported, changes nothing that is told, and
// still lets go of what is to be deleted.
func TestCycleThatComesToNothing(t *testing.T) {
	k, r := withFinalizer(), &report{}
	gone := errors.New("nobody answers")
	c := &Controller{Updater: &update.Updater{Applications: applications{err: gone}}, Cluster: k, Report: r}
	if done := c.Cycle(t.Context(), nil); !errors.Is(done.Err, gone) || len(r.cycles) != 1 {
		t.Errorf("%v, %d reports", done.Err, len(r.cycles))
	}
	if got := k.take(); got != "released iu\n" {
		t.Errorf("written: %q", got)
	}
}

// refusing is a cluster that takes no status.
type refusing struct{ *cluster }

func (refusing) WriteStatus(context.Context, v1alpha1.ImageUpdater) error {
	return errors.New("forbidden")
}

// What cannot be written is trouble, and tried again.
func TestTrouble(t *testing.T) {
	k, r := withFinalizer(), &report{}
	c := &Controller{Updater: &update.Updater{Applications: applications{}}, Cluster: refusing{k}, Report: r}
	c.Cycle(t.Context(), nil)
	c.Cycle(t.Context(), nil)
	const want = "write the status of ImageUpdater argocd/iu: forbidden"
	if len(r.said) != 2 || r.said[0] != want || r.said[1] != want {
		t.Errorf("trouble: %q, want %q twice", r.said, want)
	}
}
