package update

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
)

// desk is where the changes to one repository are worked out.
type desk struct {
	u      *Updater
	loc    plan.Location
	at     plan.Remote
	refs   plan.Refs
	rivals rivals
	heads  map[string][]headed // what goes to branches of our own, by their names
}

// headed are the errands that go from one base to a head.
type headed struct {
	base    string
	noop    bool // nothing of it is pushed
	files   map[string]plan.File
	errands []*errand
}

// planBase plans what is committed to the branch itself, and finds out what
// goes to branches of our own.
func (d desk) planBase(ctx context.Context, base string, es []*errand) {
	commit := d.refs.Branches[base]
	files, err := d.read(ctx, commit, es)
	if err != nil {
		for _, e := range es {
			failAll(e.plan.Items, err)
		}
		return
	}
	to := plan.Destination{Location: d.loc, Base: base, Head: base}
	var direct []*errand
	for _, e := range es {
		wb := e.intent.Update.WriteBack
		switch {
		case wb.Method == settings.MethodGitNoop && wb.Head == nil:
			// What is not pushed must not get into what others push.
			d.draft(ctx, to, plan.NewTree(commit, files), []*errand{e})
		case !pushesHeads(wb):
			direct = append(direct, e)
		default:
			if head, ok := d.head(base, plan.NewTree(commit, files), e); ok {
				d.join(head, base, files, e)
			}
		}
	}
	d.draft(ctx, to, plan.NewTree(commit, files), direct)
}

// head names the branch that an errand goes to: the name tells what would
// change on the base. It is not ok if nothing would.
func (d desk) head(base string, tree *plan.Tree, e *errand) (name string, ok bool) {
	if !pending(e.intent.Items) {
		return "", false
	}
	trial := d.u.build(plan.Destination{Location: d.loc, Base: base, Head: base}, tree, e)
	if len(trial.Files) == 0 {
		e.plan = trial
		return "", false
	}
	wb := e.intent.Update.WriteBack
	name, err := plan.HeadName(trial, wb)
	if d.rivals.clash(e) {
		name += "-" + base
	}
	if err == nil && name == base {
		err = fmt.Errorf("git-branch %q: the branch to push to is the base %s itself: name another", wb.Head, base)
	}
	if err != nil {
		failAll(e.plan.Items, err)
		return "", false
	}
	return name, true
}

func (d desk) join(head, base string, files map[string]plan.File, e *errand) {
	noop := e.intent.Update.WriteBack.Method == settings.MethodGitNoop
	for i, h := range d.heads[head] {
		if h.base == base && !noop && !h.noop {
			h.errands = append(h.errands, e)
			d.heads[head][i] = h
			return
		}
	}
	d.heads[head] = append(d.heads[head], headed{base: base, noop: noop, files: files, errands: []*errand{e}})
}

// planHeads plans what goes to branches of our own. Two bases never share a
// head.
func (d desk) planHeads(ctx context.Context) {
	for _, name := range sortedKeys(d.heads) {
		for _, h := range d.heads[name] {
			to := plan.Destination{Location: d.loc, Base: h.base, Head: name}
			if h.base != d.heads[name][0].base {
				h.fail(fmt.Errorf("branch %s is made from %s in this cycle: set %sgit-branch to give %s a template of its own",
					name, d.heads[name][0].base, settings.Prefix, h.base))
				continue
			}
			d.planHead(ctx, to, h)
		}
	}
}

func (h headed) fail(err error) {
	for _, e := range h.errands {
		failAll(e.plan.Items, err)
	}
}

// planHead builds on the head if it is there already, and then that is what is
// declared; otherwise on the base.
func (d desk) planHead(ctx context.Context, to plan.Destination, h headed) {
	at, files := d.refs.Branches[to.Base], h.files
	if commit, ok := d.refs.Branches[to.Head]; ok {
		var err error
		if files, err = d.read(ctx, commit, h.errands); err != nil {
			h.fail(err)
			return
		}
		at = commit
	} else if blocked := blocking(to.Head, d.refs); blocked != "" {
		h.fail(fmt.Errorf("branch %s cannot be made: there is a branch %s, and Git keeps one name either as a branch or as a folder of branches: set %sgit-branch-prefix",
			to.Head, blocked, settings.Prefix))
		return
	}
	d.draft(ctx, to, plan.NewTree(at, files), h.errands)
	for _, e := range h.errands {
		e.plan.Waits()
	}
}

// blocking finds a branch whose name is a folder of head's, or has head as its
// folder.
func blocking(head string, refs plan.Refs) string {
	for i, c := range head {
		if _, ok := refs.Branches[head[:i]]; ok && c == '/' {
			return head[:i]
		}
	}
	first := ""
	for name := range refs.Branches {
		if strings.HasPrefix(name, head+"/") && (first == "" || name < first) {
			first = name
		}
	}
	return first
}

// draft builds the plans of one branch, each on top of the one before.
func (d desk) draft(ctx context.Context, to plan.Destination, tree *plan.Tree, es []*errand) {
	slices.SortFunc(es, func(a, b *errand) int { return a.plan.Compare(b.plan) })
	for _, e := range es {
		if pending(e.intent.Items) {
			e.plan = d.u.build(to, tree, e)
			e.plan.Old = d.refs.Branches[to.Head]
			d.u.limit(ctx, &e.plan)
			tree.Take(e.plan)
		}
	}
}

// read gets all files that the errands look at, in one listing and one read,
// and resolves their sites. An errand whose place does not exist fails alone.
func (d desk) read(ctx context.Context, commit string, es []*errand) (map[string]plan.File, error) {
	recurse := map[string]bool{}
	for _, e := range es {
		dirs, err := e.intent.Site.Dirs()
		if err != nil {
			failAll(e.intent.Items, err)
		}
		for _, dir := range dirs {
			recurse[dir.Path] = recurse[dir.Path] || dir.Recurse
		}
	}
	dirs := make([]plan.Dir, 0, len(recurse))
	for _, path := range sortedKeys(recurse) {
		dirs = append(dirs, plan.Dir{Path: path, Recurse: recurse[path]})
	}
	listings, err := d.u.Git.List(ctx, d.at, commit, dirs)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range es {
		if !pending(e.intent.Items) {
			continue
		}
		resolved, err := e.intent.Site.Site.Files(listings)
		if err != nil {
			failAll(e.intent.Items, fmt.Errorf("repository %s: %w", d.loc, err))
			continue
		}
		e.intent.Site = resolved
		paths = append(paths, resolved.Paths()...)
	}
	slices.Sort(paths)
	return d.u.Git.Read(ctx, d.at, commit, slices.Compact(paths))
}

// build makes the plan of one errand on a tree, with its commit message.
func (u *Updater) build(to plan.Destination, tree *plan.Tree, e *errand) plan.Plan {
	p := plan.Build(e.intent, tree)
	p.To = to
	if len(p.Files) == 0 {
		return p
	}
	trailers := plan.WithTrailers
	if e.intent.Update.WriteBack.NoTrailers {
		trailers = plan.WithoutTrailers
	}
	var warning string
	p.Message, warning = plan.Message(u.Options.Message, p, trailers)
	if warning != "" {
		p.Warnings = append(slices.Clone(p.Warnings), warning)
	}
	return p
}
