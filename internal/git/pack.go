package git

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // the trailer of a pack, gitformat-pack(5)
	"encoding/binary"
	"errors"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
)

// packer writes the objects of a push as a pack, gitformat-pack(5). Of a tree
// that one commit after the other changes a little, only the difference is
// written; go-git's own encoder would write it whole each time, or search for
// likenesses that are known here.
type packer struct {
	entries bytes.Buffer
	count   uint32
	zip     *zlib.Writer
}

// whole writes an object with all its content.
func (p *packer) whole(t plumbing.ObjectType, content []byte) error {
	return p.entry(t, nil, content)
}

// difference writes an object as a delta of one that was written before.
func (p *packer) difference(base plumbing.Hash, delta []byte) error {
	return p.entry(plumbing.REFDeltaObject, base[:], delta)
}

func (p *packer) entry(t plumbing.ObjectType, base, content []byte) error {
	p.count++
	// The first byte has the type and four bits of the length, each further one
	// seven bits; the top bit says that one more follows.
	size := len(content)
	head := byte(t)<<4 | byte(size&0x0f)
	for size >>= 4; size > 0; size >>= 7 {
		p.entries.WriteByte(head | 0x80)
		head = byte(size & 0x7f)
	}
	p.entries.WriteByte(head)
	p.entries.Write(base)
	if p.zip == nil {
		p.zip = zlib.NewWriter(&p.entries)
	} else {
		p.zip.Reset(&p.entries)
	}
	_, err := p.zip.Write(content)
	return errors.Join(err, p.zip.Close())
}

// reader is the whole pack.
func (p *packer) reader() io.Reader {
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), p.count)
	sum := sha1.New() //nolint:gosec // see the import
	sum.Write(head)
	sum.Write(p.entries.Bytes())
	return io.MultiReader(bytes.NewReader(head), bytes.NewReader(p.entries.Bytes()), bytes.NewReader(sum.Sum(nil)))
}

// delta tells how to make target of base: what both begin with, what is new,
// what both end with. That is all there is between two versions of a tree in
// which one entry has changed.
func delta(base, target []byte) []byte {
	short := min(len(base), len(target))
	prefix := 0
	for prefix < short && base[prefix] == target[prefix] {
		prefix++
	}
	suffix := 0
	for suffix < short-prefix && base[len(base)-1-suffix] == target[len(target)-1-suffix] {
		suffix++
	}
	out := binary.AppendUvarint(nil, uint64(len(base)))
	out = binary.AppendUvarint(out, uint64(len(target)))
	out = appendCopy(out, 0, prefix)
	out = appendInsert(out, target[prefix:len(target)-suffix])
	return appendCopy(out, len(base)-suffix, suffix)
}

// Instructions of a delta copy at most maxCopy and insert at most maxInsert
// bytes.
const (
	maxCopy   = 0xffff
	maxInsert = 0x7f
)

func appendCopy(out []byte, offset, size int) []byte {
	for ; size > 0; offset, size = offset+maxCopy, size-maxCopy {
		n := min(size, maxCopy)
		// All four bytes of the offset and two of the size are present.
		out = append(out, 0x80|0x0f|0x30)
		out = binary.LittleEndian.AppendUint32(out, uint32(offset)) //nolint:gosec // trees are far smaller
		out = binary.LittleEndian.AppendUint16(out, uint16(n))      //nolint:gosec // at most maxCopy
	}
	return out
}

func appendInsert(out, content []byte) []byte {
	for len(content) > 0 {
		n := min(len(content), maxInsert)
		out = append(append(out, byte(n)), content[:n]...)
		content = content[n:]
	}
	return out
}
