package update

import (
	"context"
	"errors"

	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/settings"
)

// Class says who can do something about an error, and when.
type Class string

// The classes.
const (
	// Invalid: somebody has to change a setting or a file.
	Invalid Class = "Invalid"
	// Denied: somebody has to grant access.
	Denied Class = "Denied"
	// Transient: trying again later may help.
	Transient Class = "Transient"
	// Conflict: others changed the same thing at the same time, or follow the
	// same image.
	Conflict Class = "Conflict"
)

// errAppeared: what was to be made is there, or what was read is not what it
// was.
var errAppeared = errors.New("changed by somebody else")

// Classify is the one map from what happened to what it means. An error that
// carries no fact is Invalid.
func Classify(err error) Class {
	switch {
	case errors.Is(err, fault.ErrLostRace), errors.Is(err, errAppeared), errors.Is(err, settings.ErrConflict):
		return Conflict
	case errors.Is(err, fault.ErrDenied), errors.Is(err, fault.ErrRefused):
		return Denied
	case errors.Is(err, fault.ErrUnavailable), errors.Is(err, fault.ErrSuspect),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Transient
	}
	return Invalid
}
