package update

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
)

// Apply writes what the plans say and tells what became of every Track, in the
// order of the plans. Branches of one repository are pushed one after the
// other, repositories side by side. A push that another writer overtook is
// made again from a fresh read; nothing is ever forced.
func (u *Updater) Apply(ctx context.Context, plans []plan.Plan) []plan.Outcome {
	final := map[owner]result{}
	var pushes []plan.Plan
	patches := map[argo.Key][]plan.Plan{}
	for _, p := range plans {
		switch {
		case p.Method == settings.MethodGitNoop, len(p.Files) == 0:
		case p.Method.InGit():
			pushes = append(pushes, p)
		default:
			patches[p.App] = append(patches[p.App], p)
		}
	}
	byLocation := map[plan.Location][]plan.Changeset{}
	for _, c := range plan.Group(pushes) {
		byLocation[c.To.Location] = append(byLocation[c.To.Location], c)
	}
	var g errgroup.Group
	g.SetLimit(cmp.Or(u.Options.Concurrency, 10))
	results := make(chan result, len(plans))
	for _, changesets := range byLocation {
		g.Go(func() error {
			for _, c := range changesets {
				u.applyChangeset(ctx, c, results)
			}
			return nil
		})
	}
	for _, ps := range patches {
		g.Go(func() error {
			u.applyPatches(ctx, ps, results)
			return nil
		})
	}
	_ = g.Wait() // the functions return no error: each failure stands in the results
	close(results)
	for r := range results {
		final[ownerOf(r.plan)] = r
	}
	u.refresh(ctx, final)
	var out []plan.Outcome
	for _, p := range plans {
		r, ok := final[ownerOf(p)]
		if !ok {
			r = result{plan: p}
		}
		out = append(out, r.plan.Outcomes(r.commit)...)
	}
	return out
}

// owner tells plans of one cycle apart.
type owner struct{ app, imageUpdater argo.Key }

func ownerOf(p plan.Plan) owner { return owner{p.App, p.ImageUpdater} }

// result is a plan after its push.
type result struct {
	plan   plan.Plan
	commit string
}

// applyChangeset pushes one branch, trying again while others get there first.
func (u *Updater) applyChangeset(ctx context.Context, c plan.Changeset, results chan<- result) {
	tries, most := 1, cmp.Or(u.Options.Tries, 5)
	commits := c.Commits(u.commitOptions())
	ids, err := u.push(ctx, c, commits)
	for ; errors.Is(err, fault.ErrLostRace) && tries < most; tries++ {
		if err = u.wait(ctx, tries); err != nil {
			break
		}
		if c, err = u.again(ctx, c); err != nil {
			break
		}
		if commits = c.Commits(u.commitOptions()); len(commits) == 0 {
			break
		}
		ids, err = u.push(ctx, c, commits)
	}
	if errors.Is(err, fault.ErrLostRace) {
		err = fmt.Errorf("%d tries, and each time somebody else pushed first: %w", tries, err)
	}
	if len(commits) > 0 || err != nil {
		u.observe(Pushed{To: c.To, Commits: len(commits), Tries: tries, Err: err})
	}
	for _, p := range c.Plans {
		p.Items = slices.Clone(p.Items)
		r := result{plan: p}
		switch {
		case err != nil:
			failAll(p.Items, err)
		case len(p.Files) > 0:
			succeed(p.Items)
			r.commit = ids[0]
			if len(ids) > 1 { // one for each plan that changes anything
				ids = ids[1:]
			}
		}
		results <- r
	}
}

func succeed(items []plan.Item) {
	for i := range items {
		if items[i].State == plan.Pending {
			items[i].State = plan.Updated
		}
	}
}

func (u *Updater) commitOptions() plan.CommitOptions {
	return plan.CommitOptions{Author: u.Options.Author, When: u.now(), Grouping: u.Options.Grouping}
}

// push pushes commits to the head, if it still is where it was read. Once
// begun it is not broken off by the end of ctx, only by Grace after it.
func (u *Updater) push(ctx context.Context, c plan.Changeset, commits []plan.Commit) ([]string, error) {
	auth, err := u.Credentials.Git(ctx, c.To.Location)
	if err != nil {
		return nil, fmt.Errorf("credential of repository %s: %w", c.To.Location, err)
	}
	if err := u.mayWrite(ctx); err != nil {
		return nil, err
	}
	sending, stop := u.graceful(ctx)
	defer stop()
	ids, err := u.Git.Push(sending, plan.Remote{URL: c.To.URL, Auth: auth},
		plan.Push{Branch: c.To.Head, Old: c.Old, Parent: c.At, Commits: commits})
	if err != nil && sending.Err() != nil {
		err = fmt.Errorf("the push was broken off at the end of the program, and whether the branch moved is not known: %w", err)
	}
	return ids, loggedIn(auth, err)
}

// graceful is a context that outlives ctx by Grace.
func (u *Updater) graceful(ctx context.Context) (context.Context, func()) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	grace := cmp.Or(u.Options.Grace, 4*time.Second)
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(out, func() { timer.Stop() })
	})
	return out, func() { stop(); cancel() }
}

// wait lets the other writers finish: a random part of a span that doubles.
func (u *Updater) wait(ctx context.Context, tries int) error {
	span := cmp.Or(u.Options.Backoff, 200*time.Millisecond) << (tries - 1)
	timer := time.NewTimer(rand.N(span) + 1)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// again reads the branch as it is now and applies the same intents to it. The
// head keeps its name.
func (u *Updater) again(ctx context.Context, c plan.Changeset) (plan.Changeset, error) {
	at, refs, err := u.look(ctx, c.To.Location)
	if err != nil {
		return c, err
	}
	commit, ok := refs.Branches[c.To.Head]
	switch {
	case ok && c.Old == "":
		// Whoever made it need not have made it from our base.
		return c, fmt.Errorf("branch %s of %s was made by somebody else meanwhile; the next cycle looks at it: %w", c.To.Head, c.To.Location, errAppeared)
	case !ok:
		if commit, ok = refs.Branches[c.To.Base]; !ok {
			return c, fmt.Errorf("branch %s of %s is gone: %w", c.To.Base, c.To.Location, fault.ErrNotFound)
		}
	}
	d := desk{u: u, loc: c.To.Location, at: at, refs: refs}
	es := make([]*errand, 0, len(c.Plans))
	for _, p := range c.Plans {
		in := *p.Intent
		in.Items = slices.Clone(in.Items)
		// Nothing of the first plan may be left: it was made from other files.
		p.Items, p.Files, p.Message, p.Warnings = in.Items, nil, "", in.Update.Warnings
		es = append(es, &errand{intent: in, plan: p})
	}
	files, err := d.read(ctx, commit, es)
	if err != nil {
		return c, err
	}
	d.draft(ctx, c.To, plan.NewTree(commit, files), es)
	out := plan.Changeset{To: c.To, At: commit, Old: refs.Branches[c.To.Head]}
	for _, e := range es {
		out.Plans = append(out.Plans, e.plan)
	}
	return out, nil
}
