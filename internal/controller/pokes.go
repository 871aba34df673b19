package controller

import (
	"sync"

	"argocd-image-updater/internal/update"
)

// maxPokes bounds how many pokes wait. A replica that stands by takes none, and
// one that leads does better to look at the whole fleet.
const maxPokes = 1000

// pokes gathers pokes until somebody takes them, each once.
type pokes struct {
	mu      sync.Mutex
	waiting []update.Poke
	seen    map[update.Poke]bool
	lost    bool          // there were more than maxPokes
	signal  chan struct{} // has room for one; nil until somebody looks
}

func (p *pokes) add(poke update.Poke) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open()
	if p.seen[poke] {
		return
	}
	if len(p.waiting) == maxPokes {
		p.lost = true
	} else {
		p.seen[poke] = true
		p.waiting = append(p.waiting, poke)
	}
	select {
	case p.signal <- struct{}{}:
	default: // nobody has looked since the last one
	}
}

// open makes the zero value usable.
func (p *pokes) open() {
	if p.signal == nil {
		p.signal, p.seen = make(chan struct{}, 1), map[update.Poke]bool{}
	}
}

// arrived delivers after something was added.
func (p *pokes) arrived() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open()
	return p.signal
}

// take are all pokes that wait, in the order in which they came. It is not ok if
// there were too many to keep.
func (p *pokes) take() (waiting []update.Poke, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting, ok = p.waiting, !p.lost
	p.waiting, p.seen, p.lost = nil, map[update.Poke]bool{}, false
	return waiting, ok
}
