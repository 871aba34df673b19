package controller

import (
	"fmt"
	"slices"
	"strings"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
)

// Event is something that a person who looks at an object should be told.
type Event struct {
	APIVersion string // of the object
	Kind       string // "Application" or "ImageUpdater"
	Object     argo.Key
	UID        string
	Warning    bool // else it is a normal event
	Reason     string
	Message    string
	// Annotations of the event.
	Annotations map[string]string
}

// The reasons of events. Those of failures are UpdateInvalid, UpdateDenied,
// UpdateTransient and UpdateConflict.
const (
	eventUpdated   = "ImagesUpdated"
	eventFailed    = "Update"
	eventNotLive   = "ImageNotLive"
	eventHeld      = "UpdateHeld"
	eventUndecided = "UpdateUndecided"
	eventNothing   = "NoEligibleTag"
	eventTakenBack = "UpdateTakenBack"
	eventBroken    = "InvalidSpec"
)

// eventPrefix begins the annotations that tell what was updated, as the
// incumbent writes them.
const eventPrefix = "argocd-image-updater.image-"

// events are what a change of an account is worth telling: what was written, and
// what somebody has to do something about since now. What went wrong and still
// does is not told again; nor is, in a cold change, what waits: it has most likely
// waited before.
func (ch change) events() []Event {
	var out []Event
	if len(ch.updated) > 0 {
		out = append(out, ch.updatedEvent())
	}
	told := map[string][]string{}
	var reasons []string
	for _, e := range ch.after.all() {
		reason := reasonOf(e)
		if reason == "" || ch.known(e) || ch.cold && e.state != v1alpha1.Failed {
			continue
		}
		if told[reason] == nil {
			reasons = append(reasons, reason)
		}
		told[reason] = append(told[reason], e.reason)
	}
	slices.Sort(reasons)
	for _, reason := range reasons {
		ev := ch.event(reason, strings.Join(slices.Compact(told[reason]), "; "))
		ev.Warning = reason != eventHeld && reason != eventNothing
		out = append(out, ev)
	}
	return out
}

func (ch change) event(reason, message string) Event {
	return Event{APIVersion: "argoproj.io/v1alpha1", Kind: "Application", Object: ch.app, UID: ch.after.uid, Reason: reason, Message: v1alpha1.Cut(message, v1alpha1.MaxReason)}
}

// updatedEvent tells of everything that was written in one cycle.
func (ch change) updatedEvent() Event {
	ev := ch.event(eventUpdated, fmt.Sprintf("Successfully updated application '%s'", ch.app.Name))
	ev.Annotations = map[string]string{}
	for i, o := range ch.updated {
		set := func(key, value string) { ev.Annotations[fmt.Sprintf("%s%d/%s", eventPrefix, i, key)] = value }
		set("full-image-name", o.New.Name)
		set("image-name", o.Image.Repo.Path())
		set("old-tag", o.Old().Version())
		set("new-tag", o.New.Version())
	}
	return ev
}

// known reports whether the account said the same before: the state and who can
// do something about it, whatever the words.
func (ch change) known(e entry) bool {
	return slices.ContainsFunc(ch.before.all(), func(b entry) bool {
		return b.alias == e.alias && reasonOf(b) == reasonOf(e)
	})
}

// reasonOf is the reason of an event about an entry; "" if there is nothing to
// tell.
func reasonOf(e entry) string {
	switch e.state {
	case v1alpha1.Failed:
		return eventFailed + string(e.class)
	case v1alpha1.NotLive:
		return eventNotLive
	case v1alpha1.Held:
		return eventHeld
	case v1alpha1.Undecided:
		return eventUndecided
	case v1alpha1.NothingEligible:
		return eventNothing
	case v1alpha1.Updated:
		if e.reason != "" {
			return eventTakenBack
		}
	}
	return ""
}
