package cli

import (
	"fmt"
	"io"
	"sync"

	"argocd-image-updater/internal/update"
)

// progress shows on a terminal how many image repositories were read. It
// writes to stderr, so that it never gets into what is piped on.
type progress struct {
	mu    sync.Mutex
	w     io.Writer // nil: nobody watches
	read  int
	total int
}

func (sh shell) newProgress() *progress {
	if !sh.errTTY {
		return &progress{}
	}
	return &progress{w: sh.err}
}

// Observe counts what was read.
func (p *progress) Observe(e update.Event) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case update.CycleStarted:
		p.read, p.total = 0, e.Images
	case update.ImageRead:
		p.read++
	default:
		return
	}
	fmt.Fprintf(p.w, "\r\x1b[Kreading registries: %d of %d", p.read, p.total)
}

// clear wipes the line.
func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// observers are told the same, one after the other.
type observers []update.Observer

// Observe tells each.
func (os observers) Observe(e update.Event) {
	for _, o := range os {
		o.Observe(e)
	}
}
