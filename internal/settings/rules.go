package settings

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
)

// Rules are all ImageUpdaters, compiled. They do not change and are safe for
// use by many goroutines.
type Rules struct {
	defaults   Defaults
	namespaces map[string]*shelf
	broken     []Broken
}

// Broken is an ImageUpdater of which it cannot be told whom it means. The
// Applications that its other references mean are not updated: what they would
// fall to instead, annotations or a less specific reference, is not what they
// were meant to have.
type Broken struct {
	ImageUpdater argo.Key
	// Err joins a *ValueError for each thing that is wrong.
	Err error
}

// Claim is what one ImageUpdater asks of one Application.
type Claim struct {
	ImageUpdater argo.Key
	// Update is not to be changed. It has no Track if annotations were to be read
	// and there is no image list. A Track that an older ImageUpdater follows too
	// has an Err that wraps ErrConflict.
	Update Update
	// Err is what is wrong as a whole, with the write-back for example; nothing is
	// to be written for this ImageUpdater then.
	Err error
}

// ErrConflict says that an older ImageUpdater follows the same image of the
// same Application.
var ErrConflict = errors.New("conflict")

// CompileRules reads ImageUpdaters, in any order. One that is being deleted
// asks for nothing any more.
func CompileRules(crs []v1alpha1.ImageUpdater, d Defaults) Rules {
	crs = slices.DeleteFunc(slices.Clone(crs), func(cr v1alpha1.ImageUpdater) bool { return cr.DeletionTimestamp != nil })
	slices.SortFunc(crs, func(a, b v1alpha1.ImageUpdater) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), ownerOf(&a).Compare(ownerOf(&b)))
	})
	rules := Rules{defaults: d, namespaces: map[string]*shelf{}}
	for i := range crs {
		rules.add(&crs[i])
	}
	slices.SortFunc(rules.broken, func(a, b Broken) int { return a.ImageUpdater.Compare(b.ImageUpdater) })
	return rules
}

func ownerOf(cr *v1alpha1.ImageUpdater) argo.Key {
	return argo.Key{Namespace: cr.Namespace, Name: cr.Name}
}

// add reads one ImageUpdater, of those of its namespace the youngest so far.
func (r *Rules) add(cr *v1alpha1.ImageUpdater) {
	owner := ownerOf(cr)
	var errs []error
	if len(cr.Spec.ApplicationRefs) == 0 {
		errs = append(errs, &ValueError{Object: ownerName(owner), Key: "spec.applicationRefs", Reason: "at least one expected"})
	}
	var own []*rule
	for i := range cr.Spec.ApplicationRefs {
		ref := reference{&cr.Spec.ApplicationRefs[i], &cr.Spec, fmt.Sprintf("spec.applicationRefs[%d]", i), ownerName(owner)}
		s, ok := compileSelector(ref.ApplicationRef, func(field, text, reason string) {
			errs = append(errs, &ValueError{Object: ref.owner, Key: ref.at + "." + field, Value: text, Reason: reason})
		})
		if ok {
			own = append(own, r.rule(owner, ref, s))
		}
	}
	if len(errs) > 0 {
		broken := Broken{owner, errors.Join(errs...)}
		r.broken = append(r.broken, broken)
		for _, rule := range own {
			rule.err = broken.Err
		}
	}
	slices.SortStableFunc(own, func(a, b *rule) int { return b.specificity - a.specificity })
	if r.namespaces[owner.Namespace] == nil {
		r.namespaces[owner.Namespace] = newShelf()
	}
	for _, rule := range own {
		r.namespaces[owner.Namespace].add(rule)
	}
}

func (r *Rules) rule(owner argo.Key, ref reference, s selector) *rule {
	out := &rule{selector: s, owner: owner}
	if out.annotations = ref.UseAnnotations != nil && *ref.UseAnnotations; out.annotations {
		out.demand = demand{}.inner(ref.ImagesVerification, ref.at)
		out.update.Warnings = ref.unread()
		return out
	}
	for _, img := range ref.Images {
		out.follows = append(out.follows, keyAlias(img.Alias))
	}
	out.update, out.err = ref.read(r.defaults)
	return out
}

// Broken are the ImageUpdaters that cannot be read, by namespace and name.
func (r Rules) Broken() []Broken { return slices.Clone(r.broken) }

// Claims are what ImageUpdaters ask of an Application: one Claim for each of
// its namespace that means it, the older first, then by name. None is: whatever
// annotations say is for them alone.
func (r Rules) Claims(app argo.Application) []Claim {
	shelf := r.namespaces[app.Namespace]
	if shelf == nil {
		return nil
	}
	matching := shelf.matching(&app)
	claims := make([]Claim, 0, len(matching))
	for _, rule := range matching {
		c := Claim{ImageUpdater: rule.owner}
		c.Update, c.Err = rule.ask(app, r.defaults)
		claims = append(claims, c)
	}
	if len(matching) > 1 {
		settle(app, matching, claims)
	}
	return claims
}

// settle leaves each track to the oldest of those who claim it, even where that
// one cannot be read: what is wrong with it does not hand its images to others.
func settle(app argo.Application, matching []*rule, claims []Claim) {
	owners := map[string]argo.Key{}
	for i, rule := range matching {
		u := &claims[i].Update
		u.Tracks = slices.Clone(u.Tracks)
		for j := range u.Tracks {
			t := &u.Tracks[j]
			if owner, taken := owners[t.identity()]; taken {
				t.Err = fmt.Errorf("%s, image %s: %w: the older %s follows it in application %s too: take it out of one of them",
					ownerName(rule.owner), t.Name, ErrConflict, ownerName(owner), app)
			}
		}
		for _, id := range rule.identities(app) {
			if _, taken := owners[id]; !taken {
				owners[id] = rule.owner
			}
		}
	}
}

// identity is what two tracks of one Application cannot share.
func (t Track) identity() string {
	switch {
	case t.Alias != "":
		return keyAlias(t.Alias)
	case t.Image.IsZero():
		return t.Name
	}
	return t.Image.Repo.String()
}

// shelf holds the rules of one namespace so that those for a name are found
// without looking at all of them.
type shelf struct {
	rules   []*rule          // by the age of their ImageUpdaters, then by specificity
	exact   map[string][]int // by whole names
	globs   map[string][]int // by what matching names begin with
	lengths []int            // of those beginnings, ascending
}

func newShelf() *shelf { return &shelf{exact: map[string][]int{}, globs: map[string][]int{}} }

func (s *shelf) add(r *rule) {
	at := len(s.rules)
	s.rules = append(s.rules, r)
	if r.exact {
		s.exact[r.prefix] = append(s.exact[r.prefix], at)
		return
	}
	s.globs[r.prefix] = append(s.globs[r.prefix], at)
	if i, found := slices.BinarySearch(s.lengths, len(r.prefix)); !found {
		s.lengths = slices.Insert(s.lengths, i, len(r.prefix))
	}
}

// matching are the rules for an Application: of each ImageUpdater the most
// specific one.
func (s *shelf) matching(app *argo.Application) []*rule {
	candidates := slices.Clone(s.exact[app.Name])
	for _, n := range s.lengths {
		if n <= len(app.Name) {
			candidates = append(candidates, s.globs[app.Name[:n]]...)
		}
	}
	slices.Sort(candidates)
	var out []*rule
	for _, at := range candidates {
		r := s.rules[at]
		settled := len(out) > 0 && out[len(out)-1].owner == r.owner
		if !settled && r.matches(app) {
			out = append(out, r)
		}
	}
	return out
}
