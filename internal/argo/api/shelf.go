package api

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"argocd-image-updater/internal/argo"
)

// entry is one Application as the server has it.
type entry struct {
	app argo.Application // its identity alone if err is set
	err error            // why it is no proper Application
}

// version orders what is told of one Application. Versions are numbers that
// grow (Kubernetes API concepts, "Resource versions"), and the server itself
// compares them so; what is no number is older than all.
func version(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (e entry) version() uint64 { return version(e.app.ResourceVersion) }

// same reports whether nothing that we read differs but the version.
func (e entry) same(o entry) bool {
	o.app.ResourceVersion = e.app.ResourceVersion
	return e.err == nil && o.err == nil && reflect.DeepEqual(e.app, o.app)
}

// shelf holds the Applications while Watch runs. Lists and the stream fill it
// side by side: whatever comes later, the higher version stays.
type shelf struct {
	mu      sync.Mutex
	entries map[argo.Key]entry
	// gone are the versions of Applications that the stream told were deleted,
	// as long as an older list may still name them.
	gone map[argo.Key]uint64
	full bool // entries are all there are

	// Why entries may be old; nil if they are not.
	listing, streaming error
}

func newShelf() *shelf { return &shelf{entries: map[argo.Key]entry{}, gone: map[argo.Key]uint64{}} }

// put takes in what the stream told, and reports whether that is a change.
func (s *shelf) put(e entry) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := e.app.Key
	old, known := s.entries[key]
	if known && e.version() < old.version() || e.version() < s.gone[key] {
		return false
	}
	s.entries[key] = e
	return s.full && (!known || !old.same(e))
}

// drop takes out what the stream told to be deleted, or not ours any more.
func (s *shelf) drop(e entry) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := e.app.Key
	old, known := s.entries[key]
	if known && e.version() < old.version() {
		return false
	}
	delete(s.entries, key)
	s.gone[key] = e.version()
	return s.full && known
}

// replace takes in a list of that version, and tells what it changed. The first
// list changes nothing.
func (s *shelf) replace(list []entry, at uint64) (changed []argo.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.merge(list, at)
	if s.full {
		changed = differences(s.entries, now)
	}
	maps.DeleteFunc(s.gone, func(_ argo.Key, v uint64) bool { return v <= at })
	s.entries, s.full, s.listing = now, true, nil
	return changed
}

// merge is a list of that version with what the stream told since.
func (s *shelf) merge(list []entry, at uint64) map[argo.Key]entry {
	now := make(map[argo.Key]entry, len(list))
	for _, e := range list {
		if v, gone := s.gone[e.app.Key]; !gone || e.version() > v {
			now[e.app.Key] = e
		}
	}
	for key, old := range s.entries {
		e, listed := now[key]
		since := at
		if listed {
			since = e.version()
		}
		// A list that does not say how old it is has what there is: to keep for ever
		// what is gone would be worse than to miss for a while what is new.
		if old.version() > since && (listed || at > 0) {
			now[key] = old
		}
	}
	return now
}

// differences are the Applications that are not the same in both.
func differences(before, after map[argo.Key]entry) (keys []argo.Key) {
	for key, e := range after {
		if old, known := before[key]; !known || !old.same(e) {
			keys = append(keys, key)
		}
	}
	for key := range before {
		if _, still := after[key]; !still {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, argo.Key.Compare)
	return keys
}

// all are the entries; ok is false if they are not all there are.
func (s *shelf) all() (list []entry, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.entries)), s.full
}

// trouble sets listing or streaming.
func (s *shelf) trouble(at *error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*at = err
}

// troubles are why the entries may be old.
func (s *shelf) troubles() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc([]error{s.listing, s.streaming}, func(err error) bool { return err == nil })
}
