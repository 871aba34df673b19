package update

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/settings"
)

// question is one image repository with everybody who wants to know about it:
// it is asked once, whoever asks.
type question struct {
	LoginQuestion
	askers []asker
}

type asker struct {
	wish  *wish
	track int
}

func (a asker) item() *plan.Item         { return &a.wish.items[a.track] }
func (a asker) settings() settings.Track { return a.wish.update.Tracks[a.track] }

type questionKey struct {
	api, path string
	reference credential.Reference
	namespace string
}

// questions joins all open tracks by image repository and credential.
func (u *Updater) questions(wishes []*wish) []*question {
	by := map[questionKey]*question{}
	for _, w := range wishes {
		for i, t := range w.update.Tracks {
			if w.err != nil || w.items[i].State != plan.Pending {
				continue
			}
			q := u.ask(w, t)
			key := questionKey{q.Endpoint.Registry.API, q.Endpoint.Path, q.Reference, q.Namespace}
			if by[key] == nil {
				by[key] = q
			}
			by[key].askers = append(by[key].askers, asker{w, i})
		}
	}
	out := make([]*question, 0, len(by))
	for _, q := range by {
		out = append(out, q)
	}
	slices.SortFunc(out, func(a, b *question) int {
		return cmp.Or(strings.Compare(a.Endpoint.String(), b.Endpoint.String()),
			strings.Compare(a.Reference.String(), b.Reference.String()), strings.Compare(a.Namespace, b.Namespace))
	})
	return out
}

// ask says where a track's image is asked for. An image's own pull-secret goes
// before the registry's credential, and whose it is decides what it may reach.
func (u *Updater) ask(w *wish, t settings.Track) *question {
	q := &question{LoginQuestion: LoginQuestion{Endpoint: u.Options.Registries.Endpoint(t.Image), Reference: t.PullSecret, Namespace: w.app.Namespace}}
	if q.Reference.Kind == credential.None {
		q.Reference, q.Namespace = q.Endpoint.Registry.Credential, ""
	}
	return q
}

// decide answers all questions, several at a time. An answer that cannot be
// had is an error of those who asked.
func (u *Updater) decide(ctx context.Context, questions []*question, sel Selection) {
	var g errgroup.Group
	g.SetLimit(cmp.Or(u.Options.Concurrency, 10))
	for _, q := range questions {
		g.Go(func() error {
			u.answer(ctx, q, sel)
			return nil
		})
	}
	_ = g.Wait() // the functions return no error: each failure stands in the items
}

func (u *Updater) answer(ctx context.Context, q *question, sel Selection) {
	at, tags, err := u.tags(ctx, q)
	u.observe(ImageRead{Endpoint: q.Endpoint, Tags: len(tags), Err: err})
	if err != nil {
		for _, a := range q.askers {
			settle(a.item(), policy.Decision{}, err)
		}
		return
	}
	known := &knowledge{registry: u.Registry, at: at, found: map[string]finding{}}
	for _, a := range q.askers {
		it, track := a.item(), a.settings()
		in := policy.Input{Tags: tags, Known: map[string]policy.Metadata{}}
		d, err := known.decide(ctx, track, in)
		settle(it, d, err)
		it.Asked = asked(at)
		if it.State == plan.Pending {
			it.New = track.Image.With(pinned(track.Pin, d.Choice))
		}
		if sel.Explain {
			it.Rejections = track.Policy.Explain(in)
		}
	}
}

// asked tells where and with what a repository was asked for.
func asked(at ImageSource) string {
	where := at.Endpoint.String()
	if host, _, _ := strings.Cut(where, "/"); !strings.HasSuffix(at.Endpoint.Registry.API, "//"+host) {
		where += " at " + at.Endpoint.Registry.API
	}
	if at.Credential.From == "" {
		return where + " without a credential"
	}
	return where + " with " + at.Credential.From
}

func (u *Updater) tags(ctx context.Context, q *question) (ImageSource, []string, error) {
	at := ImageSource{Endpoint: q.Endpoint}
	cred, err := u.Credentials.Registry(ctx, q.LoginQuestion)
	if err != nil {
		return at, nil, fmt.Errorf("credential of %s: %w", q.Endpoint, err)
	}
	at.Credential = cred
	tags, err := u.Registry.Tags(ctx, at)
	return at, tags, err
}

// settle writes a decision into its item.
func settle(it *plan.Item, d policy.Decision, err error) {
	it.Decision = d
	switch {
	case errors.Is(err, fault.ErrSuspect):
		it.State, it.Reason = plan.Undecided, err.Error()
		return
	case err != nil:
		it.State, it.Err, it.Reason = plan.Failed, err, err.Error()
		return
	case d.Verdict == policy.Chosen:
		it.State = plan.Pending
	case d.Verdict == policy.Undecided:
		it.State = plan.Undecided
	case d.Verdict == policy.Held:
		it.State = plan.Held
	default:
		it.State = plan.NothingEligible
	}
	it.Reason = d.Reason
}

// knowledge is what is known of one image repository in this cycle. Each tag
// is asked once for each depth.
type knowledge struct {
	registry Registry
	at       ImageSource
	found    map[string]finding
}

type finding struct {
	meta  policy.Metadata
	depth policy.Depth
}

// decide asks the policy, looks up what it wants to know, and asks again.
// What it learns goes into in.
func (k *knowledge) decide(ctx context.Context, t settings.Track, in policy.Input) (policy.Decision, error) {
	for {
		d := t.Policy.Choose(in)
		if d.Verdict != policy.Wanting {
			return k.withDigest(ctx, t, d)
		}
		found, err := k.lookUp(ctx, d.Want, d.Depth, t.Policy.Platforms())
		if err != nil {
			return d, err
		}
		for tag, meta := range found {
			in.Known[tag] = meta
		}
	}
}

// withDigest adds the digest of the chosen tag where it is to be pinned and
// the strategy had no need of it.
func (k *knowledge) withDigest(ctx context.Context, t settings.Track, d policy.Decision) (policy.Decision, error) {
	if d.Verdict != policy.Chosen || t.Pin == settings.PinTag || d.Choice.Digest != "" {
		return d, nil
	}
	found, err := k.lookUp(ctx, []string{d.Choice.Tag}, policy.DepthDigest, nil)
	if err != nil {
		return d, err
	}
	meta := found[d.Choice.Tag]
	if meta.Gone {
		return d, fmt.Errorf("tag %s of %s is listed and its manifest is gone: %w", d.Choice.Tag, k.at.Endpoint, fault.ErrSuspect)
	}
	d.Choice.Digest = meta.Digest
	return d, nil
}

// maxLookups bounds how many tags of one repository are asked about at once.
const maxLookups = 20

// lookUp gives the metadata of all the tags, or an error.
func (k *knowledge) lookUp(ctx context.Context, tags []string, depth policy.Depth, platforms []image.Platform) (map[string]policy.Metadata, error) {
	key := func(tag string) string { return tag + " " + fmt.Sprint(platforms) }
	missing := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool {
		f, ok := k.found[key(tag)]
		return ok && f.depth >= depth
	})
	answers := make([]finding, len(missing))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(maxLookups)
	for i, tag := range missing {
		g.Go(func() error {
			meta, err := k.registry.Metadata(gctx, k.at, TagQuestion{Tag: tag, Depth: depth, Platforms: platforms})
			answers[i] = finding{meta: meta, depth: depth}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, tag := range missing {
		k.found[key(tag)] = answers[i]
	}
	out := make(map[string]policy.Metadata, len(tags))
	for _, tag := range tags {
		out[tag] = k.found[key(tag)].meta
	}
	return out, nil
}

// pinned are the parts of the choice that are written.
func pinned(pin settings.Pin, c policy.Choice) (tag string, d image.Digest) {
	switch pin {
	case settings.PinDigest:
		return "", c.Digest
	case settings.PinTagDigest:
		return c.Tag, c.Digest
	}
	return c.Tag, ""
}
