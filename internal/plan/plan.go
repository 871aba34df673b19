// Package plan turns decisions into the exact changes that will be made, as
// values: which file of which branch of which repository changes from what to
// what, in which commit, under which message.
//
// A Plan can be printed, compared and thrown away. The package reads nothing:
// the files that it edits are handed to it, and it hands back new ones.
package plan

import (
	"time"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/edit"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/settings"
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

// Location is a Git repository and the reference of its credential: two
// Applications with the same Location share connections, reads and pushes.
type Location struct {
	URL        string
	Credential credential.Reference
	Namespace  string // of the Application, where Credential has none of its own
}

// Destination is a branch that changes are pushed to.
type Destination struct {
	Location
	Base string // the branch that is read, resolved
	Head string // the branch that is pushed; equal to Base for a direct commit
}

// State is what is to be said of one Track in one cycle.
type State uint8

// The states.
const (
	Pending         State = iota // a change is to be written
	Updated                      // the change was written
	AlreadyDeclared              // what should be is what is declared
	NothingEligible              // no tag passes the rules
	NotLive                      // the Application does not run the image
	Held                         // something forbids the change for now
	Undecided                    // the registry's answer is not to be believed yet
	Failed                       // an error; see Err
)

// Item is one Track of a Plan and what became of it.
type Item struct {
	Track     string
	Image     image.Ref // as in the image list, without version
	Strategy  string
	State     State
	Reason    string // for a person, with the remedy; set unless Pending, Updated or AlreadyDeclared
	Err       error  // set if and only if State is Failed
	Live      []image.Ref
	Declared  image.Ref // what the target says now; zero if it does not name the image
	New       image.Ref // what it should say; zero if nothing was chosen
	Decision  policy.Decision
	Changes   []FileChange
	CloseName []string // NotLive: names that come close
}

// FileChange is one changed value of one file.
type FileChange struct {
	File string
	edit.Change
}

// FileEdit is a file with the edits that one Application wants in it.
type FileEdit struct {
	Path   string
	Format edit.Format
	Edits  []edit.Edit
	Before []byte // nil if the file does not exist yet
	After  []byte
}

// Plan is everything that one Application would have changed.
type Plan struct {
	App      argo.Key
	Origin   string // where the Application was read
	Method   settings.Method
	To       Destination // zero where nothing is to be written to Git
	At       string      // the commit that the files were read at
	Items    []Item
	Files    []FileEdit // those that change, sorted by path
	Message  string     // of the commit
	Warnings []string
	// Err is an error of the Application as a whole; it has no Items then.
	Err error
}

// Changeset is all that goes to one branch in one push.
type Changeset struct {
	To    Destination
	At    string
	Plans []Plan // sorted by Application
}

// Outcome is what became of one Track after Apply.
type Outcome struct {
	App    argo.Key
	Method settings.Method
	Item
	To     Destination
	Commit string // the commit that holds the change; "" unless State is Updated
}
