package server

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	defaultInterval = 2 * time.Minute
	// defaultPatience is what the longest single wait may take, a list of an
	// Argo CD API server. Requests to registries and Git servers, and the pauses
	// between their tries, end within 90 s each.
	defaultPatience = 5 * time.Minute
)

// HealthOptions tune a Health. The zero value is good for production.
type HealthOptions struct {
	// Interval is the longest time from the end of one cycle to the begin of the
	// next; 0 is 2 minutes.
	Interval time.Duration
	// Patience is how long a cycle may give no sign of life, and how late the
	// next one may be; 0 is 5 minutes.
	Patience time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// phase is what the loop of cycles is doing.
type phase int

const (
	preparing phase = iota // something has to be there before the first cycle
	standing               // another replica does the work
	working                // in a cycle
	resting                // between two cycles
)

// Health knows whether the program works, and whether it is of use. The loop of
// cycles tells it what it does; anybody may ask, at any time.
//
// The program is not alive if nothing happens although something should: in a
// cycle no answer, failure or time-out was seen for Patience, or the next one
// does not begin. A registry, a Git server or an API server that is out of
// reach gives errors, and errors are signs of life: starting the program anew
// would not bring the server back.
//
// It is ready if its last look at the Applications succeeded, and while another
// replica is known to do the work.
type Health struct {
	options HealthOptions

	mu      sync.Mutex
	phase   phase
	since   time.Time // the begin of the phase
	sign    time.Time // the last sign of life
	unready error     // why it is not ready; nil: it is
}

// NewHealth makes a Health that is alive, and not ready yet.
func NewHealth(o HealthOptions) *Health {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Health{options: o}
	h.Prepare("starting")
	return h
}

// Prepare tells what has to be there before the first cycle, such as an answer
// of the API server: the program is not ready, and alive however long it takes.
func (h *Health) Prepare(reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enter(preparing)
	h.unready = errors.New(reason)
}

// StandBy tells that another replica does the work.
func (h *Health) StandBy() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enter(standing)
	h.unready = nil
}

// Waiting tells, while another replica does the work, why that is not known to
// be so; nil if it is.
func (h *Health) Waiting(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == standing {
		h.unready = err
	}
}

// Begin tells that a cycle begins. Whether the program is ready stays as it was.
func (h *Health) Begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enter(working)
}

// Listed tells that the Applications were listed.
func (h *Health) Listed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sign = h.options.Now()
	h.unready = nil
}

// Progress is a sign of life in a cycle: a server answered, refused, or was
// waited for no longer.
func (h *Health) Progress() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sign = h.options.Now()
}

// End tells that a cycle ended; the error is the one that left nothing to plan.
func (h *Health) End(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enter(resting)
	h.unready = nil
	if err != nil {
		h.unready = fmt.Errorf("the last cycle failed: %w", err)
	}
}

func (h *Health) enter(p phase) {
	h.phase, h.since = p, h.options.Now()
	h.sign = h.since
}

// Alive is nil, or says what hangs.
func (h *Health) Alive() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.alive()
}

func (h *Health) alive() error {
	now := h.options.Now()
	age, silence := now.Sub(h.since), now.Sub(h.sign)
	switch {
	case h.phase == working && silence > h.options.Patience:
		return fmt.Errorf("stuck: no answer, failure or time-out for %s in a cycle that began %s ago",
			silence.Round(time.Second), age.Round(time.Second))
	case h.phase == resting && age > h.options.Interval+h.options.Patience:
		return fmt.Errorf("stuck: the last cycle ended %s ago and the next has not begun; they come every %s",
			age.Round(time.Second), h.options.Interval)
	}
	return nil
}

// Ready is nil, or says what is missing. What hangs is not ready.
func (h *Health) Ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.alive(); err != nil {
		return err
	}
	return h.unready
}

// Handler answers GET /healthz and /readyz: 200 and OK, or 503 and the reason.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", probe(h.Alive))
	mux.Handle("GET /readyz", probe(h.Ready))
	return mux
}

func probe(check func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("OK\n")) // who asked and left needs no answer
	})
}
