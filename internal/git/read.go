package git

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/plan"
)

// List reads folders at a commit that a look has shown. The answer is by
// Dir.Path.
func (c *Client) List(ctx context.Context, at plan.Remote, commit string, dirs []plan.Dir) (map[string]plan.Listing, error) {
	out := make(map[string]plan.Listing, len(dirs))
	err := c.walk(ctx, at, commit, func(w *walker) {
		for _, d := range dirs {
			if l, ok := w.list(d); ok {
				out[d.Path] = l
			}
		}
	})
	return out, err
}

// Read reads files at a commit that a look has shown: all that are missing in
// one request, and one more for each step of symbolic links. The answer is by
// the path that was asked for; a file that does not exist is no error.
func (c *Client) Read(ctx context.Context, at plan.Remote, commit string, paths []string) (map[string]plan.File, error) {
	out := make(map[string]plan.File, len(paths))
	err := c.walk(ctx, at, commit, func(w *walker) {
		for _, p := range paths {
			if f, ok := w.file(p); ok {
				out[p] = f
			}
		}
	})
	return out, err
}

// walk calls look until it misses nothing any more, and fetches what it missed
// in between.
func (c *Client) walk(ctx context.Context, at plan.Remote, commit string, look func(*walker)) error {
	r, err := c.repository(at)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.done()
	if err := r.walk(ctx, plumbing.NewHash(commit), look); err != nil {
		return fmt.Errorf("repository %s: %w", argo.ShownURL(at.URL), classify(ctx, err))
	}
	return nil
}

func (r *repository) walk(ctx context.Context, commit plumbing.Hash, look func(*walker)) error {
	if r.server.capabilities == nil {
		if _, err := r.look(ctx); err != nil {
			return err
		}
	}
	if err := r.need(ctx, commit); err != nil {
		return err
	}
	for range maxLinks + 2 {
		w, err := newWalker(r.store, commit)
		if err != nil {
			return err
		}
		look(w)
		if len(w.missing) == 0 {
			return nil
		}
		wants := make([]plumbing.Hash, 0, len(w.missing))
		for hash := range w.missing {
			wants = append(wants, hash)
		}
		slices.SortFunc(wants, func(a, b plumbing.Hash) int { return slices.Compare(a[:], b[:]) })
		if err := r.fetch(ctx, wants, singleBlobs); err != nil {
			return fmt.Errorf("fetch %d files: %w", len(wants), err)
		}
	}
	return fmt.Errorf("commit %s: the server does not give files that were asked for", commit)
}
