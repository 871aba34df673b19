package controller_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"argocd-image-updater/internal/controller"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/update"
)

// server holds one Lease as an API server does.
type server struct {
	mu      sync.Mutex
	lease   controller.Lease
	version int // 0: there is none
}

// is is the Lease as it stands, and how often it was written.
func (s *server) is() (lease controller.Lease, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease, s.version
}

// line is how one replica reaches the server.
type line struct {
	*server
	seen int
	// there and back happen on the way to the server and on the way back; an
	// error loses the request or the answer. Nil lets everything pass.
	there, back func(ctx context.Context) error
}

func (l *line) Get(ctx context.Context) (controller.Lease, error) {
	there, back := l.network()
	if err := pass(ctx, there); err != nil {
		return controller.Lease{}, err
	}
	l.mu.Lock()
	lease, version := l.lease, l.version
	l.mu.Unlock()
	if err := pass(ctx, back); err != nil {
		return controller.Lease{}, err
	}
	l.seen = version
	if version == 0 {
		return lease, fault.ErrNotFound
	}
	return lease, nil
}

func (l *line) Put(ctx context.Context, lease controller.Lease) error {
	there, back := l.network()
	if err := pass(ctx, there); err != nil {
		return err
	}
	l.mu.Lock()
	won := l.version == l.seen
	if won {
		l.version++
		l.lease = lease
	}
	version := l.version
	l.mu.Unlock()
	if err := pass(ctx, back); err != nil {
		return err
	}
	if !won {
		return fault.ErrLostRace
	}
	l.seen = version
	return nil
}

func (l *line) network() (there, back func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.there, l.back
}

func pass(ctx context.Context, way func(context.Context) error) error {
	if way == nil {
		return nil
	}
	return way(ctx)
}

// stall is a network that swallows everything.
func stall(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// replica is a Leader that runs, and what became of it.
type replica struct {
	*controller.Leader
	line  *line
	stop  func() // it, and wait for its end
	mu    sync.Mutex
	terms []time.Time // when each began
	ended []time.Time // when the work of each ended
	waits []string    // what Waiting was told, each once in a row
}

// windDown is how long the work goes on after its context ended.
const windDown = 4 * time.Second

func (r *replica) work(ctx context.Context) {
	r.mu.Lock()
	r.terms = append(r.terms, time.Now())
	r.mu.Unlock()
	<-ctx.Done()
	time.Sleep(windDown)
	r.mu.Lock()
	r.ended = append(r.ended, time.Now())
	r.mu.Unlock()
}

func (r *replica) waiting(err error) {
	text := fmt.Sprint(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waits) == 0 || r.waits[len(r.waits)-1] != text {
		r.waits = append(r.waits, text)
	}
}

// history is when the terms began, and when the work of each ended.
func (r *replica) history() (terms, ended []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.terms), slices.Clone(r.ended)
}

func (r *replica) count() int {
	terms, _ := r.history()
	return len(terms)
}

func (r *replica) ends() int {
	_, ended := r.history()
	return len(ended)
}

// start starts a replica, which has a term of its own each time that it leads.
func start(t *testing.T, s *server, name string, work func(*replica) func(context.Context)) *replica {
	r := &replica{line: &line{server: s}}
	r.Leader = controller.Election{Leases: r.line, Identity: name, Waiting: r.waiting}.Join()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if work == nil {
			r.Run(ctx, r.work)
		} else {
			r.Run(ctx, work(r))
		}
	}()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

// after lets time pass, and everybody do what there is to do at its end.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Whatever the network does to requests and answers, two replicas never write at
// the same time: neither while a write begins, nor while one that has begun is
// brought to its end.
func TestTermsNeverOverlap(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			upTo := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return random.IntN(n)
			}
			weather := func(ctx context.Context) error {
				wait := time.Duration(upTo(200)) * time.Millisecond
				switch upTo(10) {
				case 0:
					wait = time.Duration(upTo(20)) * time.Second
				case 1:
					return errors.New("connection refused")
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(wait):
					return nil
				}
			}
			writer, writes := "", map[string]int{}
			busy := func(name string) func(*replica) func(context.Context) {
				return func(r *replica) func(context.Context) {
					return func(ctx context.Context) {
						for ctx.Err() == nil {
							time.Sleep(100 * time.Millisecond)
							if r.MayWrite(ctx) != nil {
								continue
							}
							mu.Lock()
							if writer != "" {
								t.Errorf("seed %d: %s begins to write while %s does", seed, name, writer)
							}
							writer = name
							writes[name]++
							mu.Unlock()
							select { // a push that hangs, and is broken off
							case <-time.After(time.Duration(upTo(60)) * time.Second):
							case <-ctx.Done():
								time.Sleep(windDown)
							}
							mu.Lock()
							writer = ""
							mu.Unlock()
						}
					}
				}
			}
			s := &server{}
			for _, name := range []string{"a", "b", "c"} {
				r := start(t, s, name, busy(name))
				s.mu.Lock()
				r.line.there, r.line.back = weather, weather
				s.mu.Unlock()
			}
			after(2 * time.Hour)
			lease, _ := s.is()
			mu.Lock()
			defer mu.Unlock()
			if len(writes) < 3 || lease.Transitions < 10 {
				t.Errorf("seed %d: writes %v, %d transitions: too quiet to prove anything", seed, writes, lease.Transitions)
			}
		})
	}
}

// A leader that is gone is followed when its Lease has ended.
func TestFollowsADeadLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		first := start(t, s, "first", nil)
		after(time.Minute)
		second := start(t, s, "second", nil)
		after(time.Minute)
		if first.count() != 1 || second.count() != 0 || first.MayWrite(t.Context()) != nil || second.MayWrite(t.Context()) == nil {
			t.Fatalf("terms %d and %d, want that the first leads", first.count(), second.count())
		}
		died := time.Now()
		s.mu.Lock()
		first.line.there = stall
		s.mu.Unlock()
		after(30 * time.Second)
		if second.count() != 1 {
			t.Fatal("nobody took over")
		}
		terms, _ := second.history()
		_, ended := first.history()
		took, stopped := terms[0].Sub(died), ended[0].Sub(died)
		if took < 12*time.Second || took > 20*time.Second || stopped >= took {
			t.Errorf("took over after %s, and the work of the first ended after %s", took, stopped)
		}
		if lease, _ := s.is(); lease.Transitions != 1 || lease.Holder != "second" || lease.Duration != 15*time.Second {
			t.Errorf("lease %+v", lease)
		}
	})
}

// A leader that is told to end gives the Lease up after its work has ended, and
// then the other need not wait.
func TestReleasesAfterTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		first := start(t, s, "first", nil)
		after(time.Minute)
		second := start(t, s, "second", nil)
		after(time.Minute)
		told := time.Now()
		first.stop()
		after(10 * time.Second)
		if second.count() != 1 {
			t.Fatal("nobody took over")
		}
		_, ends := first.history()
		terms, _ := second.history()
		ended, took := ends[0].Sub(told), terms[0].Sub(told)
		if ended != windDown || took < ended || took > ended+3*time.Second {
			t.Errorf("the work ended after %s, and the other took over after %s", ended, took)
		}
	})
}

// A renewal whose answer is lost is none to the leader, and costs no term as
// long as the next one gets through.
func TestLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		r := start(t, s, "first", nil)
		after(time.Minute)
		_, before := s.is()
		s.mu.Lock()
		lost := 0
		r.line.back = func(context.Context) error {
			if lost++; lost == 1 {
				return errors.New("connection reset")
			}
			return nil
		}
		s.mu.Unlock()
		after(time.Minute)
		if _, writes := s.is(); r.count() != 1 || r.ends() > 0 || r.MayWrite(t.Context()) != nil || writes < before+20 {
			t.Errorf("%d terms, %d ended, %d renewals", r.count(), r.ends(), writes-before)
		}
	})
}

// A renewal that nobody answers is made again while there is time.
func TestUnansweredRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		r := start(t, s, "first", nil)
		after(time.Minute)
		for range 5 {
			s.mu.Lock()
			swallowed := false
			r.line.there = func(ctx context.Context) error {
				if swallowed {
					return nil
				}
				swallowed = true
				return stall(ctx)
			}
			s.mu.Unlock()
			after(time.Minute)
		}
		if r.count() != 1 || r.ends() > 0 {
			t.Errorf("%d terms, %d ended", r.count(), r.ends())
		}
	})
}

// While a machine is suspended, only the clock on the wall goes on: whoever
// wakes up has to find out first whether it still leads.
func TestSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slept atomic.Int64
		r := &replica{line: &line{server: &server{}}}
		r.Leader = controller.Election{
			Leases: r.line, Identity: "first",
			Wall: func() time.Time { return time.Now().Add(time.Duration(slept.Load())) },
		}.Join()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx, r.work) }()
		after(time.Minute)
		before := r.MayWrite(ctx)
		slept.Store(int64(time.Hour))
		if err := r.MayWrite(ctx); before != nil || update.Classify(err) != update.Transient {
			t.Errorf("it may write before (%v), and after (%v), without having asked", before, err)
		}
		slept.Store(0)
		after(time.Minute)
		if r.MayWrite(ctx) != nil || r.count() != 1 {
			t.Error("it does not go on after it has asked")
		}
		cancel()
		<-done
	})
}

// Whoever else is written into the Lease has it.
func TestDeposed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		r := start(t, s, "first", nil)
		after(time.Minute)
		s.mu.Lock()
		s.lease.Holder = "somebody"
		s.version++
		s.mu.Unlock()
		after(7 * time.Second)
		if r.ends() != 1 || r.MayWrite(t.Context()) == nil {
			t.Error("it goes on to work")
		}
		if lease, _ := s.is(); lease.Holder != "somebody" {
			t.Errorf("%q holds the Lease", lease.Holder)
		}
		after(time.Minute)
		if r.count() != 2 {
			t.Error("it did not come back when somebody was silent")
		}
	})
}

// Why the Lease cannot be had is told, and that another holds it is no trouble.
func TestTellsWhyItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		start(t, s, "first", nil)
		after(time.Minute)
		second := start(t, s, "second", nil)
		after(time.Minute)
		s.mu.Lock()
		second.line.there = func(context.Context) error { return fault.ErrDenied }
		s.mu.Unlock()
		after(time.Minute)
		second.mu.Lock()
		defer second.mu.Unlock()
		if got := strings.Join(second.waits, ", "); got != "<nil>, denied" {
			t.Errorf("told %s", got)
		}
	})
}

// A Lease that somebody deleted is still the leader's, who does not know of it
// yet: it makes the Lease anew, and nobody else does before its time is over.
func TestDeletedLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		first := start(t, s, "first", nil)
		after(time.Minute)
		second := start(t, s, "second", nil)
		for range 20 { // at any moment between two renewals
			after(time.Minute + 137*time.Millisecond)
			s.mu.Lock()
			s.lease, s.version = controller.Lease{}, 0
			s.mu.Unlock()
		}
		after(time.Minute)
		if first.count() != 1 || first.ends() != 0 || second.count() != 0 {
			t.Errorf("the first had %d terms of which %d ended, the second %d", first.count(), first.ends(), second.count())
		}
		s.mu.Lock()
		first.line.there, s.lease, s.version = stall, controller.Lease{}, 0
		s.mu.Unlock()
		after(30 * time.Second)
		if terms, _ := second.history(); len(terms) != 1 {
			t.Errorf("the second had %d terms after the first was gone", len(terms))
		}
	})
}
