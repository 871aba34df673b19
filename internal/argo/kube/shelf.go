package kube

import (
	"errors"
	"sync"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
)

// shelf holds the objects of one namespace, or of all, as a watch tells them.
// It is the store of a cache.Reflector.
type shelf[T any] struct {
	admits  func(argo.Key) bool // nil is all
	same    func(a, b *object[T]) bool
	changed func(argo.Key)

	mu      sync.RWMutex
	objects map[argo.Key]*object[T]
	full    bool  // objects are all there are
	err     error // why objects do not follow the server; nil if they do
	late    bool  // the server has refused to give them
}

// Add takes an object in, in place of its older self.
func (s *shelf[T]) Add(obj any) error {
	o := obj.(*object[T])
	if s.admits != nil && !s.admits(o.key()) {
		return nil
	}
	s.mu.Lock()
	old := s.objects[o.key()]
	s.objects[o.key()] = o
	s.mu.Unlock()
	if s.differ(old, o) {
		s.changed(o.key())
	}
	return nil
}

// swap puts what we wrote ourselves in place of what we wrote it from, if that is
// still there. It is no change to be told: the watch tells the same once more.
func (s *shelf[T]) swap(version string, o *object[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.objects[o.key()]; old != nil && old.ResourceVersion == version {
		s.objects[o.key()] = o
	}
}

// Update is Add.
func (s *shelf[T]) Update(obj any) error { return s.Add(obj) }

// Delete takes an object out.
func (s *shelf[T]) Delete(obj any) error {
	key := obj.(*object[T]).key()
	s.mu.Lock()
	_, known := s.objects[key]
	delete(s.objects, key)
	s.mu.Unlock()
	if known {
		s.changed(key)
	}
	return nil
}

// Replace takes in all objects there are. The first time that is no change,
// unless the server refused to give them before: then nobody waits for them.
func (s *shelf[T]) Replace(list []any, _ string) error {
	now := make(map[argo.Key]*object[T], len(list))
	for _, item := range list {
		o := item.(*object[T])
		if s.admits == nil || s.admits(o.key()) {
			now[o.key()] = o
		}
	}
	s.mu.Lock()
	before, known := s.objects, s.full || s.late
	s.objects, s.full, s.err = now, true, nil
	s.mu.Unlock()
	if !known {
		return nil
	}
	for key, o := range now {
		if s.differ(before[key], o) {
			s.changed(key)
		}
	}
	for key := range before {
		if now[key] == nil {
			s.changed(key)
		}
	}
	return nil
}

// refused reports whether an error is one that lasts until somebody grants or
// installs something.
func refused(err error) bool {
	return errors.Is(err, fault.ErrDenied) || errors.Is(err, fault.ErrNotFound)
}

// Resync does nothing: nobody reads the shelf from a queue.
func (*shelf[T]) Resync() error { return nil }

// differ reports whether something changed that we act on.
func (s *shelf[T]) differ(old, now *object[T]) bool {
	switch {
	case old == nil || (old.err == nil) != (now.err == nil):
		return true
	case now.err != nil:
		return old.err.Error() != now.err.Error()
	}
	return !s.same(old, now)
}

// appendTo appends the objects.
func (s *shelf[T]) appendTo(objects []*object[T]) []*object[T] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, o := range s.objects {
		objects = append(objects, o)
	}
	return objects
}

// tell keeps why objects do not follow the server; nil if they do.
func (s *shelf[T]) tell(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.late = s.late || refused(err)
}

// state is whether the objects are all there are, and why they do not follow
// the server.
func (s *shelf[T]) state() (full bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.full, s.err
}
