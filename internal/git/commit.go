package git

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"argocd-image-updater/internal/plan"
)

// build makes the objects of a chain of commits on a parent, and gives their
// ids, of which there is at least one.
func build(s *store, parent plumbing.Hash, commits []plan.Commit) (ids []string, written *overlay, err error) {
	o := newOverlay(s)
	base, err := object.GetCommit(o, parent)
	if err != nil {
		return nil, nil, fmt.Errorf("commit %s: %w", parent, err)
	}
	if len(commits) == 0 {
		return nil, nil, fmt.Errorf("%w: no commits to push", errInvalid)
	}
	head, tree := parent, base.TreeHash
	for _, c := range commits {
		if strings.ContainsAny(c.Author.Name+c.Author.Email, "<>\n\x00") || strings.ContainsRune(c.Message, 0) {
			return nil, nil, fmt.Errorf("%w: %q <%s> as author, or the message, cannot stand in a commit", errInvalid, c.Author.Name, c.Author.Email)
		}
		if tree, err = o.files(tree, c.Files); err != nil {
			return nil, nil, err
		}
		who := object.Signature{Name: c.Author.Name, Email: c.Author.Email, When: c.When}
		commit := object.Commit{Author: who, Committer: who, Message: c.Message, TreeHash: tree, ParentHashes: []plumbing.Hash{head}}
		if head, err = o.add(plumbing.ZeroHash, commit.Encode); err != nil {
			return nil, nil, err
		}
		ids = append(ids, head.String())
	}
	return ids, o, nil
}

// folder is what is to be written below one folder.
type folder struct {
	files   map[string][]byte
	folders map[string]*folder
}

func newFolder() *folder {
	return &folder{files: map[string][]byte{}, folders: map[string]*folder{}}
}

// files writes files into a tree. Only the trees on their way change.
func (o *overlay) files(tree plumbing.Hash, files []plan.FileWrite) (plumbing.Hash, error) {
	top := newFolder()
	for _, f := range files {
		at, rest := top, f.Path
		for {
			name, after, deeper := strings.Cut(rest, "/")
			if name == "" || name == "." || name == ".." || strings.EqualFold(name, ".git") || strings.ContainsRune(name, 0) {
				return tree, fmt.Errorf("%w: %q is no path in a repository", errInvalid, f.Path)
			}
			if !deeper {
				at.files[name] = f.Bytes
				break
			}
			if at.folders[name] == nil {
				at.folders[name] = newFolder()
			}
			at, rest = at.folders[name], after
		}
	}
	return o.write(tree, "", top)
}

// write gives the tree with a folder's content written into it; a zero tree is
// an empty one.
func (o *overlay) write(tree plumbing.Hash, dir string, f *folder) (plumbing.Hash, error) {
	t := &object.Tree{}
	if !tree.IsZero() {
		old, err := object.GetTree(o, tree)
		if err != nil {
			return tree, fmt.Errorf("tree %s: %w", tree, err)
		}
		t.Entries = append(t.Entries, old.Entries...)
	}
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		content := f.files[name]
		hash, err := o.blob(content)
		if err != nil {
			return tree, err
		}
		if err := put(t, object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: hash}); err != nil {
			return tree, fmt.Errorf("%s%s: %w", dir, name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.folders)) {
		below := f.folders[name]
		old, _ := entryOf(t, name)
		if old.Mode != filemode.Dir && !old.Hash.IsZero() {
			return tree, fmt.Errorf("%w: %s%s is %s, not a folder", errInvalid, dir, name, kindOf(old.Mode))
		}
		hash, err := o.write(old.Hash, dir+name+"/", below)
		if err != nil {
			return tree, err
		}
		if err := put(t, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: hash}); err != nil {
			return tree, err
		}
	}
	sort.Sort(object.TreeEntrySorter(t.Entries))
	return o.add(tree, t.Encode)
}

// put replaces the entry of a name, or adds it. A file that is there keeps its
// mode.
func put(t *object.Tree, e object.TreeEntry) error {
	for i, old := range t.Entries {
		if old.Name != e.Name {
			continue
		}
		if old.Mode.IsFile() != e.Mode.IsFile() || old.Mode == filemode.Symlink || old.Mode == filemode.Submodule {
			return fmt.Errorf("%w: it is %s", errInvalid, kindOf(old.Mode))
		}
		t.Entries[i].Hash = e.Hash
		return nil
	}
	t.Entries = append(t.Entries, e)
	return nil
}

func (o *overlay) blob(content []byte) (plumbing.Hash, error) {
	return o.add(plumbing.ZeroHash, func(obj plumbing.EncodedObject) error {
		obj.SetType(plumbing.BlobObject)
		w, err := obj.Writer()
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return errors.Join(err, w.Close())
	})
}
