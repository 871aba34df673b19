package git

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
)

// Options are the bounds of a Client.
type Options struct {
	// Timeout of each request to a server; 0 is 90 s.
	Timeout time.Duration
	// MaxPack bounds a pack that a server sends, and the objects in it unpacked,
	// in bytes; 0 is 1 GiB.
	MaxPack int64
	// MaxKept bounds the objects that are kept of each repository, in bytes; 0 is
	// 64 MiB. What a commit needs is kept in any case.
	MaxKept int64
	// MaxTotal bounds what is kept of all repositories together, in bytes; those
	// that were not used for longest are forgotten, and read again when they are
	// needed. 0 is 256 MiB.
	MaxTotal int64
	// KnownHostsFiles are read where a credential brings no known hosts.
	KnownHostsFiles []string
	// Observe is told of every look, fetch and push; nil tells nobody. It is
	// called by many goroutines.
	Observe func(Operation)
}

const (
	defaultTimeout  = 90 * time.Second
	defaultMaxPack  = 1 << 30
	defaultMaxKept  = 64 << 20
	defaultMaxTotal = 256 << 20
)

// Client talks to Git servers. It is safe for use by many goroutines.
type Client struct {
	options Options

	mu           sync.Mutex
	repositories map[place]*repository
	uses         uint64 // of all repositories
}

// New makes a Client.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxPack == 0 {
		o.MaxPack = defaultMaxPack
	}
	if o.MaxKept == 0 {
		o.MaxKept = defaultMaxKept
	}
	if o.MaxTotal == 0 {
		o.MaxTotal = defaultMaxTotal
	}
	return &Client{options: o, repositories: map[place]*repository{}}
}

// place is a remote and where its credential comes from. What is kept of it
// goes when the credential changes, so that renewed tokens leave nothing behind.
type place struct{ url, from string }

// repository is what is known of one remote by one credential.
type repository struct {
	client   *Client
	endpoint endpoint
	identity [sha256.Size]byte
	used     uint64       // Client.uses when it was used last
	kept     atomic.Int64 // size of the store after the last use

	mu      sync.Mutex
	session uploader // of the last look, if it can still be asked; else nil
	server  server
	store   *store
}

// server is what a server said it can do.
type server struct {
	capabilities *capability.List
	partial      bool // it leaves out what is not asked for, and gives single objects
	shallow      bool
}

// repository finds or makes the state of a remote.
func (c *Client) repository(at plan.Remote) (*repository, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, who := place{at.URL, at.Auth.From}, identity(at)
	c.uses++
	if r := c.repositories[key]; r != nil && r.identity == who {
		r.used = c.uses
		return r, nil
	}
	e, err := c.dialled(at)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", argo.ShownURL(at.URL), err)
	}
	r := &repository{client: c, endpoint: e, identity: who, used: c.uses, store: newStore()}
	c.repositories[key] = r
	c.forget()
	return r, nil
}

// forget drops what was not used for longest while more is kept than may be.
// Who is working with a dropped one works on.
func (c *Client) forget() {
	var total int64
	byUse := make([]place, 0, len(c.repositories))
	for key, r := range c.repositories {
		total += r.kept.Load()
		byUse = append(byUse, key)
	}
	slices.SortFunc(byUse, func(a, b place) int { return cmp.Compare(c.repositories[a].used, c.repositories[b].used) })
	for _, key := range byUse[:len(byUse)-1] {
		if total <= c.options.MaxTotal {
			return
		}
		total -= c.repositories[key].kept.Load()
		delete(c.repositories, key)
	}
}

// done ends the use of a repository.
func (r *repository) done() {
	r.kept.Store(r.store.size)
	r.mu.Unlock()
}

// Look reads the branches and tags of a repository, in one request.
func (c *Client) Look(ctx context.Context, at plan.Remote) (plan.Refs, error) {
	r, err := c.repository(at)
	if err != nil {
		return plan.Refs{}, err
	}
	r.mu.Lock()
	defer r.done()
	adv, err := r.look(ctx)
	if err != nil {
		return plan.Refs{}, fmt.Errorf("repository %s: %w", argo.ShownURL(at.URL), classify(ctx, err))
	}
	return refs(adv), nil
}

// look opens a new session: a kept one would show old branches.
func (r *repository) look(ctx context.Context) (_ *packp.AdvRefs, err error) {
	defer r.client.observe(OperationLook, time.Now(), &err)
	r.hangUp()
	ctx, cancel := context.WithTimeout(ctx, r.client.options.Timeout)
	defer cancel()
	s, err := r.endpoint.upload(ctx)
	if err != nil {
		return nil, err
	}
	adv, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		_ = s.Close() // the first error says more
		return nil, unfamiliar(err)
	}
	if len(adv.References) == 0 {
		_ = s.Close()
		return nil, transport.ErrEmptyRemoteRepository
	}
	r.server = server{
		capabilities: adv.Capabilities,
		shallow:      adv.Capabilities.Supports(capability.Shallow),
		partial: adv.Capabilities.Supports(capability.Filter) &&
			(adv.Capabilities.Supports(capability.AllowReachableSHA1InWant) || adv.Capabilities.Supports(capability.AllowTipSHA1InWant)),
	}
	if r.endpoint.stateless {
		r.session = s
		return adv, nil
	}
	// The other side of a stateful session is a process that waits for us.
	return adv, s.Close()
}

// unfamiliar finds out whether it is the longer names of SHA-256 objects that
// the library could not read. The line that it gives back has what the server
// can do (gitprotocol-capabilities(5), object-format).
func unfamiliar(err error) error {
	var odd *packp.ErrUnexpectedData
	if errors.As(err, &odd) && bytes.Contains(odd.Data, []byte("object-format=sha256")) {
		return fmt.Errorf("%w: its objects are named by sha256: only sha1 is supported", errInvalid)
	}
	return err
}

// hangUp ends the session that is still open.
func (r *repository) hangUp() {
	if r.session != nil {
		_ = r.session.Close() // nothing was asked that could be lost
		r.session = nil
	}
}

// refs sorts what a server advertises into branches and tags.
func refs(adv *packp.AdvRefs) plan.Refs {
	out := plan.Refs{Branches: map[string]string{}, Tags: map[string]string{}}
	for name, hash := range adv.References {
		if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			out.Branches[branch] = hash.String()
		} else if tag, ok := strings.CutPrefix(name, "refs/tags/"); ok {
			out.Tags[tag] = hash.String()
		}
	}
	for _, symref := range adv.Capabilities.Get(capability.SymRef) {
		if branch, ok := strings.CutPrefix(symref, "HEAD:refs/heads/"); ok {
			out.Default = branch
		}
	}
	return out
}

// classify marks an error of a transport with the fact that it stands for. The
// context is asked because the library does not pass its error on.
func classify(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%w: %s", context.Canceled, line(err.Error()))
	case err == nil, isFault(err):
		return err
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed),
		errors.Is(err, errHostKey), errors.Is(err, errLogin):
		return fmt.Errorf("%w: %s", fault.ErrDenied, line(err.Error()))
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("%w: %s", fault.ErrNotFound, line(err.Error()))
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return fmt.Errorf("%w: it has no commit yet", fault.ErrNotFound)
	}
	return fmt.Errorf("%w: %s", fault.ErrUnavailable, plain(err))
}

// plain says what the library's wrappings mean to who runs the updater.
func plain(err error) string {
	if wrapped := (*plumbing.UnexpectedError)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var answer *githttp.Err
	switch {
	case errors.As(err, &answer):
		return "the server says " + line(answer.Response.Status)
	case errors.Is(err, pktline.ErrInvalidPktLen):
		return "the answer is not that of a Git server: is this the address of a repository?"
	}
	return line(err.Error())
}

func isFault(err error) bool {
	for _, known := range []error{fault.ErrDenied, fault.ErrNotFound, fault.ErrUnavailable, fault.ErrLostRace, fault.ErrRefused, errInvalid} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// errInvalid marks what no server had a part in.
var errInvalid = errors.New("invalid")
