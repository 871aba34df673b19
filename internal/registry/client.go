package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/settings"
)

// Options tune a Client. The zero value is good for production.
type Options struct {
	// Dial connects to host:port; nil: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	ConnectTimeout time.Duration // of connecting, and of the TLS handshake; 0: 10 s
	HeaderTimeout  time.Duration // from the request to the head of the answer; 0: 15 s
	RequestTimeout time.Duration // of a request with its whole answer; 0: 60 s

	Tries   int           // of one request, the first included; 0: 4
	MaxWait time.Duration // longest pause before another try; a registry that asks for more is not asked again; 0: 30 s

	MaxPages int // of one list of tags; 0: 5,000
	MaxTags  int // of one repository; 0: 500,000

	CacheEntries int // manifests, and as many configurations, that are kept; 0: 4,096

	// Observe is told of every answer, and of every request without one. It is
	// called by many goroutines.
	Observe func(Observation)

	// Sleep and Now stand in for the clock in tests.
	Sleep func(ctx context.Context, d time.Duration) error
	Now   func() time.Time
}

// Observation is one request that was sent.
type Observation struct {
	Registry string        // prefix of the registry: "ghcr.io"
	Host     string        // that was asked: the registry's, or its token server's
	Status   int           // 0 if there was no answer
	Elapsed  time.Duration // until the head of the answer
}

// Target is a repository and what to log in with.
type Target struct {
	Endpoint   settings.Endpoint
	Credential credential.Registry // the zero value is anonymous
}

// Client asks registries. It is safe for use by many goroutines and keeps its
// connections; there should be one in a process.
type Client struct {
	options Options

	grants    *lru.Cache[string, grant]        // by session key or server key
	resolved  *lru.Cache[string, image.Digest] // what a tag was last seen to be, by session key and tag
	manifests *lru.Cache[string, manifest]     // by session key and digest
	configs   *lru.Cache[string, config]       // by session key and digest
	flights   singleflight.Group

	mu         sync.Mutex
	transports map[trust]*pool
	limiters   map[pace]*rate.Limiter
}

// pace is whose requests are counted together.
type pace struct {
	api   string
	limit int
}

// New makes a Client.
func New(o Options) *Client {
	o = o.withDefaults()
	return &Client{
		options:    o,
		grants:     newCache[grant](o.CacheEntries),
		resolved:   newCache[image.Digest](o.CacheEntries),
		manifests:  newCache[manifest](o.CacheEntries),
		configs:    newCache[config](o.CacheEntries),
		transports: map[trust]*pool{},
		limiters:   map[pace]*rate.Limiter{},
	}
}

func (o Options) withDefaults() Options {
	or := func(d *time.Duration, zero time.Duration) {
		if *d <= 0 {
			*d = zero
		}
	}
	or(&o.ConnectTimeout, 10*time.Second)
	or(&o.HeaderTimeout, 15*time.Second)
	or(&o.RequestTimeout, time.Minute)
	or(&o.MaxWait, 30*time.Second)
	for _, n := range []struct {
		value *int
		zero  int
	}{{&o.Tries, 4}, {&o.MaxPages, 5_000}, {&o.MaxTags, 500_000}, {&o.CacheEntries, 4_096}} {
		if *n.value <= 0 {
			*n.value = n.zero
		}
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: o.ConnectTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func newCache[V any](entries int) *lru.Cache[string, V] {
	cache, err := lru.New[string, V](entries)
	if err != nil {
		panic(err) // the size is positive, see withDefaults
	}
	return cache
}

// Close closes idle connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.transports {
		p.transport.CloseIdleConnections()
	}
}

// session is one Target with all that asking it takes.
type session struct {
	client *Client
	target Target
	base   *url.URL // of the API, without /v2
	// key tells repositories and credentials apart: what was learnt with one
	// is not used for another.
	key string
	// serverKey does so for servers: user and password are good for all of one.
	serverKey string
	http      *http.Client
	limiter   *rate.Limiter
}

func (c *Client) open(t Target) (*session, error) {
	base, err := url.Parse(t.Endpoint.Registry.API)
	if err != nil || base.Host == "" {
		return nil, errors.New("api_url is not a URL")
	}
	transport, err := c.transport(t)
	if err != nil {
		return nil, err
	}
	s := &session{client: c, target: t, base: base, limiter: c.limiter(t.Endpoint.Registry)}
	s.serverKey = t.Endpoint.Registry.API + " " + identity(t.Credential)
	s.key = s.serverKey + " " + t.Endpoint.Path
	s.http = &http.Client{Transport: transport, CheckRedirect: s.checkRedirect}
	return s, nil
}

// identity stands for a credential where it is compared, so that no secret
// gets into keys.
func identity(r credential.Registry) string {
	hash := sha256.New()
	for _, part := range []string{r.Username, r.Password, r.IdentityToken} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// limiter paces the requests to one registry. There are no bursts: a limit of
// 10 is a request every 100 ms, which no way of counting calls too many.
func (c *Client) limiter(r settings.Registry) *rate.Limiter {
	if r.Limit <= 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := pace{api: r.API, limit: r.Limit}
	if c.limiters[key] == nil {
		c.limiters[key] = rate.NewLimiter(rate.Limit(r.Limit), 1)
	}
	return c.limiters[key]
}

// wait lets the request go when its turn has come.
func (s *session) wait(ctx context.Context) error {
	if s.limiter == nil {
		return ctx.Err()
	}
	now := s.client.options.Now()
	turn := s.limiter.ReserveN(now, 1)
	delay := turn.DelayFrom(now)
	if delay <= 0 {
		return ctx.Err()
	}
	if err := s.client.options.Sleep(ctx, delay); err != nil {
		turn.CancelAt(s.client.options.Now())
		return err
	}
	return nil
}

// share asks a question once for all who ask it at the same time. The one
// that asks may give up; the others then ask anew.
func share[V any](ctx context.Context, group *singleflight.Group, key string, ask func() (V, error)) (V, error) {
	for {
		mine := false
		v, err, _ := group.Do(key, func() (any, error) {
			mine = true
			return ask()
		})
		if err == nil {
			return v.(V), nil
		}
		gaveUp := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		if mine || !gaveUp || ctx.Err() != nil {
			var none V
			return none, err
		}
	}
}

// explain puts a question's subject before its error, and after it where the
// credential comes from if that is of interest.
func (s *session) explain(question string, err error) error {
	if !errors.Is(err, fault.ErrDenied) && !errors.Is(err, fault.ErrNotFound) {
		return fmt.Errorf("%s: %w", question, err)
	}
	from := s.target.Credential.From
	switch {
	case s.anonymous():
		return fmt.Errorf("%s: %w (no credential)", question, err)
	case from == "":
		return fmt.Errorf("%s: %w", question, err)
	}
	return fmt.Errorf("%s: %w (credential %s)", question, err, from)
}

func (s *session) anonymous() bool {
	login := s.target.Credential
	return login.IdentityToken == "" && login.Password == ""
}
