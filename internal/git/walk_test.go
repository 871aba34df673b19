package git

import (
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"argocd-image-updater/internal/plan"
)

// Forty trees of two entries each, a few kilobytes to push, are 2^40 files to
// whoever lists them.
func TestListingsAreBounded(t *testing.T) {
	o := newOverlay(newStore())
	hash, err := o.blob([]byte("kind: Pod\n"))
	if err != nil {
		t.Fatal(err)
	}
	mode := filemode.Regular
	for range 40 {
		tree := object.Tree{Entries: []object.TreeEntry{{Name: "a.yaml", Mode: mode, Hash: hash}, {Name: "b.yaml", Mode: mode, Hash: hash}}}
		if hash, err = o.add(plumbing.ZeroHash, tree.Encode); err != nil {
			t.Fatal(err)
		}
		mode = filemode.Dir
	}
	for _, obj := range o.whole {
		if _, err := o.store.SetEncodedObject(obj); err != nil {
			t.Fatal(err)
		}
	}
	w := &walker{store: o.store, root: hash, trees: map[plumbing.Hash]*object.Tree{}, missing: map[plumbing.Hash]bool{}}
	l, ok := w.list(plan.Dir{Recurse: true})
	if !ok || l.Err == nil || !strings.Contains(l.Err.Error(), "more than 200000 files") {
		t.Errorf("the listing has %d entries and the error %v", len(l.Entries), l.Err)
	}
	if l, ok := w.list(plan.Dir{}); !ok || l.Err != nil || len(l.Entries) != 2 {
		t.Errorf("the root alone: %v, %v", l, ok)
	}
}
