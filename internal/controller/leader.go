package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Election is a Lease that replicas compete for.
type Election struct {
	Config    *rest.Config
	Namespace string // of the Lease
	Name      string
	Identity  string // of this replica; unlike that of any other
	// Duration is how long the leader may be silent before another takes over;
	// 0 is 15 s.
	Duration time.Duration
	// Changed is told who leads; nil is not told.
	Changed func(identity string)
}

// margin is how long before the end of its Lease a leader stops to write: a
// write that has begun must have ended when another takes over.
const margin = 5 * time.Second

// errNotLeader: another replica writes.
var errNotLeader = errors.New("this replica does not hold the Lease any more")

// Leader is a replica that competes for a Lease.
type Leader struct {
	elector *leaderelection.LeaderElector
	terms   chan context.Context
}

// Join prepares to compete. Nothing is asked of the API server yet.
func (e Election) Join() (*Leader, error) {
	client, err := coordination.NewForConfig(e.Config)
	if err != nil {
		return nil, fmt.Errorf("leader election: %w", err)
	}
	duration := cmp.Or(e.Duration, 15*time.Second)
	l := &Leader{terms: make(chan context.Context)}
	l.elector, err = leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: e.Namespace, Name: e.Name},
			Client:     client,
			LockConfig: resourcelock.ResourceLockConfig{Identity: e.Identity},
		},
		LeaseDuration: duration, RenewDeadline: duration * 2 / 3, RetryPeriod: duration * 2 / 15,
		ReleaseOnCancel: true,
		Name:            e.Name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: l.begin,
			OnStoppedLeading: func() {},
			OnNewLeader:      e.Changed,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("leader election: %w", err)
	}
	return l, nil
}

// begin hands a term to Run, unless it ends before the work of the last one has.
func (l *Leader) begin(term context.Context) {
	select {
	case l.terms <- term:
	case <-term.Done():
	}
}

// Run competes until the context ends. It works whenever it leads, and one term
// never overlaps the next. The Lease is given up after the work has ended, so
// that what was begun is not continued beside a new leader.
func (l *Leader) Run(ctx context.Context, work func(ctx context.Context)) {
	holding, release := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error {
		for holding.Err() == nil {
			l.elector.Run(holding)
		}
		return nil
	})
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case term := <-l.terms:
			working, stop := context.WithCancel(ctx)
			detach := context.AfterFunc(term, stop)
			work(working)
			detach()
			stop()
		}
	}
	release()
	_ = g.Wait() // the function returns no error
}

// Leads reports whether this replica is the leader.
func (l *Leader) Leads() bool { return l.elector.IsLeader() }

// MayWrite is an error unless this replica holds the Lease, and for long enough
// to end a write that begins now.
func (l *Leader) MayWrite(context.Context) error {
	if !l.elector.IsLeader() {
		return errNotLeader
	}
	// Check is for a watchdog and allows a Lease to be late; here it has to be
	// early.
	if err := l.elector.Check(-margin); err != nil {
		return fmt.Errorf("%w: %w", errNotLeader, err)
	}
	return nil
}
