// Package controller runs the updater as a service: a cycle over the whole fleet
// at an interval, and small cycles in between for whatever somebody poked it
// about. Around each cycle it tells what became of the images: in the status of
// ImageUpdaters and in events, and there only what is new.
//
// It decides nothing about images and speaks no protocol of its own; status and
// events are functions of what a cycle returned. With several replicas only the
// leader runs cycles, and it asks again before each write whether it still is.
package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

// Cluster is where ImageUpdaters live and people look for events.
type Cluster interface {
	ImageUpdaters(ctx context.Context) ([]v1alpha1.ImageUpdater, error)
	// WriteStatus writes the status of the object and nothing else of it.
	WriteStatus(ctx context.Context, u v1alpha1.ImageUpdater) error
	// Release takes v1alpha1.Finalizer off the object, if it is there.
	Release(ctx context.Context, u v1alpha1.ImageUpdater) error
	Event(ctx context.Context, e Event) error
}

// Report is told of each cycle, in the order in which things happen.
type Report interface {
	// Planned tells what will be done.
	Planned(plans []plan.Plan)
	// Done tells what became of it. It is called once for each cycle, also for
	// one that came to nothing.
	Done(c Cycle)
	// Trouble tells of something that went wrong beside the updates.
	Trouble(what string, err error)
}

// Cycle is what one cycle did.
type Cycle struct {
	Began    time.Time
	Took     time.Duration
	Pokes    []update.Poke // what it was about; none for the whole fleet
	Rules    settings.Rules
	Plans    []plan.Plan
	Outcomes []plan.Outcome
	// Err is set if the cycle came to nothing.
	Err error
}

// Partial reports whether the cycle was about a part of the fleet only.
func (c Cycle) Partial() bool { return len(c.Pokes) > 0 }

// about reports of an owner whether the cycle would have found it if it were
// there.
func (c Cycle) about() func(owner) bool {
	asked := map[update.Poke]bool{}
	for _, p := range c.Pokes {
		asked[p] = true
	}
	return func(o owner) bool {
		return !c.Partial() || asked[update.Poke{App: o.app}] || asked[update.Poke{ImageUpdater: o.imageUpdater}]
	}
}

// saw reports whether the cycle looked at all that an ImageUpdater governs.
func (c Cycle) saw(imageUpdater argo.Key) bool {
	return !c.Partial() || slices.Contains(c.Pokes, update.Poke{ImageUpdater: imageUpdater})
}

// Options of a Controller.
type Options struct {
	// Interval is the time from the start of one whole cycle to the next.
	Interval time.Duration
	// DryRun: plan, and write nothing.
	DryRun bool
	// NoEvents: write no events.
	NoEvents bool
	// Gap is the least time between the starts of two cycles that were poked;
	// 0 is 1 s. A first poke is answered at once.
	Gap time.Duration
	// Before is called before each cycle; nil does nothing.
	Before func()
	// Clock is nil for time.Now.
	Clock func() time.Time
}

// Controller runs cycles. Its methods but Poke are called from one goroutine.
type Controller struct {
	Updater *update.Updater
	// Cluster is nil without one: then nobody but Report is told.
	Cluster Cluster
	Report  Report
	Options Options

	pokes    pokes
	answered time.Time // when a poked cycle began last
	ledger   ledger
	broken   map[argo.Key]string // what was told of specs that cannot be used
}

// Poke asks for a cycle about one thing. It never blocks.
func (c *Controller) Poke(p update.Poke) { c.pokes.add(p) }

// Run runs cycles until the context ends. A cycle that takes longer than the
// interval delays the next one and never overlaps it.
func (c *Controller) Run(ctx context.Context) {
	ticker := time.NewTicker(c.Options.Interval)
	defer ticker.Stop()
	c.whole(ctx)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			c.whole(ctx)
		case <-c.pokes.arrived():
			c.answer(ctx)
		}
	}
}

// whole runs a cycle over the whole fleet, which answers all pokes so far.
func (c *Controller) whole(ctx context.Context) {
	c.pokes.take()
	c.Cycle(ctx, nil)
}

// answer runs a cycle for what was poked. Those that come in a burst wait for
// the gap to pass and share one.
func (c *Controller) answer(ctx context.Context) {
	wait := time.NewTimer(c.answered.Add(cmp.Or(c.Options.Gap, time.Second)).Sub(c.now()))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return
	case <-wait.C:
	}
	c.answered = c.now()
	switch poked, ok := c.pokes.take(); {
	case !ok:
		c.Cycle(ctx, nil)
	case len(poked) > 0:
		c.Cycle(ctx, poked)
	}
}

// Cycle runs one cycle, about what was poked or about the whole fleet.
func (c *Controller) Cycle(ctx context.Context, poked []update.Poke) Cycle {
	if c.Options.Before != nil {
		c.Options.Before()
	}
	done := Cycle{Began: c.now(), Pokes: c.ledger.widen(poked)}
	objects, rules, err := c.rules(ctx)
	done.Rules = rules
	c.release(ctx, objects)
	if err == nil {
		done.Plans, err = c.Updater.Plan(ctx, update.Selection{Rules: rules, Pokes: done.Pokes})
	}
	if err != nil {
		done.Err, done.Took = err, c.now().Sub(done.Began)
		c.Report.Done(done)
		return done
	}
	c.Report.Planned(done.Plans)
	done.Outcomes = plan.Outcomes(done.Plans)
	if !c.Options.DryRun {
		done.Outcomes = c.Updater.Apply(ctx, done.Plans)
	}
	done.Took = c.now().Sub(done.Began)
	c.Report.Done(done)
	c.tell(ctx, done, objects)
	return done
}

// rules reads the ImageUpdaters.
func (c *Controller) rules(ctx context.Context) ([]v1alpha1.ImageUpdater, settings.Rules, error) {
	if c.Cluster == nil {
		return nil, settings.Rules{}, nil
	}
	objects, err := c.Cluster.ImageUpdaters(ctx)
	if err != nil {
		return nil, settings.Rules{}, err
	}
	return objects, settings.CompileRules(objects, c.Updater.Options.Defaults), nil
}

// maxTold bounds how many objects and events are written at once.
const maxTold = 10

// release lets ImageUpdaters be deleted that the incumbent has put its finalizer
// on: nobody else takes it off.
func (c *Controller) release(ctx context.Context, objects []v1alpha1.ImageUpdater) {
	if c.Options.DryRun {
		return
	}
	var g errgroup.Group
	g.SetLimit(maxTold)
	for _, u := range objects {
		g.Go(func() error {
			c.trouble(ctx, fmt.Sprintf("take the finalizer %s off ImageUpdater %s/%s", v1alpha1.Finalizer, u.Namespace, u.Name), c.Cluster.Release(ctx, u))
			return nil
		})
	}
	_ = g.Wait() // the functions return no error: each was reported
}

// tell writes what is new into statuses and events. What cannot be written is
// trouble; a status is then written by the next cycle, an event by none.
func (c *Controller) tell(ctx context.Context, done Cycle, objects []v1alpha1.ImageUpdater) {
	if c.Cluster == nil {
		return
	}
	if !c.ledger.warm {
		for _, u := range objects {
			c.ledger.recall(u)
		}
	}
	changes := c.ledger.enter(done.Plans, done.Outcomes, done)
	c.ledger.warm = c.ledger.warm || !done.Partial()
	if c.Options.DryRun {
		return
	}
	broken := brokenRules(done.Rules)
	var g errgroup.Group
	g.SetLimit(maxTold)
	for _, u := range c.statuses(done, objects, broken) {
		g.Go(func() error {
			c.trouble(ctx, fmt.Sprintf("write the status of ImageUpdater %s/%s", u.Namespace, u.Name), c.Cluster.WriteStatus(ctx, u))
			return nil
		})
	}
	for _, e := range c.events(changes, objects, broken) {
		g.Go(func() error {
			c.trouble(ctx, fmt.Sprintf("write an event of %s %s", e.Kind, e.Object), c.Cluster.Event(ctx, e))
			return nil
		})
	}
	_ = g.Wait() // the functions return no error: each was reported
}

// trouble reports an error, unless it is that the program ends.
func (c *Controller) trouble(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		c.Report.Trouble(what, err)
	}
}

// statuses are the objects whose status has something new to say.
func (c *Controller) statuses(done Cycle, objects []v1alpha1.ImageUpdater, broken map[argo.Key]error) []v1alpha1.ImageUpdater {
	governed := c.ledger.governed()
	c.ledger.remember(done.Outcomes, objects, c.now())
	var out []v1alpha1.ImageUpdater
	for _, u := range objects {
		key := argo.Key{Namespace: u.Namespace, Name: u.Name}
		switch {
		case u.DeletionTimestamp != nil:
			continue // it says nothing any more, and may be gone by now
		case u.Generation != u.Status.ObservedGeneration && !done.saw(key):
			continue // nobody has looked yet at what it asks for now
		}
		f := finding{object: u, broken: broken[key], ledger: &c.ledger, governed: governed[key], now: c.now()}
		if status := f.status(); !equality.Semantic.DeepEqual(status, u.Status) {
			u.Status = status
			out = append(out, u)
		}
	}
	return out
}

// events are what is to be told of changes, and of specs that cannot be used
// since now.
func (c *Controller) events(changes []change, objects []v1alpha1.ImageUpdater, broken map[argo.Key]error) []Event {
	if c.Options.NoEvents {
		return nil
	}
	var out []Event
	for _, ch := range changes {
		out = append(out, ch.events()...)
	}
	told := map[argo.Key]string{}
	for _, u := range objects {
		key := argo.Key{Namespace: u.Namespace, Name: u.Name}
		err := broken[key]
		if err == nil {
			continue
		}
		told[key] = v1alpha1.Cut(err.Error(), v1alpha1.MaxReason)
		before := meta.FindStatusCondition(u.Status.Conditions, conditionStalled) // of another process
		if c.broken[key] != told[key] && (before == nil || before.Message != told[key]) {
			out = append(out, Event{
				APIVersion: v1alpha1.GroupVersion().String(), Kind: v1alpha1.Kind, Object: key, UID: string(u.UID), Warning: true, Reason: eventBroken, Message: told[key],
			})
		}
	}
	c.broken = told
	return out
}

func brokenRules(rules settings.Rules) map[argo.Key]error {
	out := map[argo.Key]error{}
	for _, b := range rules.Broken() {
		out[b.ImageUpdater] = b.Err
	}
	return out
}

func (c *Controller) now() time.Time {
	if c.Options.Clock != nil {
		return c.Options.Clock()
	}
	return time.Now()
}
