package update

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
)

// wish is one Application on its way through the line.
type wish struct {
	app    argo.Application
	by     argo.Key // the ImageUpdater whose rules they are; zero for annotations
	update settings.Update
	items  []plan.Item
	err    error
}

// Plan reads the world and works out what should be changed. It returns one
// Plan for each Application that asks for updates, sorted by namespace and
// name; what went wrong for one of them stands in its Plan. The error is one
// that left nothing to plan: the Applications could not be listed, nothing
// matches the selection, or the context ended.
func (u *Updater) Plan(ctx context.Context, sel Selection) ([]plan.Plan, error) {
	wishes, others, err := u.wishes(ctx, sel)
	if err != nil {
		return nil, err
	}
	questions := u.questions(wishes)
	u.observe(CycleStarted{Applications: managed(wishes), Images: len(questions)})
	u.decide(ctx, questions, sel)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	plans := u.planWrites(ctx, wishes, others)
	return plans, ctx.Err()
}

// wishes compiles the settings of every Application that asks for updates:
// those that are selected, and the others, which are not planned but may have a
// say.
func (u *Updater) wishes(ctx context.Context, sel Selection) (out, others []*wish, err error) {
	apps, err := u.Applications.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	wanted := sel.filter()
	for _, app := range apps {
		ws := u.wishesOf(app, sel.Rules)
		if wanted.admits(app.Key, ws) {
			out = append(out, ws...)
		} else {
			others = append(others, ws...)
		}
	}
	if len(out) == 0 && sel.App != "" {
		return nil, nil, fmt.Errorf("application %q: none of the %d applications that were read has this name and asks for updates, by the annotation %simage-list or through an ImageUpdater",
			sel.App, len(apps), settings.Prefix)
	}
	if len(sel.Pokes) > 0 {
		out, others = u.joined(out, others)
	}
	slices.SortFunc(out, func(a, b *wish) int { return cmp.Or(a.app.Compare(b.app.Key), a.by.Compare(b.by)) })
	return out, others, nil
}

// wishesOf are what one Application asks for: one wish for each ImageUpdater
// that claims it, or that of its own annotations.
func (u *Updater) wishesOf(app argo.Application, rules settings.Rules) []*wish {
	claims := rules.Claims(app)
	if len(claims) == 0 {
		return u.annotated(app)
	}
	out := make([]*wish, 0, len(claims))
	for _, c := range claims {
		w := &wish{app: app, by: c.ImageUpdater, update: c.Update, err: c.Err}
		w.start()
		out = append(out, w)
	}
	return out
}

// annotated is what the annotations of an Application ask for. One that has
// annotations of ours without asking for anything is told so.
func (u *Updater) annotated(app argo.Application) []*wish {
	w := &wish{app: app}
	if !settings.Managed(app) {
		text := settings.Unmanaged(app)
		if text == "" {
			return nil
		}
		w.update.Warnings = []string{text}
		return []*wish{w}
	}
	w.update, w.err = settings.FromAnnotations(app, u.Options.Defaults)
	w.start()
	return []*wish{w}
}

// managed counts the Applications that ask for updates.
func managed(wishes []*wish) int {
	apps := map[argo.Key]bool{}
	for _, w := range wishes {
		if w.err != nil || len(w.update.Tracks) > 0 {
			apps[w.app.Key] = true
		}
	}
	return len(apps)
}

// filter is a Selection, ready to be asked.
type filter struct {
	app   string
	pokes map[Poke]bool
}

func (s Selection) filter() filter {
	f := filter{app: s.App, pokes: map[Poke]bool{}}
	for _, p := range s.Pokes {
		f.pokes[p] = true
	}
	return f
}

// admits reports whether an Application with these wishes is selected.
func (f filter) admits(k argo.Key, ws []*wish) bool {
	named := f.app == "" || f.app == k.Name || f.app == k.String()
	return named && (len(f.pokes) == 0 || f.pokes[Poke{App: k}] || slices.ContainsFunc(ws, f.poked))
}

// poked reports whether somebody poked for the rules of a wish or for one of its
// images.
func (f filter) poked(w *wish) bool {
	return w.by != (argo.Key{}) && f.pokes[Poke{ImageUpdater: w.by}] ||
		slices.ContainsFunc(w.update.Tracks, func(t settings.Track) bool { return f.pokes[Poke{Repo: t.Image.Repo}] })
}

// start makes one Item for each Track and settles those about which nothing
// has to be asked.
func (w *wish) start() {
	live, _ := w.app.LiveImages()
	for i, t := range w.update.Tracks {
		it := plan.Item{Track: t.Name, Alias: t.Alias, Image: t.Image, Strategy: t.Strategy}
		all := plan.OfTrack(live, t)
		var shared error
		it.Live, shared = share(w.update.Tracks, i, all)
		switch {
		case t.Err != nil:
			it.State, it.Err, it.Reason = plan.Failed, t.Err, t.Err.Error()
		case shared != nil:
			it.State, it.Err, it.Reason = plan.Failed, shared, shared.Error()
		case len(it.Live) == 0 && len(all) > 0 && !t.Force:
			it.State = plan.NotLive
			it.Reason = fmt.Sprintf("the application runs %v, which other images of the list stand for by their rules", all)
		case w.app.Status.Reported && len(it.Live) == 0 && !t.Force:
			it.State = plan.NotLive
			it.CloseName = argo.CloseNames(t.Image.Repo, live)
			it.Reason = notLive(t.Image, it.CloseName, len(live))
		}
		w.items = append(w.items, it)
	}
}

// share keeps the live images that belong to track i where several tracks follow
// one repository. An image that several of them stand for, or none, is an error
// of all of them.
func share(tracks []settings.Track, i int, live []image.Ref) ([]image.Ref, error) {
	var own []image.Ref
	for _, ref := range live {
		owners := 0
		for j, t := range tracks {
			if t.Image.Repo == tracks[i].Image.Repo && plan.Owns(tracks, j, ref.Tag) {
				owners++
			}
		}
		if owners != 1 && !tracks[i].Force {
			return nil, fmt.Errorf("image %s: the application runs %s, and the rules of several images of this repository admit it, or of none: make them exclude each other", tracks[i].Name, ref)
		}
		if plan.Owns(tracks, i, ref.Tag) {
			own = append(own, ref)
		}
	}
	return own, nil
}

func notLive(img image.Ref, closest []string, n int) string {
	s := fmt.Sprintf("the application does not run %s", img.Repo)
	switch {
	case len(closest) > 0:
		s += fmt.Sprintf("; it runs %q", closest)
	case n == 0:
		s += "; its status lists no image at all"
	case n == 1:
		s += "; the one image that it runs does not come close"
	default:
		s += fmt.Sprintf("; none of its %d images comes close", n)
	}
	return s + ": correct the name in the image list, or set force-update to follow it all the same"
}

// Choose decides one Track alone, whether or not any Application runs it. It
// neither reads nor writes a repository.
func (u *Updater) Choose(ctx context.Context, t settings.Track) plan.Item {
	w := &wish{update: settings.Update{Tracks: []settings.Track{t}}}
	w.start()
	questions := u.questions([]*wish{w})
	u.observe(CycleStarted{Images: len(questions)})
	u.decide(ctx, questions, Selection{Explain: true})
	return w.items[0]
}
