// Package plan turns decisions into the exact changes that will be made, as
// values: which file of which branch of which repository changes from what to
// what, in which commit, under which message.
//
// A Plan can be printed, compared and thrown away. The package reads nothing:
// the files that it edits are handed to it, and it hands back new ones.
package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/edit"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/settings"
)

// Location is a Git repository and the reference of its credential: two
// Applications with the same Location share connections, reads and pushes.
type Location struct {
	URL        string
	Credential credential.Reference
	Namespace  string // of the Application, where Credential is a Secret: it has to be in its reach
	Project    string // of the Application, where Credential is Argo CD's own, which may be for one project only
}

// String is the URL without a password that somebody may have put into it.
func (l Location) String() string { return argo.ShownURL(l.URL) }

// Compare orders locations by repository first.
func (l Location) Compare(o Location) int {
	return cmp.Or(strings.Compare(l.URL, o.URL), strings.Compare(l.Namespace, o.Namespace), strings.Compare(l.Project, o.Project),
		strings.Compare(fmt.Sprint(l.Credential), fmt.Sprint(o.Credential)))
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
	Alias     string    // "" if the image has none
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
	Asked     string   // where the tags were asked for, and with which credential; "" if they were not
	// Rejections is the full list of tags that were not chosen; nil unless an
	// explanation was asked for.
	Rejections []policy.Rejection
}

// Old is the version that is replaced: the declared one, or where nothing is
// declared the one that runs.
func (it Item) Old() image.Ref {
	if it.Declared.IsZero() && len(it.Live) > 0 {
		return it.Live[0]
	}
	return it.Declared
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
	App argo.Key
	// ImageUpdater is the one whose rules were followed; zero where the
	// Application's own annotations were.
	ImageUpdater argo.Key
	UID          string // of the Application; "" where no API server gave it
	Origin       string // where the Application was read
	Method       settings.Method
	To           Destination // zero where nothing is to be written to Git
	At           string      // the commit that the files were read at, and that the change builds on
	Old          string      // the commit that To.Head is at; "" if it has to be created
	Items        []Item
	Files        []FileEdit // those that change, sorted by path
	Message      string     // of the commit
	Warnings     []string
	// Err is an error of the Application as a whole; it has no Items then.
	Err error
	// Intent is what the plan was built from; it is built again from it if the
	// branch moves before the push.
	Intent *Intent
}

// Changeset is all that goes to one branch in one push.
type Changeset struct {
	To    Destination
	At    string // see Plan.At
	Old   string // see Plan.Old
	Plans []Plan // sorted by Application
}

// Outcome is what became of one Track after Apply.
type Outcome struct {
	App          argo.Key
	ImageUpdater argo.Key // see Plan.ImageUpdater
	Method       settings.Method
	Item
	To     Destination
	Commit string // the commit that holds the change; "" unless State is Updated
}

// Withdraw takes back what the plan would write; settle says what becomes of
// the Items that were to be written.
func (p *Plan) Withdraw(settle func([]Item)) {
	p.Items = slices.Clone(p.Items)
	settle(p.Items)
	p.Files, p.Message = nil, ""
}

// Waits tells of images that a head declares already what they wait for.
func (p Plan) Waits() {
	for i, it := range p.Items {
		if it.State == AlreadyDeclared && p.To.Head != p.To.Base {
			p.Items[i].Reason = fmt.Sprintf("waits on branch %s to be merged into %s", p.To.Head, p.To.Base)
		}
	}
}

// Outcomes are what is to be said of plans that were not applied: every Track
// in the order of the plans, as it stands there.
func Outcomes(plans []Plan) []Outcome {
	var out []Outcome
	for _, p := range plans {
		out = append(out, p.Outcomes("")...)
	}
	return out
}

// Outcomes are what is to be said of p, whose changes are in the given commit.
func (p Plan) Outcomes(commit string) []Outcome {
	if p.Err != nil {
		return []Outcome{{App: p.App, ImageUpdater: p.ImageUpdater, Method: p.Method, Item: Item{State: Failed, Err: p.Err, Reason: p.Err.Error()}}}
	}
	out := make([]Outcome, 0, len(p.Items))
	for _, it := range p.Items {
		o := Outcome{App: p.App, ImageUpdater: p.ImageUpdater, Method: p.Method, Item: it, To: p.To}
		if it.State == Updated {
			o.Commit = commit
		}
		out = append(out, o)
	}
	return out
}
