// Package kube reads and changes the Applications of a Kubernetes API server,
// and reads the AppProjects and ImageUpdaters beside them.
//
// There are two ways to read: page by page, each time that somebody asks; or
// once, and from memory after that, while Watch runs. Either way an Application
// is trimmed while it is read, since its status is large: what package argo
// knows of it is kept, and those annotations that are ours. A list is whole or
// an error. An Application with a field of the wrong type is a problem of its
// own and takes no other with it.
//
// Changes are patches of single fields. The package refuses to write an
// Application as a whole, to keep anything of one that it does not need, and to
// log: what is worth knowing is told by Problems and Notices.
package kube

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/labels"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
)

// Options say which Applications there are to see.
type Options struct {
	// Namespace is Argo CD's own; it has to be set. AppProjects are there, and
	// all else is looked for there if the server does not let us look into all
	// namespaces.
	Namespace string
	// Namespaces are where Applications and ImageUpdaters are looked for; none
	// is all. If some of them are forbidden, that is a problem and the others
	// are looked into.
	Namespaces []string
	// Names are globs, as in path.Match, one of which an Application's name has
	// to match; none admits all.
	Names []string
	// Labels is a label selector as in kubectl -l; "" admits all Applications.
	Labels string
	// OnChange is told, while Watch runs, of objects that came, went, or changed
	// in something that an update depends on. A new resource version alone is no
	// such thing, nor are health and sync state. What is there when the watch
	// begins is not told. It is called from several goroutines and has to
	// return at once; nil tells nobody.
	OnChange func(Change)
	// Clock is the time of events; nil is time.Now.
	Clock func() time.Time
}

// Change names an object that changed.
type Change struct {
	Resource string // "applications", "appprojects" or "imageupdaters"
	Key      argo.Key
}

// Client is what we have to do with an API server.
type Client struct {
	api          *api
	clock        func() time.Time
	namespace    string
	applications *table[argo.Application]
	projects     *table[argo.Project]
	updaters     *table[v1alpha1.ImageUpdater]

	// cycle are the projects as they are taken to be until the next List; nil if
	// nobody asked for one since the last.
	mu    sync.Mutex
	cycle *cycle
}

// New makes a Client. It asks the server nothing.
func New(c *Connection, o Options) (*Client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	api, err := newAPI(c)
	if err != nil {
		return nil, err
	}
	client := &Client{api: api, clock: o.Clock, namespace: o.Namespace}
	if client.clock == nil {
		client.clock = time.Now
	}
	everywhere := slices.Compact(slices.Sorted(slices.Values(o.Namespaces)))
	if len(everywhere) == 0 {
		everywhere = []string{""}
	}
	client.applications = newTable(client, o, everywhere, applications(o))
	client.updaters = newTable(client, o, everywhere, imageUpdaters())
	client.projects = newTable(client, o, []string{o.Namespace}, projects())
	return client, nil
}

func (o Options) check() error {
	if o.Namespace == "" {
		return errors.New("kubernetes: the namespace of Argo CD is not known: set it")
	}
	for _, glob := range o.Names {
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("kubernetes: application name %q: the glob does not parse", glob)
		}
	}
	if _, err := labels.Parse(o.Labels); err != nil {
		return fmt.Errorf("kubernetes: label selector %q: %w", o.Labels, err)
	}
	return nil
}

func newTable[T any](c *Client, o Options, namespaces []string, k kind[T]) *table[T] {
	changed := func(key argo.Key) {
		if o.OnChange != nil {
			o.OnChange(Change{Resource: k.resource.Resource, Key: key})
		}
	}
	return &table[T]{kind: k, api: c.api, namespaces: namespaces, home: o.Namespace, changed: changed}
}

// Watch keeps Applications, AppProjects and ImageUpdaters in memory until ctx
// ends. It goes on through every error; see Problems. Only one Watch may run at
// a time.
func (c *Client) Watch(ctx context.Context) error {
	var group errgroup.Group
	for _, watch := range []func(context.Context){c.applications.watch, c.projects.watch, c.updaters.watch} {
		group.Go(func() error {
			watch(ctx)
			return ctx.Err()
		})
	}
	return group.Wait()
}

// Synced reports whether Watch has read all there is, of each kind that the
// server does not refuse to show.
func (c *Client) Synced() bool {
	return c.applications.synced() && c.projects.synced() && c.updaters.synced()
}

// List gives the chosen Applications, sorted by namespace and name: from memory
// if Watch has read them all, else from the server. Their maps and lists are
// shared and must not be changed.
func (c *Client) List(ctx context.Context) ([]argo.Application, error) {
	c.mu.Lock()
	c.cycle = nil
	c.mu.Unlock()
	return c.applications.all(ctx)
}

// ImageUpdaters gives the ImageUpdaters of the namespaces where Applications
// are looked for, sorted by namespace and name and without their managed
// fields. If their CustomResourceDefinition is not installed there are none;
// once it is, they are found.
func (c *Client) ImageUpdaters(ctx context.Context) ([]v1alpha1.ImageUpdater, error) {
	return c.updaters.all(ctx)
}

// Problems are the objects that were left out of the last List or ImageUpdaters
// because they are not as they should be, and the namespaces because they are
// forbidden; and, while Watch runs, why what is in memory may be old. All else is
// not concerned.
func (c *Client) Problems() []error {
	problems := slices.Concat(c.applications.troubles(), c.projects.troubles(), c.updaters.troubles())
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return problems
}

// Notices are what should be known of how the server was found and is no
// error: that it shows one namespace alone, that it knows no ImageUpdaters.
func (c *Client) Notices() []string {
	var notices, narrowed []string
	if c.applications.narrowed.Load() {
		narrowed = append(narrowed, c.applications.resource.Resource)
	}
	switch {
	case c.updaters.absent.Load():
		notices = append(notices, fmt.Sprintf("%s are not looked at: the API server does not know them; install the CustomResourceDefinition %s to use them", c.updaters.resource.Resource, c.updaters.resource.GroupResource()))
	case c.updaters.narrowed.Load():
		narrowed = append(narrowed, c.updaters.resource.Resource)
	}
	if len(narrowed) > 0 {
		notices = append(notices, fmt.Sprintf("%s are looked at in namespace %s alone: we may not list and watch those of all namespaces; grant it in a ClusterRole and start anew, or name the namespaces", strings.Join(narrowed, " and "), c.namespace))
	}
	return notices
}
