package kube

import (
	"context"
	"sync"
)

// memo asks each question once, however many want to know at the same time or
// later, and keeps the answer, also if it is an error. The zero memo is ready
// for use.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	asked map[K]*answer[V]
}

// answer may be read once done is closed.
type answer[V any] struct {
	done   chan struct{}
	value  V
	err    error
	gaveUp bool // the one who asked did not wait for the answer
}

// get gives the answer to a question. The first who wants to know asks it; if
// its context ends before there is an answer, that is none for the others, and
// one of them asks again.
func (m *memo[K, V]) get(ctx context.Context, key K, ask func(context.Context) (V, error)) (V, error) {
	for {
		a, mine := m.find(key)
		if mine {
			a.value, a.err = ask(ctx)
			if a.gaveUp = a.err != nil && ctx.Err() != nil; a.gaveUp {
				m.drop(key)
			}
			close(a.done)
			return a.value, a.err
		}
		select {
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		case <-a.done:
		}
		if !a.gaveUp {
			return a.value, a.err
		}
	}
}

func (m *memo[K, V]) find(key K) (a *answer[V], mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a, ok := m.asked[key]; ok {
		return a, false
	}
	if m.asked == nil {
		m.asked = map[K]*answer[V]{}
	}
	a = &answer[V]{done: make(chan struct{})}
	m.asked[key] = a
	return a, true
}

func (m *memo[K, V]) drop(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.asked, key)
}
