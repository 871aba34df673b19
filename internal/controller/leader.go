package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"argocd-image-updater/internal/fault"
)

// Election is what replicas compete with.
type Election struct {
	Leases   Leases
	Identity string // of this replica; unlike that of any other
	// Duration is how long the leader may be silent before another takes over;
	// 0 is 15 s.
	Duration time.Duration
	// Changed is told who leads; nil is not told.
	Changed func(identity string)
	// Wall is the clock that goes on while the machine is suspended, which the
	// one that all else is counted on does not; nil is time.Now.
	Wall func() time.Time
	// Waiting is told, after each look at the Lease that did not win it, nil if
	// another replica holds it, or else why it could not be had; nil is not told.
	Waiting func(err error)
}

// errNotLeader: another replica writes. It passes, and there is nothing that
// somebody has to correct.
var errNotLeader = fmt.Errorf("this replica does not hold the Lease any more: %w", fault.ErrUnavailable)

// Leader is a replica that competes for a Lease.
//
// All time is counted on this replica's own clock, so that no two clocks need
// agree. The holder counts from before its last renewal was sent, the others
// from when they saw it: whatever happens to requests and answers on their way,
// the holder's time is over first.
type Leader struct {
	Election

	lease  Lease     // as it was seen last; of the goroutine of Run
	seen   time.Time // when what it says changed last
	leader string    // as Changed was told last

	mu    sync.Mutex
	until time.Time // writes may begin before this; zero while not leading
}

// Join prepares to compete. Nobody is asked anything yet.
func (e Election) Join() *Leader {
	e.Duration = cmp.Or(e.Duration, 15*time.Second)
	if e.Changed == nil {
		e.Changed = func(string) {}
	}
	if e.Waiting == nil {
		e.Waiting = func(error) {}
	}
	if e.Wall == nil {
		e.Wall = time.Now
	}
	return &Leader{Election: e}
}

// retry is the time between two looks at the Lease.
func (l *Leader) retry() time.Duration { return l.Duration * 2 / 15 }

// margin is how long before the end of its Lease a leader stops to write: a
// write that has begun must have ended when another takes over. Of 15 s it is
// 5 s, and update.Options.Grace has to be shorter.
func (l *Leader) margin() time.Duration { return l.Duration / 3 }

// Run competes until the context ends. It works whenever it leads, and one term
// never overlaps the next: the context of the work ends a margin before others
// may take the Lease. The Lease is given up after the work has ended, so that
// what was begun is not continued beside a new leader.
func (l *Leader) Run(ctx context.Context, work func(ctx context.Context)) {
	for l.acquire(ctx) {
		l.lead(ctx, work)
	}
}

// MayWrite is an error unless this replica holds the Lease, and for long enough
// to end a write that begins now.
func (l *Leader) MayWrite(context.Context) error {
	end := l.end()
	// Without its monotonic reading a time is compared by the wall clock. Of two
	// clocks the one that ends the term earlier counts.
	if !time.Now().Before(end) || !l.Wall().Before(end.Round(0)) {
		return errNotLeader
	}
	return nil
}

// acquire waits for the Lease; false if the context ended first.
func (l *Leader) acquire(ctx context.Context) bool {
	for ctx.Err() == nil {
		won, err := l.try(ctx)
		if won {
			return true
		}
		if ctx.Err() == nil {
			l.Waiting(err)
		}
		// Replicas that were started at once do not ask at once.
		pause(ctx, l.retry()+rand.N(l.retry()/2))
	}
	return false
}

// try takes the Lease if nobody holds it, or if its holder was silent for too
// long.
func (l *Leader) try(ctx context.Context) (won bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.margin())
	defer cancel()
	if err := l.look(ctx); err != nil {
		return false, err
	}
	silent := time.Since(l.seen) > cmp.Or(l.lease.Duration, l.Duration)
	if l.lease.Holder != "" && l.lease.Holder != l.Identity && !silent {
		return false, nil
	}
	next := l.lease
	next.Acquired = time.Now()
	if next.Holder != l.Identity && !l.lease.Acquired.IsZero() {
		next.Transitions++
	}
	err = l.renew(ctx, next)
	if errors.Is(err, fault.ErrLostRace) {
		return false, nil // another was faster
	}
	return err == nil, err
}

// lead works for a term.
func (l *Leader) lead(ctx context.Context, work func(ctx context.Context)) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	// While the work winds down the Lease is still kept.
	keeping, rest := context.WithCancel(context.WithoutCancel(ctx))
	defer rest()
	var g errgroup.Group
	g.Go(func() error {
		defer stop()
		l.keep(keeping)
		return nil
	})
	work(working)
	rest()
	_ = g.Wait() // the function returns no error
	l.extend(time.Time{})
	l.release(context.WithoutCancel(ctx))
}

// keep renews the Lease until the context ends, another has it, or the time to
// write is over.
func (l *Leader) keep(ctx context.Context) {
	next := time.Now().Add(l.retry())
	for {
		term, cancel := context.WithDeadline(ctx, l.end())
		pause(term, time.Until(next))
		next = time.Now().Add(l.retry())
		err := l.again(term)
		over := term.Err() != nil
		cancel()
		if over || err == nil && l.lease.Holder != l.Identity {
			return
		}
	}
}

// again renews the Lease that we hold, in time for another try if there is no
// answer.
func (l *Leader) again(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.margin())
	defer cancel()
	err := l.renew(ctx, l.lease)
	if errors.Is(err, fault.ErrLostRace) {
		// An earlier renewal may have arrived although nobody said so.
		return l.look(ctx)
	}
	return err
}

// look reads the Lease. One that is not there stays as it was seen last: if
// somebody deleted it, its holder does not know of that yet and has its time;
// and one that was never seen is held by nobody.
func (l *Leader) look(ctx context.Context) error {
	lease, err := l.Leases.Get(ctx)
	switch {
	case err == nil:
		l.see(lease)
	case !errors.Is(err, fault.ErrNotFound):
		return err
	}
	return nil
}

// renew writes the Lease as our own.
func (l *Leader) renew(ctx context.Context, next Lease) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	began := time.Now()
	next.Holder, next.Duration, next.Renewed = l.Identity, l.Duration, began
	if err := l.Leases.Put(ctx, next); err != nil {
		return err
	}
	l.see(next)
	l.extend(began.Add(l.Duration - l.margin()))
	return nil
}

// release gives the Lease up, if it is still ours, so that nobody has to wait
// for its end. If that fails it ends by itself.
func (l *Leader) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.margin())
	defer cancel()
	if err := l.look(ctx); err != nil || l.lease.Holder != l.Identity {
		return
	}
	free := l.lease
	// A second is the shortest that the API server admits.
	free.Holder, free.Duration, free.Renewed = "", time.Second, time.Now()
	if l.Leases.Put(ctx, free) == nil {
		l.see(free)
	}
}

// see takes in what the Lease says.
func (l *Leader) see(now Lease) {
	if now != l.lease || l.seen.IsZero() {
		l.lease, l.seen = now, time.Now()
	}
	if now.Holder != "" && now.Holder != l.leader {
		l.leader = now.Holder
		l.Changed(now.Holder)
	}
}

func (l *Leader) extend(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = until
}

func (l *Leader) end() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
