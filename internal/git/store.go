package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/storage/memory"

	"argocd-image-updater/internal/fault"
)

// store holds the objects that were read of one repository.
type store struct {
	*memory.Storage
	commits map[plumbing.Hash]bool // those whose trees are all here
	size    int64                  // of all objects, unpacked
}

func newStore() *store {
	return &store{Storage: memory.NewStorage(), commits: map[plumbing.Hash]bool{}}
}

// SetEncodedObject adds an object and counts its size.
func (s *store) SetEncodedObject(o plumbing.EncodedObject) (plumbing.Hash, error) {
	s.size += o.Size()
	return s.Storage.SetEncodedObject(o)
}

// need makes sure that a commit and its trees are in the store.
func (r *repository) need(ctx context.Context, commit plumbing.Hash) error {
	if r.store.commits[commit] {
		return nil
	}
	if r.store.size > r.client.options.MaxKept {
		r.store = newStore()
	}
	if err := r.fetch(ctx, []plumbing.Hash{commit}, wholeCommit); err != nil {
		return fmt.Errorf("fetch commit %s: %w", commit, err)
	}
	r.store.commits[commit] = true
	return nil
}

// what says what a fetch brings.
type what int

const (
	wholeCommit what = iota // the commit with its trees, and the files where they cannot be left out
	singleBlobs             // the named objects and nothing else
)

// fetch asks for objects and puts them into the store, in one request.
func (r *repository) fetch(ctx context.Context, wants []plumbing.Hash, w what) (err error) {
	defer r.client.observe(OperationFetch, time.Now(), &err)
	ctx, cancel := context.WithTimeout(ctx, r.client.options.Timeout)
	defer cancel()
	if r.session == nil {
		s, err := r.endpoint.upload(ctx)
		if err != nil {
			return err
		}
		r.session = s
	}
	if !r.endpoint.stateless {
		defer r.hangUp()
	}
	res, err := r.session.UploadPack(ctx, r.request(wants, w))
	if err != nil {
		return err
	}
	defer func() { _ = res.Close() }() // the pack was read to its end, or has failed
	demuxed := unband(&bounded{r: res, left: r.client.options.MaxPack}, r.server.capabilities)
	parser, err := packfile.NewParserWithStorage(packfile.NewScanner(demuxed), r.store, &inflated{left: r.client.options.MaxPack})
	if err == nil {
		_, err = parser.Parse()
	}
	if err != nil && !errors.Is(err, packfile.ErrEmptyPackfile) {
		return fmt.Errorf("read pack: %w", err)
	}
	return nil
}

// inflated bounds the objects of a pack by the sizes that their headers tell,
// before they are unpacked; the library holds them to those.
type inflated struct{ left int64 }

// OnInflatedObjectHeader implements packfile.Observer.
func (i *inflated) OnInflatedObjectHeader(_ plumbing.ObjectType, size, _ int64) error {
	if i.left -= size; size < 0 || i.left < 0 {
		return fmt.Errorf("%w: the pack, unpacked, is larger than allowed", fault.ErrUnavailable)
	}
	return nil
}

// The rest of packfile.Observer is of no interest.
func (*inflated) OnHeader(uint32) error                                              { return nil }
func (*inflated) OnInflatedObjectContent(plumbing.Hash, int64, uint32, []byte) error { return nil }
func (*inflated) OnFooter(plumbing.Hash) error                                       { return nil }

func (r *repository) request(wants []plumbing.Hash, w what) *packp.UploadPackRequest {
	req := packp.NewUploadPackRequestFromCapabilities(r.server.capabilities)
	req.Wants = wants
	set := func(c capability.Capability) {
		_ = req.Capabilities.Set(c) // fails only for a capability that takes an argument
	}
	set(capability.NoProgress)
	if w == wholeCommit && r.server.shallow {
		set(capability.Shallow)
		req.Depth = packp.DepthCommits(1)
	}
	if w == wholeCommit && r.server.partial {
		set(capability.Filter)
		req.Filter = packp.FilterBlobNone()
	}
	return req
}

// unband takes the pack out of the side band.
func unband(r io.Reader, c *capability.List) io.Reader {
	switch {
	case c.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case c.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}

// bounded is a reader that fails after so many bytes.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, fmt.Errorf("%w: the pack is larger than allowed", fault.ErrUnavailable)
	}
	return n, err
}
