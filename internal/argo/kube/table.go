package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion/queryparams"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
)

const (
	// pageSize is how many objects are asked for at once.
	pageSize = 500
	// maxPages bounds a list.
	maxPages = 10_000
)

// kind says which objects a table is of, and what of them matters.
type kind[T any] struct {
	resource schema.GroupVersionResource
	decode   decoder[T]
	// selector is a label selector for the server; "" is all.
	selector string
	// admits says which objects are kept; nil is all.
	admits func(argo.Key) bool
	// same reports whether nothing that we act on differs.
	same func(a, b *object[T]) bool
	// optional: it is no error if the server does not know the kind.
	optional bool
}

// table is all objects of a kind in some namespaces: read page by page
// when asked, or kept in memory while it is watched.
type table[T any] struct {
	kind[T]
	api *api
	// namespaces to look into; one "" stands for all, and for home alone once
	// the server forbade all.
	namespaces []string
	home       string
	changed    func(argo.Key)

	narrowed atomic.Bool // home stands for all namespaces
	wide     atomic.Bool // all namespaces were seen
	absent   atomic.Bool // the server does not know the kind

	mu       sync.Mutex
	shelves  []*shelf[T] // one for each namespace while watching; else none
	problems []error     // with single objects and namespaces, when all was called last
}

// all are the usable objects, sorted by key. The others become the table's
// problems.
func (t *table[T]) all(ctx context.Context) ([]T, error) {
	objects, problems, err := t.everything(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(objects, func(a, b *object[T]) int { return a.key().Compare(b.key()) })
	values := make([]T, 0, len(objects))
	for _, o := range objects {
		if o.err != nil {
			problems = append(problems, o.err)
			continue
		}
		values = append(values, o.value)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problems = problems
	return values, nil
}

// everything is all objects, in any order: from memory if that is complete, else
// from the server. Namespaces that we may not look into are problems, unless
// they are all there are.
func (t *table[T]) everything(ctx context.Context) (objects []*object[T], problems []error, err error) {
	if objects, ok := t.kept(); ok {
		return objects, nil, nil // why it is not more is told by troubles
	}
	return t.read(ctx)
}

// kept is what is in memory; not ok if that is not all we may see.
func (t *table[T]) kept() (objects []*object[T], ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.shelves {
		full, err := s.state()
		if !full && !errors.Is(err, fault.ErrDenied) {
			return nil, false
		}
		objects, ok = s.appendTo(objects), ok || full
	}
	return objects, ok
}

// wrote takes in an object that we made from another version of it.
func (t *table[T]) wrote(version string, o *object[T]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.shelves {
		s.swap(version, o)
	}
}

// read lists the objects of all namespaces.
func (t *table[T]) read(ctx context.Context) (objects []*object[T], denied []error, err error) {
	for _, namespace := range t.namespaces {
		found, err := t.readNamespace(ctx, namespace)
		switch {
		case errors.Is(err, fault.ErrDenied):
			denied = append(denied, err)
		case err != nil:
			return nil, nil, err
		}
		objects = append(objects, found...)
	}
	if len(denied) == len(t.namespaces) {
		return nil, nil, denied[0]
	}
	return slices.DeleteFunc(objects, func(o *object[T]) bool { return t.admits != nil && !t.admits(o.key()) }), denied, nil
}

// readNamespace lists one namespace page by page. A list that grew too old
// between two pages is asked for again, and then at once.
func (t *table[T]) readNamespace(ctx context.Context, namespace string) ([]*object[T], error) {
	var objects []*object[T]
	o := metav1.ListOptions{Limit: pageSize}
	for range maxPages {
		page, err := t.page(ctx, namespace, o)
		switch {
		case code(err) == http.StatusGone && o.Continue != "":
			o, objects = metav1.ListOptions{}, nil
			continue
		case t.lacking(err):
			return nil, nil
		case err != nil:
			return nil, err
		}
		objects = append(objects, page.Items...)
		if page.Continue == "" {
			return objects, nil
		}
		o.Continue = page.Continue
	}
	return nil, t.target("list", namespace).explain(fmt.Errorf("the list has more than %d pages", maxPages))
}

// page lists what one request gives.
func (t *table[T]) page(ctx context.Context, namespace string, o metav1.ListOptions) (*list[T], error) {
	limited, cancel := context.WithTimeout(ctx, t.api.patience)
	defer cancel()
	target := t.target("list", namespace)
	query, err := t.query(o)
	if err != nil {
		return nil, err
	}
	body, err := t.api.open(limited, target, query, nil)
	if t.narrow(target, err) {
		return t.page(ctx, namespace, o)
	}
	t.absent.Store(errors.Is(err, fault.ErrNotFound))
	if err != nil {
		return nil, err
	}
	t.saw(target)
	defer body.Close()
	l, err := decodeList(body, t.decode)
	if err != nil {
		return nil, target.explain(err)
	}
	return l, nil
}

func (t *table[T]) query(o metav1.ListOptions) (url.Values, error) {
	o.LabelSelector = t.selector
	return queryparams.Convert(&o)
}

// target is what a request for a namespace of the table is about.
func (t *table[T]) target(verb, namespace string) target {
	if namespace == "" && t.narrowed.Load() {
		namespace = t.home
	}
	return target{verb: verb, resource: t.resource, namespace: namespace}
}

// narrow makes home stand for all namespaces if those are forbidden, and reports
// whether it just did. Where all were seen before it is a trouble instead: a
// server that starts refuses what it allows when it knows its roles, and a fleet
// must not shrink by that.
func (t *table[T]) narrow(forbidden target, err error) bool {
	return code(err) == http.StatusForbidden && forbidden.namespace == "" && !t.wide.Load() && t.narrowed.CompareAndSwap(false, true)
}

// saw keeps in mind what the server has shown.
func (t *table[T]) saw(shown target) {
	if shown.namespace == "" {
		t.wide.Store(true)
	}
}

// lacking reports whether an error says that the server does not know the kind,
// where that is none.
func (t *table[T]) lacking(err error) bool { return t.optional && errors.Is(err, fault.ErrNotFound) }
