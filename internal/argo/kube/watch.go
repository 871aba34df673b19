package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
)

// watch keeps the table in memory until ctx ends. What goes wrong on the way is
// tried again for ever, and told by troubles.
func (t *table[T]) watch(ctx context.Context) {
	shelves := make([]*shelf[T], len(t.namespaces))
	for i := range shelves {
		shelves[i] = &shelf[T]{admits: t.admits, same: t.same, changed: t.changed, objects: map[argo.Key]*object[T]{}}
	}
	t.keep(shelves)
	defer t.keep(nil)
	// A Reflector logs what it also hands to us.
	ctx = klog.NewContext(ctx, klog.Logger{})
	var group errgroup.Group
	for i, namespace := range t.namespaces {
		group.Go(func() error {
			o := cache.ReflectorOptions{TypeDescription: t.resource.Resource, Backoff: backoff()}
			cache.NewReflectorWithOptions(t.source(namespace, shelves[i]), nil, shelves[i], o).RunWithContext(ctx)
			return nil
		})
	}
	_ = group.Wait() // there are no errors
}

// backoff is how long a Reflector waits until it tries again. Its own ends at
// a minute, and that is long for an API server that was only restarted.
func backoff() *wait.Backoff {
	return &wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 1, Steps: 10, Cap: 8 * time.Second}
}

func (t *table[T]) keep(shelves []*shelf[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shelves = shelves
}

// source lists and watches a namespace, and tells its shelf how that went.
func (t *table[T]) source(namespace string, s *shelf[T]) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			l, err := t.page(ctx, namespace, o)
			if t.lacking(err) {
				return nil, errors.Join(err, s.Replace(nil, ""))
			}
			s.tell(err)
			if err != nil {
				return nil, err
			}
			return l, nil
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			events, err := t.events(ctx, namespace, o)
			if !t.lacking(err) {
				s.tell(err)
			}
			if passing(err) && o.SendInitialEvents != nil {
				err = errors.New(err.Error())
			}
			return events, err
		},
	}
}

// passing reports whether a Reflector would recognise an error as one that
// passes. Where it asks for initial events it waits for that itself, deaf to the
// end of the program.
func passing(err error) bool {
	return utilnet.IsConnectionRefused(err) || apierrors.IsTooManyRequests(err)
}

// events opens a watch. It ends when the server was asked to end it, and soon
// after that if the server does not: one that is silent for ever looks the same
// as one where nothing happens.
func (t *table[T]) events(ctx context.Context, namespace string, o metav1.ListOptions) (watch.Interface, error) {
	o.Watch = true
	query, err := t.query(o)
	if err != nil {
		return nil, err
	}
	target := t.target("watch", namespace)
	limit := t.api.patience
	if o.TimeoutSeconds != nil {
		limit += time.Duration(*o.TimeoutSeconds) * time.Second
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	body, err := t.api.open(limited, target, query, nil)
	t.absent.Store(errors.Is(err, fault.ErrNotFound))
	if err != nil {
		cancel()
		if t.narrow(target, err) && o.SendInitialEvents != nil { // else what was listed has to be listed again
			return t.events(ctx, namespace, o)
		}
		return nil, err
	}
	t.saw(target)
	bounded := &bounded{from: body}
	s := &stream[T]{body: body, cancel: cancel, bounded: bounded, json: json.NewDecoder(bounded), decode: t.decode}
	return watch.NewStreamWatcherWithLogger(klog.Logger{}, s, apierrors.NewClientErrorReporter(http.StatusInternalServerError, target.verb, "ClientWatchDecoding")), nil
}

// stream reads the events of a watch.
type stream[T any] struct {
	body    io.Closer
	cancel  context.CancelFunc
	bounded *bounded
	json    *json.Decoder
	decode  decoder[T]
}

// Close ends the watch.
func (s *stream[T]) Close() {
	s.cancel()
	_ = s.body.Close() // nothing was written
}

// Decode reads the next event. Type comes before object, as Kubernetes writes
// them, so that the object need not be read twice.
func (s *stream[T]) Decode() (watch.EventType, runtime.Object, error) {
	s.bounded.read = 0
	var typ watch.EventType
	if err := expect(s.json, json.Delim('{'), "type"); err != nil {
		return "", nil, err
	}
	if err := s.json.Decode(&typ); err != nil {
		return "", nil, err
	}
	if err := expect(s.json, "object"); err != nil {
		return "", nil, err
	}
	o, err := s.object(typ)
	if err != nil {
		return "", nil, err
	}
	return typ, o, expect(s.json, json.Delim('}'))
}

func (s *stream[T]) object(typ watch.EventType) (runtime.Object, error) {
	switch typ {
	case watch.Added, watch.Modified, watch.Deleted:
		return s.decode(s.json)
	case watch.Bookmark:
		var bookmark metav1.PartialObjectMetadata
		err := s.json.Decode(&bookmark)
		return &object[T]{ObjectMeta: bookmark.ObjectMeta}, err
	case watch.Error:
		status := &metav1.Status{}
		err := s.json.Decode(status)
		return status, err
	}
	return nil, fmt.Errorf("an event of type %q", typ)
}

// synced reports whether the table is in memory, or the server refuses to give
// it.
func (t *table[T]) synced() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.shelves {
		full, err := s.state()
		if !full && !refused(err) {
			return false
		}
	}
	return len(t.shelves) > 0
}

// troubles are the problems with single objects that the last call of all found,
// and why the table does not follow the server.
func (t *table[T]) troubles() []error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var troubles []error
	for _, s := range t.shelves {
		if _, err := s.state(); err != nil {
			troubles = append(troubles, err)
		}
	}
	return append(troubles, t.problems...)
}
