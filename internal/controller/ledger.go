package controller

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
)

// owner is an Application under the rules of one ImageUpdater, or under its own
// annotations.
type owner struct{ app, imageUpdater argo.Key }

func (o owner) compare(p owner) int {
	return cmp.Or(o.app.Compare(p.app), o.imageUpdater.Compare(p.imageUpdater))
}

// account is what is known of one owner: of each image that is followed, or why
// none can be.
type account struct {
	uid    string // of the Application
	whole  entry  // State is "" unless the Application as a whole has failed
	images []entry
}

// entry is what became of one image.
type entry struct {
	alias   string // or the image's name, where it has no alias
	image   string
	state   v1alpha1.State
	version string
	reason  string
	class   v1alpha1.Class
	since   time.Time
}

// ledger holds the accounts of the fleet. A cycle over a part of the fleet
// enters its part, so that what is told of the whole does not flicker.
type ledger struct {
	accounts map[owner]account
	// updates are those of the last cycle that had any, by ImageUpdater: what is
	// read of the object may be older than what was written to it.
	updates map[argo.Key][]v1alpha1.RecentUpdate
	// warm is set once the whole fleet was entered.
	warm bool
}

// change is what a cycle did to one account. Before is the zero account if
// nothing was known.
type change struct {
	owner
	before, after account
	updated       []plan.Outcome // what was written in this cycle
	// cold is set while this process has not seen the whole fleet: what it has
	// not seen before need not be new.
	cold bool
}

// enter takes over what a cycle found and tells what that changed, in the order
// of the owners. Accounts that the cycle looked for and did not find are closed.
func (l *ledger) enter(found []plan.Plan, outcomes []plan.Outcome, c Cycle) []change {
	fresh := map[owner]*change{}
	for _, p := range found {
		if p.Err == nil && len(p.Items) == 0 {
			continue // it asks for nothing
		}
		o := owner{p.App, p.ImageUpdater}
		fresh[o] = &change{owner: o, before: l.accounts[o], cold: !l.warm}
		fresh[o].after.uid = p.UID
	}
	for _, out := range outcomes {
		if ch := fresh[owner{out.App, out.ImageUpdater}]; ch != nil {
			ch.note(out, c.Began)
		}
	}
	if l.accounts == nil {
		l.accounts = map[owner]account{}
	}
	about := c.about()
	maps.DeleteFunc(l.accounts, func(o owner, _ account) bool { return fresh[o] == nil && about(o) })
	changes := make([]change, 0, len(fresh))
	for o, ch := range fresh {
		l.accounts[o] = ch.after
		changes = append(changes, *ch)
	}
	slices.SortFunc(changes, func(a, b change) int { return a.compare(b.owner) })
	return changes
}

// note enters one outcome.
func (ch *change) note(out plan.Outcome, now time.Time) {
	e := entry{
		alias: cmp.Or(out.Alias, out.Track), image: out.Image.Name, version: out.New.Version(),
		state: stateOf(out), reason: out.Reason, since: now,
	}
	if out.State == plan.Pending {
		e.reason = intended(out)
	}
	e.reason = v1alpha1.Cut(e.reason, v1alpha1.MaxReason) // as a status keeps it for the next process
	if out.Err != nil {
		e.class = v1alpha1.Class(update.Classify(out.Err))
	}
	if out.State == plan.Updated {
		ch.updated = append(ch.updated, out)
	}
	if out.Track == "" {
		ch.after.whole = e.after(ch.before.whole)
		return
	}
	i := slices.IndexFunc(ch.before.images, func(b entry) bool { return b.alias == e.alias })
	if i >= 0 {
		b := ch.before.images[i]
		if out.State == plan.Updated && b.state == v1alpha1.Updated && b.version == e.version {
			e.reason = takenBack
		}
		e = e.after(b)
	}
	ch.after.images = append(ch.after.images, e)
}

// takenBack is said of a version that was written a second time.
const takenBack = "written again, since it was taken back: an ApplicationSet or another parent that manages the Application has to ignore its parameters; " +
	"and a version that is not wanted has to be excluded, by the constraint or ignore-tags"

// intended tells what was planned and not written, by method git:noop.
func intended(out plan.Outcome) string {
	var texts []string
	for _, c := range out.Changes {
		if c.Changed() {
			texts = append(texts, fmt.Sprintf("%s: %s: %s -> %s", c.File, c.Path, cmp.Or(c.Old, "nothing"), c.New))
		}
	}
	return "not written, since write-back-method is git:noop: " + strings.Join(texts, "; ")
}

// stateOf is the state in words. A change that was only planned is held.
func stateOf(out plan.Outcome) v1alpha1.State {
	if out.State == plan.Pending {
		return v1alpha1.Held
	}
	return v1alpha1.State(out.State.String())
}

// after is e as it is told after b. What is still so keeps its words and its
// time: a version that was written is found declared in the next cycle, and the
// text of a passing failure holds port numbers that are never the same.
func (e entry) after(b entry) entry {
	switch {
	case b.state == v1alpha1.Updated && e.state == v1alpha1.AlreadyDeclared && e.version == b.version && e.reason == "",
		b.state == e.state && b.class == e.class && e.class == v1alpha1.Transient && wordsOf(b.reason) == wordsOf(e.reason),
		b.state == e.state && b.class == e.class && b.version == e.version && b.reason == e.reason:
		return b
	}
	return e
}

// wordsOf is a text without its numbers.
func wordsOf(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsDigit(c) {
			return -1
		}
		return c
	}, text)
}

// all are the entries of an account, with that of the Application as a whole.
func (a account) all() []entry {
	if a.whole.state == "" {
		return a.images
	}
	return append([]entry{a.whole}, a.images...)
}

// governed are the owners by the ImageUpdater that governs them, in their order.
func (l *ledger) governed() map[argo.Key][]owner {
	out := map[argo.Key][]owner{}
	for _, o := range slices.SortedFunc(maps.Keys(l.accounts), owner.compare) {
		out[o.imageUpdater] = append(out[o.imageUpdater], o)
	}
	return out
}

// remember takes over what was written under the rules of each ImageUpdater,
// and forgets those that are gone.
func (l *ledger) remember(outcomes []plan.Outcome, objects []v1alpha1.ImageUpdater, now time.Time) {
	updated := map[argo.Key][]plan.Outcome{}
	for _, o := range outcomes {
		if o.State == plan.Updated {
			updated[o.ImageUpdater] = append(updated[o.ImageUpdater], o)
		}
	}
	before := l.updates
	l.updates = map[argo.Key][]v1alpha1.RecentUpdate{}
	for _, u := range objects {
		key := argo.Key{Namespace: u.Namespace, Name: u.Name}
		if fresh := recentUpdates(updated[key], now); len(fresh) > 0 {
			l.updates[key] = fresh
		} else if old := before[key]; len(old) > 0 {
			l.updates[key] = old
		}
	}
}

// widen adds to pokes the Applications that the ImageUpdaters among them have
// governed so far: each may have left one.
func (l *ledger) widen(pokes []update.Poke) []update.Poke {
	about := slices.DeleteFunc(slices.Clone(pokes), func(p update.Poke) bool { return p.ImageUpdater == argo.Key{} })
	if len(about) == 0 {
		return pokes
	}
	governed := l.governed()
	for _, p := range about {
		for _, o := range governed[p.ImageUpdater] {
			pokes = append(pokes, update.Poke{App: o.app})
		}
	}
	return pokes
}

// recall takes over what the status of an ImageUpdater remembers from before
// this process began, as far as nothing newer is known.
func (l *ledger) recall(u v1alpha1.ImageUpdater) {
	if l.accounts == nil {
		l.accounts = map[owner]account{}
	}
	by := argo.Key{Namespace: u.Namespace, Name: u.Name}
	for _, app := range u.Status.Applications {
		o := owner{argo.Key{Namespace: u.Namespace, Name: app.Name}, by}
		if _, known := l.accounts[o]; known {
			continue
		}
		var a account
		if app.Reason != "" {
			a.whole = entry{state: v1alpha1.Failed, reason: app.Reason, class: app.Class}
		}
		for _, img := range app.Images {
			e := entry{alias: img.Alias, image: img.Image, state: img.State, version: img.Version, reason: img.Reason, class: img.Class}
			if img.Since != nil {
				e.since = img.Since.Time
			}
			a.images = append(a.images, e)
		}
		l.accounts[o] = a
	}
}
