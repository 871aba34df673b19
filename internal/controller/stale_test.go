package controller

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
)

// late is a cluster that tells of its objects what they were at first, as a
// watch does that has not caught up, and may refuse to store statuses.
type late struct {
	*cluster
	refuse bool
}

func (l *late) WriteStatus(ctx context.Context, u v1alpha1.ImageUpdater) error {
	if l.refuse {
		return errors.New("nobody answers")
	}
	return l.cluster.WriteStatus(ctx, u)
}

func governed(state plan.State) (plan.Plan, plan.Outcome) {
	ref, _ := image.ParseRef("reg.example.com/a")
	p := plan.Plan{App: argo.Key{Namespace: "argocd", Name: "web"}, ImageUpdater: argo.Key{Namespace: "argocd", Name: "iu"}}
	o := plan.Outcome{App: p.App, ImageUpdater: p.ImageUpdater, Item: plan.Item{Track: "a", Alias: "a", Image: ref, New: ref.With("1.1.0", ""), State: state}}
	p.Items = []plan.Item{o.Item}
	return p, o
}

// What was updated stays told, also if the first attempt to tell it failed, and
// if the next cycle reads the object as it was before.
func TestUpdatesAreToldThoughTheObjectIsOld(t *testing.T) {
	for name, refuse := range map[string]bool{"written": false, "refused at first": true} {
		t.Run(name, func(t *testing.T) {
			old := v1alpha1.ImageUpdater{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "iu"}}
			k := &late{cluster: &cluster{objects: map[string]v1alpha1.ImageUpdater{"iu": old}}, refuse: refuse}
			now := start
			c := &Controller{Cluster: k, Report: &report{}, Options: Options{Clock: func() time.Time { return now }}}
			for _, state := range []plan.State{plan.Updated, plan.AlreadyDeclared} {
				now = now.Add(time.Minute)
				p, o := governed(state)
				c.tell(t.Context(), Cycle{Began: now, Plans: []plan.Plan{p}, Outcomes: []plan.Outcome{o}}, []v1alpha1.ImageUpdater{old})
				k.refuse = false
			}
			got := k.objects["iu"].Status
			if len(got.RecentUpdates) != 1 || minute(got.LastUpdatedAt) != "1" {
				t.Errorf("updated at %s: %v", minute(got.LastUpdatedAt), got.RecentUpdates)
			}
		})
	}
}

// A status is of the generation that was looked at: a cycle about something else
// does not say that a new spec was seen.
func TestObservedGenerationWasObserved(t *testing.T) {
	u := v1alpha1.ImageUpdater{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "iu", Generation: 1}}
	k := &cluster{objects: map[string]v1alpha1.ImageUpdater{"iu": u}}
	c := &Controller{Cluster: k, Report: &report{}}
	observed := func(pokes ...update.Poke) int64 {
		p, o := governed(plan.AlreadyDeclared)
		u.Status = k.objects["iu"].Status
		c.tell(t.Context(), Cycle{Pokes: pokes, Plans: []plan.Plan{p}, Outcomes: []plan.Outcome{o}}, []v1alpha1.ImageUpdater{u})
		return k.objects["iu"].Status.ObservedGeneration
	}
	if got := observed(); got != 1 {
		t.Errorf("a whole cycle observed generation %d, want 1", got)
	}
	u.Generation = 2
	if got := observed(update.Poke{App: argo.Key{Namespace: "argocd", Name: "web"}}); got != 1 {
		t.Errorf("a cycle about an Application observed generation %d, want 1", got)
	}
	if got := observed(update.Poke{ImageUpdater: argo.Key{Namespace: "argocd", Name: "iu"}}); got != 2 {
		t.Errorf("a cycle about the ImageUpdater observed generation %d, want 2", got)
	}
}

// A whole cycle answers what was poked before it, and pokes without end are
// answered by one.
func TestPokesAreBounded(t *testing.T) {
	r := &report{}
	ctx, cancel := context.WithCancel(t.Context())
	c := &Controller{Updater: &update.Updater{Applications: applications{}}, Report: r, Options: Options{Interval: time.Hour, Gap: time.Nanosecond}}
	poke := func(n int) {
		for i := range n {
			c.Poke(update.Poke{App: argo.Key{Name: strconv.Itoa(i)}})
		}
	}
	poke(10) // while standing by
	c.Options.Before = func() {
		switch len(r.cycles) {
		case 0:
			poke(10 * maxPokes)
		case 1:
			if len(c.pokes.waiting)+len(c.pokes.seen) > 0 {
				t.Error("pokes wait that were answered")
			}
			cancel()
		}
	}
	c.Run(ctx)
	for _, done := range r.cycles {
		if done.Partial() {
			t.Errorf("a cycle about %d things, want one about everything", len(done.Pokes))
		}
	}
	if len(r.cycles) != 2 {
		t.Errorf("%d cycles, want 2", len(r.cycles))
	}
}

// A failure that passes keeps its words and its time while it is the same but
// for numbers, over a restart too; one that has another cause says so.
func TestReasonsAreThoseOfNow(t *testing.T) {
	u := v1alpha1.ImageUpdater{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "iu"}}
	k := &cluster{objects: map[string]v1alpha1.ImageUpdater{"iu": u}}
	long := strings.Repeat("long ", v1alpha1.MaxReason)
	var c *Controller
	now := start
	for i, step := range []struct {
		reason, since string
		restart       bool
	}{
		{"registry: port 1234 refused", "1", true}, {"registry: port 987 refused", "1", false}, {"git: port 987 refused", "3", false},
		{long, "4", false}, {long, "4", false}, {long, "4", true},
	} {
		if step.restart {
			c = &Controller{Cluster: k, Report: &report{}, Options: Options{Clock: func() time.Time { return now }}}
		}
		now = now.Add(time.Minute)
		p, o := governed(plan.Failed)
		o.Err = classed{step.reason, fault.ErrUnavailable}
		o.Reason = step.reason
		c.tell(t.Context(), Cycle{Began: now, Plans: []plan.Plan{p}, Outcomes: []plan.Outcome{o}}, []v1alpha1.ImageUpdater{k.objects["iu"]})
		img := k.objects["iu"].Status.Applications[0].Images[0]
		if same := wordsOf(img.Reason) == wordsOf(v1alpha1.Cut(step.reason, v1alpha1.MaxReason)); !same || minute(img.Since) != step.since {
			t.Errorf("step %d: since %s: %.60s", i, minute(img.Since), img.Reason)
		}
	}
}
