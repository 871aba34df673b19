package api

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"argocd-image-updater/internal/argo"
)

// Options say which server is asked, and for which Applications.
type Options struct {
	// Address of the server: host, host:port, or a URL. A path is the server's
	// root path. See DefaultAddress.
	Address string
	// Token of an account or of a project role.
	Token Token
	// Plaintext speaks HTTP without TLS; http:// in Address says the same.
	Plaintext bool
	// Insecure does not check the server's certificate.
	Insecure bool
	// CA are certificates in PEM to trust besides the system's.
	CA []byte

	// Namespaces to look at; none: all that the server gives.
	Namespaces []string
	// Names are globs (path.Match), one of which the name has to match; none: any.
	Names []string
	// Labels is a label selector as in kubectl -l; "" admits all.
	Labels string
	// OnChange is told, while Watch runs, of Applications that came, went, or
	// changed in something that is read here; a new version alone is no such
	// thing. What is there when the watch begins is not told. It is called from
	// several goroutines and has to return at once; nil tells nobody.
	OnChange func(argo.Key)
	// Observe is told of each request after its answer began, or when none came,
	// from several goroutines; nil tells nobody.
	Observe func(Request)

	// Timeout of a request with its whole answer, and of the silence of a stream;
	// 0: 60 s. A list may take five times as long.
	Timeout time.Duration
	// RefreshWait is how long Refresh waits for Argo CD to have looked; 0: 2 s.
	RefreshWait time.Duration
	// Resync is how often Watch lists all Applications; 0: 5 min.
	Resync time.Duration
	// Backoff is the longest wait before Watch asks again a server that failed,
	// doubled for each further failure up to 30 s; 0: 1 s. The wait is a random
	// part of it, at least the half.
	Backoff time.Duration
}

// DefaultAddress is where the API server is asked that runs in a namespace of
// the same cluster.
func DefaultAddress(namespace string) string { return "argocd-server." + namespace }

// Client asks one server. It is safe for use by many goroutines.
type Client struct {
	options  Options
	base     *url.URL
	http     *http.Client
	selector labels.Selector

	mu       sync.Mutex
	problems []error
	notice   string // "" for none
	// projects of the Applications that were listed last, or streamed since. Who
	// names the project is told whether the Application exists.
	projects map[argo.Key]string
	shelf    *shelf // nil unless Watch runs
}

// New makes a Client. It asks nothing yet.
func New(o Options) (*Client, error) {
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	o.RefreshWait = cmp.Or(o.RefreshWait, 2*time.Second)
	o.Resync = cmp.Or(o.Resync, 5*time.Minute)
	o.Backoff = cmp.Or(o.Backoff, time.Second)
	base, err := o.base()
	if err != nil {
		return nil, err
	}
	selector, err := labels.Parse(o.Labels)
	if err != nil {
		return nil, fmt.Errorf("label selector %q: %w", o.Labels, err)
	}
	for _, glob := range o.Names {
		if _, err := path.Match(glob, ""); err != nil {
			return nil, fmt.Errorf("application name %q: the glob does not parse", glob)
		}
	}
	transport, err := o.transport()
	if err != nil {
		return nil, err
	}
	return &Client{
		projects: map[argo.Key]string{},
		options:  o,
		base:     base,
		selector: selector,
		http:     &http.Client{Transport: transport, CheckRedirect: stay},
	}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// admits reports whether the options ask for the Application.
func (c *Client) admits(app argo.Application) bool {
	return c.admitsKey(app.Key) && c.selector.Matches(labels.Set(app.Labels))
}

func (c *Client) admitsKey(key argo.Key) bool {
	o := c.options
	return (len(o.Namespaces) == 0 || slices.Contains(o.Namespaces, key.Namespace)) &&
		(len(o.Names) == 0 || slices.ContainsFunc(o.Names, func(glob string) bool {
			ok, err := path.Match(glob, key.Name)
			return ok && err == nil
		}))
}

// remember keeps the project of an Application.
func (c *Client) remember(app argo.Application) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.projects[app.Key] = app.ProjectName()
}

// project is the project of an Application as far as it is known; "" if not.
func (c *Client) project(key argo.Key) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.projects[key]
}
