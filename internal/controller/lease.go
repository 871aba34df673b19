package controller

import (
	"context"
	"time"
)

// Lease is what the record that replicas compete for says (Kubernetes API
// reference, LeaseSpec of coordination.k8s.io/v1).
type Lease struct {
	Holder      string        // identity of a replica; "" is nobody
	Duration    time.Duration // of silence after which another may take it
	Acquired    time.Time
	Renewed     time.Time
	Transitions int // how often it changed hands
}

// Leases keeps one Lease. It is used by one goroutine at a time.
type Leases interface {
	// Get reads it; it wraps fault.ErrNotFound if it was never made.
	Get(ctx context.Context) (Lease, error)
	// Put makes the Lease, or replaces what Get or Put saw last. It wraps
	// fault.ErrLostRace if that is not what is there.
	Put(ctx context.Context, l Lease) error
}
