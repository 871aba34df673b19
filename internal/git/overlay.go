package git

import (
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// overlay holds the objects that a push adds to a store, and writes them into
// its pack. A thousand commits on one branch make a thousand versions of its
// folders; of most of them only the difference is kept.
type overlay struct {
	*store
	whole   map[plumbing.Hash]plumbing.EncodedObject
	changed map[plumbing.Hash]change
	pack    packer
}

// change is an object as a difference of another one of the overlay.
type change struct {
	base  plumbing.Hash
	delta []byte
	depth int // of differences on differences
}

// maxDepth is how many differences may lie on each other; the same as of git
// repack.
const maxDepth = 50

func newOverlay(s *store) *overlay {
	return &overlay{store: s, whole: map[plumbing.Hash]plumbing.EncodedObject{}, changed: map[plumbing.Hash]change{}}
}

func (o *overlay) has(h plumbing.Hash) bool {
	_, isWhole := o.whole[h]
	_, isChanged := o.changed[h]
	return isWhole || isChanged
}

// EncodedObject gives what the push adds before what is there.
func (o *overlay) EncodedObject(t plumbing.ObjectType, h plumbing.Hash) (plumbing.EncodedObject, error) {
	if obj, ok := o.whole[h]; ok {
		return obj, nil
	}
	c, ok := o.changed[h]
	if !ok {
		return o.store.EncodedObject(t, h)
	}
	base, err := o.content(t, c.base)
	if err != nil {
		return nil, err
	}
	content, err := packfile.PatchDelta(base, c.delta)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", h, err)
	}
	obj := &plumbing.MemoryObject{}
	obj.SetType(t)
	_, err = obj.Write(content)
	return obj, err
}

func (o *overlay) content(t plumbing.ObjectType, h plumbing.Hash) ([]byte, error) {
	obj, err := o.EncodedObject(t, h)
	if err != nil {
		return nil, err
	}
	return read(obj)
}

func read(obj plumbing.EncodedObject) ([]byte, error) {
	r, err := obj.Reader()
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	if closed := r.Close(); err == nil {
		err = closed
	}
	return content, err
}

// add writes an object, once. It is a newer version of old, which may be zero.
func (o *overlay) add(old plumbing.Hash, encode func(plumbing.EncodedObject) error) (plumbing.Hash, error) {
	obj := &plumbing.MemoryObject{}
	if err := encode(obj); err != nil {
		return plumbing.ZeroHash, err
	}
	h := obj.Hash()
	if o.has(h) {
		return h, nil
	}
	content, err := read(obj)
	if err != nil {
		return h, err
	}
	depth := o.changed[old].depth + 1
	if !o.has(old) || depth > maxDepth {
		o.whole[h] = obj
		return h, o.pack.whole(obj.Type(), content)
	}
	before, err := o.content(obj.Type(), old)
	if err != nil {
		return h, err
	}
	c := change{base: old, delta: delta(before, content), depth: depth}
	o.changed[h], o.whole[h] = c, obj
	if depth > 1 {
		delete(o.whole, old) // it can be made again, and most likely nobody asks
	}
	return h, o.pack.difference(old, c.delta)
}
