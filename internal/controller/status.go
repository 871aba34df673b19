package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/plan"
)

// The condition types of an ImageUpdater. Ready, Reconciling and Stalled are
// those of kstatus; Error is the incumbent's.
const (
	conditionReady       = "Ready"
	conditionReconciling = "Reconciling"
	conditionStalled     = "Stalled"
	conditionError       = "Error"
)

// The reasons of conditions.
const (
	reasonSucceeded     = "ReconcileSucceeded"
	reasonWithErrors    = "ReconcileCompletedWithErrors"
	reasonFailed        = "ReconcileFailed"
	reasonIdle          = "Idle"
	reasonError         = "ReconcileError"
	reasonPartialErrors = "PartialErrors"
	reasonNoErrors      = "NoErrors"
	reasonInvalidSpec   = "InvalidSpec"
	reasonValidSpec     = "ValidSpec"
)

// statusAge is how old the time of the last check in a status may get while
// nothing else changes. A fleet at rest is not to be written to in each cycle.
const statusAge = time.Hour

// finding is what a cycle found out about one ImageUpdater.
type finding struct {
	object   v1alpha1.ImageUpdater
	broken   error // why its spec cannot be used
	ledger   *ledger
	governed []owner // by the object
	now      time.Time
}

// status is what the object should say of itself. It is the status that it has
// if there is nothing new to say.
func (f finding) status() v1alpha1.ImageUpdaterStatus {
	old := f.object.Status
	s := *old.DeepCopy()
	s.ObservedGeneration = f.object.Generation
	t := f.applications(&s)
	f.recent(&s)
	f.conditions(&s, t)
	s = s.Fit()
	if equality.Semantic.DeepEqual(s, old) && old.LastCheckedAt != nil && f.now.Sub(old.LastCheckedAt.Time) < statusAge {
		return old
	}
	s.LastCheckedAt = at(f.now)
	return s
}

func at(t time.Time) *metav1.Time {
	m := metav1.NewTime(t.UTC().Truncate(time.Second)) // as it is stored
	return &m
}

// tally counts images by what became of them.
type tally struct {
	applications, images, failed, waiting int
}

// applications lists what became of the images.
func (f finding) applications(s *v1alpha1.ImageUpdaterStatus) tally {
	var t tally
	s.Applications = nil
	for _, o := range f.governed {
		a := f.ledger.accounts[o]
		t.count(a)
		s.Applications = append(s.Applications, a.status(o.app.Name))
	}
	s.ApplicationsMatched, s.ImagesManaged = int32(t.applications), int32(t.images)
	return t
}

func (t *tally) count(a account) {
	t.applications++
	t.images += len(a.images)
	for _, e := range a.all() {
		switch e.state {
		case v1alpha1.Failed:
			t.failed++
		case v1alpha1.Held, v1alpha1.Undecided, v1alpha1.NotLive, v1alpha1.NothingEligible:
			t.waiting++
		}
	}
}

func (a account) status(name string) v1alpha1.ApplicationStatus {
	app := v1alpha1.ApplicationStatus{Name: name, Reason: a.whole.reason, Class: a.whole.class}
	for _, e := range a.images {
		app.Images = append(app.Images, v1alpha1.ImageStatus{
			Alias: e.alias, Image: e.image, State: e.state, Version: e.version, Reason: e.reason, Class: e.class, Since: at(e.since),
		})
	}
	return app
}

// recent lists the updates of the last cycle that had any, of those that this
// process ran, unless the object tells of later ones.
func (f finding) recent(s *v1alpha1.ImageUpdaterStatus) {
	last := f.ledger.updates[argo.Key{Namespace: f.object.Namespace, Name: f.object.Name}]
	if len(last) == 0 || s.LastUpdatedAt != nil && s.LastUpdatedAt.After(last[0].UpdatedAt.Time) {
		return
	}
	s.LastUpdatedAt, s.RecentUpdates = last[0].UpdatedAt.DeepCopy(), last
}

// recentUpdates are what was written, one for each alias and version.
func recentUpdates(updated []plan.Outcome, now time.Time) []v1alpha1.RecentUpdate {
	var out []v1alpha1.RecentUpdate
	for _, o := range updated {
		r := v1alpha1.RecentUpdate{
			Alias: cmp.Or(o.Alias, o.Track), Image: o.Image.Name, NewVersion: o.New.Version(), ApplicationsUpdated: 1, UpdatedAt: *at(now),
			Message: fmt.Sprintf("Updated from %s to %s.", cmp.Or(o.Old().Version(), "nothing"), o.New.Version()),
		}
		i := slices.IndexFunc(out, func(other v1alpha1.RecentUpdate) bool {
			return other.Alias == r.Alias && other.NewVersion == r.NewVersion
		})
		if i >= 0 {
			out[i].ApplicationsUpdated++
			continue
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b v1alpha1.RecentUpdate) int {
		return cmp.Or(strings.Compare(a.Alias, b.Alias), strings.Compare(a.NewVersion, b.NewVersion))
	})
	return out
}

// conditions tell in how far the object does its work. What they say is made of
// what is, not of what happened, so that they stay as they are in a fleet at
// rest.
func (f finding) conditions(s *v1alpha1.ImageUpdaterStatus, t tally) {
	set := func(kind string, status metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: v1alpha1.Cut(message, v1alpha1.MaxReason),
			ObservedGeneration: f.object.Generation, LastTransitionTime: *at(f.now),
		})
	}
	summary := fmt.Sprintf("%d applications with %d images: %d failed, %d waiting.", t.applications, t.images, t.failed, t.waiting)
	if t.applications == 0 {
		summary = f.idle()
	}
	switch {
	case f.broken != nil:
		set(conditionReady, metav1.ConditionFalse, reasonFailed, f.broken.Error())
		set(conditionReconciling, metav1.ConditionFalse, reasonIdle, "Last check completed. Awaiting next cycle.")
		set(conditionStalled, metav1.ConditionTrue, reasonInvalidSpec, f.broken.Error())
		set(conditionError, metav1.ConditionTrue, reasonError, f.broken.Error())
		return
	case t.failed > 0:
		set(conditionReady, metav1.ConditionTrue, reasonWithErrors, summary)
		set(conditionError, metav1.ConditionTrue, reasonPartialErrors, f.worst())
	default:
		set(conditionReady, metav1.ConditionTrue, reasonSucceeded, summary)
		set(conditionError, metav1.ConditionFalse, reasonNoErrors, "No errors.")
	}
	set(conditionReconciling, metav1.ConditionFalse, reasonIdle, "Last check completed. Awaiting next cycle.")
	set(conditionStalled, metav1.ConditionFalse, reasonValidSpec, "The spec can be used.")
}

// idle tells why there may be nothing to do.
func (f finding) idle() string {
	text := fmt.Sprintf("Of the Applications that are looked at in namespace %s none fits namePattern and labelSelectors of a reference; those of other namespaces are not meant.", f.object.Namespace)
	if slices.ContainsFunc(f.object.Spec.ApplicationRefs, func(r v1alpha1.ApplicationRef) bool { return r.UseAnnotations != nil && *r.UseAnnotations }) {
		text += " With useAnnotations it needs an image-list, too."
	}
	return text
}

// worst names a failure, and how many more there are.
func (f finding) worst() string {
	first, more := "", -1
	for _, o := range f.governed {
		for _, e := range f.ledger.accounts[o].all() {
			if e.state != v1alpha1.Failed {
				continue
			}
			if more++; more == 0 {
				first = fmt.Sprintf("application %s: %s", o.app.Name, e.reason)
			}
		}
	}
	if more == 0 {
		return first
	}
	return fmt.Sprintf("%s; and %d more, see status.applications", strings.TrimSuffix(first, "."), more)
}
