package controller

import (
	"sync"

	"argocd-image-updater/internal/update"
)

// pokes gathers pokes until somebody takes them, each once.
type pokes struct {
	mu      sync.Mutex
	waiting []update.Poke
	seen    map[update.Poke]bool
	signal  chan struct{} // has room for one; nil until somebody looks
}

func (p *pokes) add(poke update.Poke) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open()
	if p.seen[poke] {
		return
	}
	p.seen[poke] = true
	p.waiting = append(p.waiting, poke)
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

// take are all pokes that wait, in the order in which they came.
func (p *pokes) take() []update.Poke {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.waiting
	p.waiting, p.seen = nil, map[update.Poke]bool{}
	return out
}
