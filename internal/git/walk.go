package git

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"argocd-image-updater/internal/plan"
)

// maxLinks is how many symbolic links one path may lead through, as on Linux
// (path_resolution(7)).
const maxLinks = 40

// maxEntries bounds the files and folders of one listing. A few small trees that
// hold each other twice make a folder of 2^40 files.
const maxEntries = 200_000

// walker finds paths in the trees of one commit. Blobs that it has to look into
// and that are not in the store it notes as missing; after they were fetched
// it is asked again.
type walker struct {
	store   *store
	root    plumbing.Hash // tree
	trees   map[plumbing.Hash]*object.Tree
	missing map[plumbing.Hash]bool
}

func newWalker(s *store, commit plumbing.Hash) (*walker, error) {
	c, err := object.GetCommit(s, commit)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", commit, err)
	}
	return &walker{store: s, root: c.TreeHash, trees: map[plumbing.Hash]*object.Tree{}, missing: map[plumbing.Hash]bool{}}, nil
}

// spot is where a path leads.
type spot struct {
	path  string // without symbolic links
	entry object.TreeEntry
	found bool
	known bool // false: a link on the way has to be fetched first
}

func (w *walker) tree(hash plumbing.Hash) (*object.Tree, error) {
	if t := w.trees[hash]; t != nil {
		return t, nil
	}
	t, err := object.GetTree(w.store, hash)
	if err != nil {
		return nil, fmt.Errorf("tree %s: %w", hash, err)
	}
	w.trees[hash] = t
	return t, nil
}

// find follows a path from the root, through symbolic links that stay inside
// the repository, as path_resolution(7) does: .. behind a link is the parent of
// where the link leads.
func (w *walker) find(asked string) (spot, error) {
	way := []spot{{entry: object.TreeEntry{Mode: filemode.Dir, Hash: w.root}}}
	rest, links, via := asked, 0, "path "+asked
	for rest != "" {
		name, after, _ := strings.Cut(rest, "/")
		rest = after
		at := way[len(way)-1]
		switch {
		case name == "" || name == ".":
			continue
		case name == ".." && len(way) == 1:
			return spot{}, fmt.Errorf("%s leads out of the repository", via)
		case name == "..":
			way = way[:len(way)-1]
			continue
		}
		next, err := w.below(at, name)
		if err != nil {
			return spot{}, err
		}
		if !next.found {
			if slices.Contains(strings.Split(rest, "/"), "..") {
				return spot{}, fmt.Errorf("%s leads through %s, which does not exist", via, next.path)
			}
			return spot{path: path.Join(next.path, rest), known: true}, nil
		}
		if next.entry.Mode != filemode.Symlink {
			way = append(way, next)
			continue
		}
		target, ok, err := w.link(next)
		if err != nil || !ok {
			return spot{}, err
		}
		via = fmt.Sprintf("symbolic link %s, to %s,", next.path, target)
		if links++; links > maxLinks {
			return spot{}, fmt.Errorf("symbolic link %s: it leads in a circle", next.path)
		}
		rest = target + "/" + rest
	}
	end := way[len(way)-1]
	return spot{path: end.path, entry: end.entry, found: true, known: true}, nil
}

// below is the entry of a name in a folder; not found if there is none.
func (w *walker) below(at spot, name string) (spot, error) {
	if at.entry.Mode != filemode.Dir {
		return spot{}, fmt.Errorf("%s is %s, and nothing can be below it", at.path, kindOf(at.entry.Mode))
	}
	t, err := w.tree(at.entry.Hash)
	if err != nil {
		return spot{}, err
	}
	entry, ok := entryOf(t, name)
	return spot{path: path.Join(at.path, name), entry: entry, found: ok}, nil
}

// link is where a symbolic link leads; ok is false if that has to be fetched.
func (w *walker) link(s spot) (target string, ok bool, err error) {
	content, ok, err := w.blob(s.entry.Hash)
	if err == nil && ok && path.IsAbs(string(content)) {
		err = fmt.Errorf("symbolic link %s, to %s, leads out of the repository", s.path, content)
	}
	return string(content), ok, err
}

func entryOf(t *object.Tree, name string) (object.TreeEntry, bool) {
	i := slices.IndexFunc(t.Entries, func(e object.TreeEntry) bool { return e.Name == name })
	if i < 0 {
		return object.TreeEntry{}, false
	}
	return t.Entries[i], true
}

// blob reads a blob from the store; ok is false if it has to be fetched.
func (w *walker) blob(hash plumbing.Hash) (content []byte, ok bool, err error) {
	o, err := w.store.EncodedObject(plumbing.BlobObject, hash)
	if err != nil {
		w.missing[hash] = true
		return nil, false, nil
	}
	r, err := o.Reader()
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	content, err = io.ReadAll(r)
	return content, err == nil, err
}

// file reads the file that a path leads to; ok is false if something has to be
// fetched first.
func (w *walker) file(asked string) (f plan.File, ok bool) {
	s, err := w.find(asked)
	switch {
	case err != nil:
		return plan.File{Path: asked, Err: err}, true
	case !s.known:
		return plan.File{}, false
	case !s.found:
		return plan.File{Path: s.path}, true
	case !s.entry.Mode.IsFile():
		return plan.File{Path: s.path, Err: fmt.Errorf("%s is %s, not a file", s.path, kindOf(s.entry.Mode))}, true
	}
	content, ok, err := w.blob(s.entry.Hash)
	return plan.File{Path: s.path, Exists: true, Bytes: content, Err: err}, ok || err != nil
}

// list reads a folder; ok is false if something has to be fetched first.
func (w *walker) list(d plan.Dir) (l plan.Listing, ok bool) {
	s, err := w.find(d.Path)
	switch {
	case err != nil:
		return plan.Listing{Err: err}, true
	case !s.known:
		return plan.Listing{}, false
	case !s.found:
		return plan.Listing{}, true
	case s.entry.Mode != filemode.Dir:
		return plan.Listing{Err: fmt.Errorf("%s is %s, not a folder", s.path, kindOf(s.entry.Mode))}, true
	}
	l = plan.Listing{Exists: true}
	l.Err = w.entries(&l, s.entry.Hash, d)
	slices.SortFunc(l.Entries, func(a, b plan.Entry) int { return strings.Compare(a.Path, b.Path) })
	return l, true
}

func (w *walker) entries(l *plan.Listing, tree plumbing.Hash, d plan.Dir) error {
	t, err := w.tree(tree)
	if err != nil {
		return err
	}
	if len(l.Entries)+len(t.Entries) > maxEntries {
		return fmt.Errorf("%s: more than %d files and folders to list: point the source at a folder with fewer", d.Path, maxEntries)
	}
	for _, e := range t.Entries {
		entry := plan.Entry{Path: path.Join(d.Path, e.Name)}
		switch e.Mode {
		case filemode.Dir:
			entry.Kind = plan.EntryDir
		case filemode.Symlink:
			entry.Kind = plan.EntryLink
		case filemode.Submodule:
			entry.Kind = plan.EntrySubmodule
		}
		l.Entries = append(l.Entries, entry)
		if d.Recurse && entry.Kind == plan.EntryDir {
			if err := w.entries(l, e.Hash, plan.Dir{Path: entry.Path, Recurse: true}); err != nil {
				return err
			}
		}
	}
	return nil
}

func kindOf(m filemode.FileMode) string {
	switch m {
	case filemode.Dir:
		return "a folder"
	case filemode.Symlink:
		return "a symbolic link"
	case filemode.Submodule:
		return "a submodule"
	}
	return "a file"
}
