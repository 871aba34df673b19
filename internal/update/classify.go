package update

import (
	"context"
	"errors"

	"argocd-image-updater/internal/fault"
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
	// Conflict: others changed the same thing at the same time.
	Conflict Class = "Conflict"
)

// errAppeared: a branch that was to be created is there.
var errAppeared = errors.New("branch appeared")

// Classify is the one map from what happened to what it means. An error that
// carries no fact is Invalid.
func Classify(err error) Class {
	switch {
	case errors.Is(err, fault.ErrLostRace), errors.Is(err, errAppeared):
		return Conflict
	case errors.Is(err, fault.ErrDenied), errors.Is(err, fault.ErrRefused):
		return Denied
	case errors.Is(err, fault.ErrUnavailable), errors.Is(err, fault.ErrSuspect),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Transient
	}
	return Invalid
}
