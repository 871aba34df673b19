// Package fault names the facts that the rooms at the edge report when the
// world does not do what was asked. A room wraps one of these sentinels with
// %w and says in the text what happened to whom; which class of error that
// makes, and so who tries again and when, is decided in one place,
// update.Classify.
//
// The package refuses to say more: it holds no status codes, no retries and
// no texts for people.
package fault

import "errors"

// The facts. An error that wraps none of them counts as invalid input.
var (
	// ErrDenied: the other side knows us or asked who we are, and said no
	// (HTTP 401 and 403, an SSH key or host key that was not accepted).
	ErrDenied = errors.New("denied")

	// ErrNotFound: the thing that was named does not exist (HTTP 404 of an
	// image repository, a Git repository or branch that is not there).
	ErrNotFound = errors.New("not found")

	// ErrUnavailable: no whole answer was had this time; asking again later
	// may help (HTTP 429 and 5xx, time-outs, refused connections, bodies that
	// break off or do not parse, endless or foreign pages).
	ErrUnavailable = errors.New("unavailable")

	// ErrSuspect: the answer is whole but not to be believed yet, such as a
	// listed tag whose manifest is gone.
	ErrSuspect = errors.New("suspect answer")

	// ErrLostRace: the branch moved between reading and pushing; the same
	// work may be done again from a fresh read.
	ErrLostRace = errors.New("lost race")

	// ErrRefused: the server understood the push and refused it by a rule of
	// its own (hook, protected branch, quota); the same push stays refused.
	ErrRefused = errors.New("refused")
)
