package itest

import (
	"io"
	"net/http"
	"sync"
)

// Count is the traffic of one kind of request.
type Count struct {
	Requests int
	In       int64 // bytes of request bodies
	Out      int64 // bytes of response bodies, as sent
}

// Front stands before a server, counts by kind what passes, and does harm
// where it was told to. The kinds are those of the server: see GitServer and
// Registry.
type Front struct {
	kind func(*http.Request) string
	next http.Handler

	mu     sync.Mutex
	counts map[string]Count
	faults []*Fault
}

// Fault is a harm and when it is done.
type Fault struct {
	Kind  string // of the requests that suffer; "" is every kind
	Skip  int    // requests of the kind that pass unharmed first
	Times int    // requests that suffer after that; 0 is all
	Harm  Harm
}

func newFront(next http.Handler, kind func(*http.Request) string) *Front {
	return &Front{kind: kind, next: next, counts: map[string]Count{}}
}

// Break adds a fault. Of several faults that fit a request the first that is
// not used up is done.
func (f *Front) Break(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, &fault)
}

// Mend removes all faults.
func (f *Front) Mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Count is what has passed of one kind since the start or the last Reset.
func (f *Front) Count(kind string) Count {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[kind]
}

// Total is what has passed of all kinds.
func (f *Front) Total() Count {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sum Count
	for _, c := range f.counts {
		sum.Requests += c.Requests
		sum.In += c.In
		sum.Out += c.Out
	}
	return sum
}

// Reset sets all counts to zero.
func (f *Front) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.counts)
}

// ServeHTTP counts the request and passes it on, harmed or not.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := f.kind(r)
	body := &countingBody{ReadCloser: r.Body}
	r.Body = body
	out := &countingWriter{ResponseWriter: w}
	defer func() { // also when a harm cuts the connection
		f.add(kind, Count{In: body.n, Out: out.n})
	}()
	f.add(kind, Count{Requests: 1})
	next := f.next
	if harm := f.due(kind); harm != nil {
		next = harm(next)
	}
	next.ServeHTTP(out, r)
}

func (f *Front) add(kind string, c Count) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := f.counts[kind]
	sum.Requests += c.Requests
	sum.In += c.In
	sum.Out += c.Out
	f.counts[kind] = sum
}

// due is the harm that is to be done to a request of the kind now; nil for none.
func (f *Front) due(kind string) Harm {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.faults {
		switch {
		case fault.Kind != "" && fault.Kind != kind, fault.Times < 0:
			continue
		case fault.Skip > 0:
			fault.Skip--
			continue
		}
		if fault.Times == 1 {
			fault.Times = -1 // used up; 0 would be for ever
		} else if fault.Times > 1 {
			fault.Times--
		}
		return fault.Harm
	}
	return nil
}

type countingBody struct {
	io.ReadCloser
	n int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

type countingWriter struct {
	http.ResponseWriter
	n int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
