package plan

import (
	"time"

	"argocd-image-updater/internal/credential"
)

// Remote is a Git repository and what to log in with.
type Remote struct {
	URL  string
	Auth credential.Git
}

// Refs is one look at the branches of a repository.
type Refs struct {
	Default  string            // the branch that HEAD points to; "" if unknown
	Branches map[string]string // commit by branch name, without refs/heads/
	Tags     map[string]string // object by tag name, without refs/tags/
}

// Entry is a file or folder of a repository.
type Entry struct {
	Path string // slash-separated, from the repository's root
	Kind EntryKind
}

// EntryKind tells what an Entry is.
type EntryKind uint8

// The entry kinds.
const (
	EntryFile EntryKind = iota
	EntryDir
	EntryLink
	EntrySubmodule
)

// Dir asks for the entries of a folder.
type Dir struct {
	Path    string // "" is the repository's root
	Recurse bool
}

// Listing is the answer to a Dir.
type Listing struct {
	Exists  bool
	Entries []Entry // sorted by path
	// Err is set if the folder cannot be listed: a symbolic link on the way
	// leads out of the repository, or a part of the path is a file.
	Err error
}

// File is a file at some commit.
type File struct {
	// Path is where the file really is: symbolic links on the way are
	// followed. It differs from the path asked for only then.
	Path   string
	Exists bool
	Bytes  []byte
	// Err is set if the path leads nowhere a file may be read or written: out
	// of the repository through a symbolic link, through a file, into a
	// submodule, or to something that is no file.
	Err error
}

// Identity is an author of commits.
type Identity struct {
	Name  string
	Email string
}

// Push is a chain of commits to put on a branch.
type Push struct {
	Branch string
	// Old is the commit that the branch is expected at; "" creates it. The push
	// is lost (fault.ErrLostRace) if the branch is anywhere else.
	Old string
	// Parent is the commit to build on.
	Parent  string
	Commits []Commit
}

// Commit is one commit of a Push.
type Commit struct {
	Message string
	Author  Identity // also the committer
	When    time.Time
	Files   []FileWrite
}

// FileWrite is the new content of a file. An existing file keeps its mode; a
// new one is an ordinary file.
type FileWrite struct {
	Path  string
	Bytes []byte
}
