package update

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
)

// errand is one Application whose updates are written somewhere.
type errand struct {
	intent   plan.Intent // its Site is resolved once the files are known
	location plan.Location
	base     string // the branch to read, once the refs are known
	// plan is the result. Until it is built its Items are those of the intent.
	plan plan.Plan
}

// planWrites turns the decisions into plans. Applications that write to one
// repository are planned together, repositories side by side.
func (u *Updater) planWrites(ctx context.Context, wishes, others []*wish) []plan.Plan {
	var plans []plan.Plan
	var open, patches []*errand
	r := rivals{}
	for _, w := range others {
		e, _ := u.errand(w)
		r.add(e)
	}
	for _, w := range wishes {
		e, done := u.errand(w)
		r.add(e)
		switch {
		case done:
			plans = append(plans, e.plan)
		case e.plan.Method.InGit():
			if err := u.access(ctx, e); err != nil {
				failAll(e.plan.Items, err)
				plans = append(plans, e.plan)
				continue
			}
			open = append(open, e)
		default:
			patches = append(patches, e)
		}
	}
	errands := u.byLocation(ctx, open)
	var g errgroup.Group
	g.SetLimit(cmp.Or(u.Options.Concurrency, 10))
	for loc, es := range errands {
		g.Go(func() error {
			u.planLocation(ctx, desk{u: u, loc: loc, rivals: r, heads: map[string][]headed{}}, es)
			return nil
		})
	}
	for _, es := range byApplication(patches) {
		g.Go(func() error {
			u.planPatches(ctx, es)
			return nil
		})
	}
	_ = g.Wait() // the functions return no error: each failure stands in the plans
	for _, e := range slices.Concat(open, patches) {
		plans = append(plans, e.plan)
	}
	slices.SortFunc(plans, plan.Plan.Compare)
	return plans
}

// shared is what Applications have in common that write to one repository
// together: its address, and the credential.
type shared struct {
	at   plan.Location
	from string // the place that Argo CD's credential comes from
}

// byLocation joins what is written to one repository by one credential, however
// the URL is spelled and whichever project asks; the location that sorts first
// is used.
func (u *Updater) byLocation(ctx context.Context, es []*errand) map[plan.Location][]*errand {
	keys := map[plan.Location]shared{}
	first := map[shared]plan.Location{}
	for _, e := range es {
		key, ok := keys[e.location]
		if !ok {
			key = u.shared(ctx, e.location)
			keys[e.location] = key
		}
		if known, ok := first[key]; !ok || e.location.Compare(known) < 0 {
			first[key] = e.location
		}
	}
	out := map[plan.Location][]*errand{}
	for _, e := range es {
		e.location = first[keys[e.location]]
		out[e.location] = append(out[e.location], e)
	}
	return out
}

// shared finds out whether Argo CD has a credential for the project alone. An
// error is told when the repository is looked at.
func (u *Updater) shared(ctx context.Context, at plan.Location) shared {
	key := shared{at: at.Key()}
	if at.Project == "" {
		return key
	}
	if auth, err := u.Credentials.Git(ctx, at); err == nil {
		key.at.Project, key.from = "", auth.From
	}
	return key
}

// errand tells where a wish is to be written. It is done already if there is
// nothing to write or no place to write to.
func (u *Updater) errand(w *wish) (e *errand, done bool) {
	wb := w.update.WriteBack
	e = &errand{plan: plan.Plan{
		App: w.app.Key, ImageUpdater: w.by, UID: w.app.UID, Origin: w.app.Origin, Method: wb.Method, Items: w.items, Warnings: w.update.Warnings, Err: w.err,
	}}
	if w.err != nil {
		return e, true
	}
	if wb.Method == settings.MethodArgoCD && u.Writer == nil {
		holdAll(w.items, "nothing is there to patch: the application comes from a manifest file; set "+
			settings.Prefix+"write-back-method to git to have the change committed")
		return e, true
	}
	choice := argo.Choice{Type: wb.Target.ImpliedType(), Files: wb.Method.InGit()}
	if choice.Files {
		choice.Repository = wb.Repository
	}
	chosen, err := w.app.Choose(choice)
	if err != nil {
		failAll(w.items, err)
		return e, true
	}
	e.intent = plan.Intent{Application: w.app, ImageUpdater: w.by, Update: w.update, Items: w.items}
	if !wb.Method.InGit() {
		e.intent.Site, err = plan.Parameters(w.app, chosen)
		switch {
		case errors.Is(err, plan.ErrUntyped):
			holdAll(w.items, err.Error())
		case err != nil:
			failAll(w.items, err)
		}
		return e, !pending(w.items)
	}
	e.intent.Site.Site = plan.Site{
		App: w.app.Key, Source: chosen.Source, SourceIndex: chosen.Index, Folder: chosen.Folder, Type: chosen.Type, Target: wb.Target, Namespace: u.Options.Namespace,
	}
	e.location = plan.Location{URL: chosen.Folder.RepoURL, Credential: wb.Credential}
	switch wb.Credential.Kind {
	case credential.Secret:
		e.location.Namespace = w.app.Namespace
	case credential.RepoCreds:
		e.location.Project = w.app.ProjectName()
	}
	return e, !pending(w.items)
}

func pending(items []plan.Item) bool {
	return slices.ContainsFunc(items, func(it plan.Item) bool { return it.State == plan.Pending })
}

func holdAll(items []plan.Item, reason string) {
	for i := range items {
		if items[i].State == plan.Pending {
			items[i].State, items[i].Reason = plan.Held, reason
		}
	}
}

func failAll(items []plan.Item, err error) {
	for i := range items {
		if items[i].State == plan.Pending {
			items[i].State, items[i].Err, items[i].Reason = plan.Failed, err, err.Error()
		}
	}
}

// planLocation plans everything that is written to one repository.
func (u *Updater) planLocation(ctx context.Context, d desk, es []*errand) {
	var err error
	if d.at, d.refs, err = u.look(ctx, d.loc); err != nil {
		for _, e := range es {
			failAll(e.plan.Items, err)
		}
		return
	}
	byBase := map[string][]*errand{}
	for _, e := range es {
		base, err := e.branch(d.refs)
		if err != nil {
			failAll(e.plan.Items, fmt.Errorf("repository %s: %w", d.loc, err))
			continue
		}
		e.base = base
		byBase[base] = append(byBase[base], e)
	}
	for _, base := range sortedKeys(byBase) {
		d.planBase(ctx, base, byBase[base])
	}
	d.planHeads(ctx)
}

func (u *Updater) look(ctx context.Context, loc plan.Location) (plan.Remote, plan.Refs, error) {
	auth, err := u.Credentials.Git(ctx, loc)
	if err != nil {
		return plan.Remote{}, plan.Refs{}, fmt.Errorf("credential of repository %s: %w", loc, err)
	}
	at := plan.Remote{URL: loc.URL, Auth: auth}
	refs, err := u.Git.Look(ctx, at)
	return at, refs, loggedIn(auth, err)
}

// loggedIn tells of a refused login which credential it was.
func loggedIn(auth credential.Git, err error) error {
	switch {
	case !errors.Is(err, fault.ErrDenied):
		return err
	case auth.From == "":
		return fmt.Errorf("%w (no credential was found for it)", err)
	}
	return fmt.Errorf("%w (credential %s)", err, auth.From)
}

// branch is the branch to read and build on. A targetRevision that is a tag, a
// commit or a version range is no place to commit to.
func (e *errand) branch(refs plan.Refs) (string, error) {
	name, key := e.intent.Update.WriteBack.Base, "git-branch"
	if name == "" {
		name, key = e.intent.Site.Folder.Revision, "targetRevision"
	}
	if name == "" || name == "HEAD" {
		if refs.Default == "" {
			return "", fmt.Errorf("%s %q: the repository names no default branch: set %sgit-branch", key, name, settings.Prefix)
		}
		return refs.Default, nil
	}
	name = strings.TrimPrefix(name, "refs/heads/")
	if _, ok := refs.Branches[name]; ok {
		return name, nil
	}
	what := "is no branch of the repository"
	if _, ok := refs.Tags[strings.TrimPrefix(name, "refs/tags/")]; ok {
		what = "is a tag, and nothing can be committed to a tag"
	}
	return "", fmt.Errorf("%s %q %s: set %sgit-branch to the branch to commit to", key, name, what, settings.Prefix)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
