package update

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
)

// byApplication joins the errands that patch one Application: they share its
// parameters, and may not want one of them to be different.
func byApplication(es []*errand) map[argo.Key][]*errand {
	out := map[argo.Key][]*errand{}
	for _, e := range es {
		out[e.plan.App] = append(out[e.plan.App], e)
	}
	return out
}

// planPatches plans what is written to one Application itself.
func (u *Updater) planPatches(ctx context.Context, es []*errand) {
	slices.SortFunc(es, func(a, b *errand) int { return a.plan.Compare(b.plan) })
	if len(es) == 1 && es[0].intent.Declared() {
		return // nobody else wants these parameters to be different
	}
	files := map[string]plan.File{}
	for _, e := range es {
		f := e.intent.Site.ParametersFile()
		files[f.Path] = f
	}
	tree := plan.NewTree("", files)
	for _, e := range es {
		e.plan = plan.Build(e.intent, tree)
		u.limit(ctx, &e.plan)
		tree.Take(e.plan)
	}
}

// applyPatches patches one Application, once for each ImageUpdater that wants
// something of it.
func (u *Updater) applyPatches(ctx context.Context, plans []plan.Plan, results chan<- result) {
	for i, p := range plans {
		var err error
		if i > 0 { // the plan before has moved the Application
			p, err = u.replan(ctx, p)
		}
		if err == nil {
			p, err = u.applyPatch(ctx, p)
		}
		p.Items = slices.Clone(p.Items)
		switch {
		case err != nil:
			failAll(p.Items, err)
		case len(p.Files) > 0:
			succeed(p.Items)
		}
		results <- result{plan: p}
	}
}

// applyPatch patches an Application, trying again from a fresh read while
// others change it.
func (u *Updater) applyPatch(ctx context.Context, p plan.Plan) (plan.Plan, error) {
	tries, most := 1, cmp.Or(u.Options.Tries, 5)
	err := u.patch(ctx, p)
	for ; errors.Is(err, fault.ErrLostRace) && tries < most; tries++ {
		if err = u.wait(ctx, tries); err != nil {
			break
		}
		if p, err = u.replan(ctx, p); err != nil || len(p.Files) == 0 {
			break
		}
		err = u.patch(ctx, p)
	}
	if errors.Is(err, fault.ErrLostRace) {
		err = fmt.Errorf("%d tries, and each time somebody else changed the application first: %w", tries, err)
	}
	if errors.Is(err, fault.ErrNotFound) {
		err = fmt.Errorf("application %s was deleted meanwhile, and nothing was written: %w", p.App, errAppeared)
	}
	if len(p.Files) > 0 || err != nil {
		u.observe(Patched{App: p.App, Tries: tries, Err: err})
	}
	return p, err
}

// patch sends one patch and makes sure that the Application holds it: an
// admission webhook may have taken it out again.
func (u *Updater) patch(ctx context.Context, p plan.Plan) error {
	change, err := p.Patch()
	if err != nil || change == nil {
		return err
	}
	if err := u.mayWrite(ctx); err != nil {
		return err
	}
	sending, stop := u.graceful(ctx)
	defer stop()
	app, err := u.Writer.Patch(sending, *change)
	if err != nil {
		if sending.Err() != nil {
			err = fmt.Errorf("the patch was broken off at the end of the program, and whether it arrived is not known: %w", err)
		}
		return err
	}
	if !holds(u.rebuild(app, p), p) {
		return fmt.Errorf("application %s: the patch was accepted and %s does not hold it: look for an admission webhook that changes Applications: %w",
			p.App, p.Files[0].Path, fault.ErrRefused)
	}
	return nil
}

// holds reports whether all that a plan was to write is what is declared after
// it.
func holds(after, written plan.Plan) bool {
	for i, it := range written.Items {
		if it.State == plan.Pending && after.Items[i].State != plan.AlreadyDeclared {
			return false
		}
	}
	return true
}

// replan builds a plan of the same rules for the Application as it is now.
func (u *Updater) replan(ctx context.Context, p plan.Plan) (plan.Plan, error) {
	app, err := u.Writer.Get(ctx, p.App)
	if err != nil {
		return p, err
	}
	was := p.Intent.Application
	switch {
	case app.UID != was.UID:
		return p, fmt.Errorf("application %s: another application of this name was made meanwhile; the next cycle looks at it: %w", p.App, errAppeared)
	case !maps.Equal(askedBy(app), askedBy(was)), !maps.Equal(app.Labels, was.Labels):
		// Labels say whose rules hold for it, and whether it is ours at all.
		return p, fmt.Errorf("application %s: its annotations or labels were changed meanwhile; the next cycle reads them: %w", p.App, errAppeared)
	}
	again := u.rebuild(app, p)
	u.limit(ctx, &again)
	return again, nil
}

// askedBy are the annotations that say what is to be updated.
func askedBy(app argo.Application) map[string]string {
	out := map[string]string{}
	for key, value := range app.Annotations {
		if strings.HasPrefix(key, settings.Prefix) {
			out[key] = value
		}
	}
	return out
}

// rebuild builds the plan p again, for another state of its Application.
func (u *Updater) rebuild(app argo.Application, p plan.Plan) plan.Plan {
	w := &wish{app: app, by: p.ImageUpdater, update: p.Intent.Update, items: slices.Clone(p.Intent.Items)}
	e, done := u.errand(w)
	if done {
		return e.plan
	}
	f := e.intent.Site.ParametersFile()
	return plan.Build(e.intent, plan.NewTree("", map[string]plan.File{f.Path: f}))
}

// mayWrite is an error if nothing may be written any more.
func (u *Updater) mayWrite(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if u.MayWrite == nil {
		return nil
	}
	return u.MayWrite(ctx)
}

// refresh asks Argo CD to look at the Applications whose branches were pushed.
// That nobody could be asked loses nothing but time.
func (u *Updater) refresh(ctx context.Context, results map[owner]result) {
	if u.Writer == nil {
		return
	}
	apps := map[argo.Key]bool{}
	for _, r := range results {
		if r.commit != "" && r.plan.To.Head == r.plan.To.Base && !r.plan.Intent.Update.WriteBack.NoRefresh {
			apps[r.plan.App] = true
		}
	}
	var g errgroup.Group
	g.SetLimit(cmp.Or(u.Options.Concurrency, 10))
	for app := range apps {
		g.Go(func() error {
			err := u.mayWrite(ctx)
			if err == nil {
				err = u.Writer.Refresh(ctx, app)
			}
			u.observe(Refreshed{App: app, Err: err})
			return nil
		})
	}
	_ = g.Wait() // the functions return no error: each failure was observed
}
