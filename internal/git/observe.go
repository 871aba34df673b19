package git

import "time"

// Operation is one exchange with a server.
type Operation struct {
	Kind    OperationKind
	Elapsed time.Duration
	// Err wraps fault.ErrLostRace if it is a push that somebody else was faster
	// than.
	Err error
}

// OperationKind is what an Operation was for.
type OperationKind string

// The kinds.
const (
	OperationLook  OperationKind = "look"  // at branches and tags
	OperationFetch OperationKind = "fetch" // of commits or files that were not known
	OperationPush  OperationKind = "push"
)

// observe tells of an operation that began at start.
func (c *Client) observe(kind OperationKind, start time.Time, err *error) {
	if c.options.Observe != nil {
		c.options.Observe(Operation{Kind: kind, Elapsed: time.Since(start), Err: *err})
	}
}
