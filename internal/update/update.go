// Package update is the line that every update takes: read the Applications,
// decide which version each image should have, work out what that changes in
// Git, and change it.
//
// Plan reads and Apply writes; a dry run is a Plan without an Apply. Two joins
// keep the work small: each image repository is asked once in a cycle for each
// credential, and each branch is read once and pushed once, whoever wants
// something from it. What goes wrong with one image, Application or repository
// stays there.
//
// The package speaks no protocol. What it needs from the world stands in the
// interfaces below.
package update

import (
	"context"
	"time"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/settings"
)

// Applications lists the Applications to look at, in any order.
type Applications interface {
	List(ctx context.Context) ([]argo.Application, error)
}

// Writer changes Applications where they live.
type Writer interface {
	// Get reads one afresh, past every cache; it wraps fault.ErrNotFound.
	Get(ctx context.Context, key argo.Key) (argo.Application, error)
	// Patch applies all of a patch or nothing, and returns the Application as it
	// then is. It wraps fault.ErrLostRace if the Application is not the version
	// that the patch was made from.
	Patch(ctx context.Context, p argo.Patch) (argo.Application, error)
	// Refresh asks Argo CD to look at the Application's repositories now.
	Refresh(ctx context.Context, key argo.Key) error
}

// Projects tells what limits the Applications of a project.
type Projects interface {
	// Project is the AppProject of an Application, with all windows that may
	// concern it; nil if the source of Applications cannot give projects. That
	// there is no project of this name is an error; errors name the Application.
	Project(ctx context.Context, app argo.Application) (*argo.Project, error)
}

// Registry answers for image repositories: the whole truth or an error.
type Registry interface {
	// Tags is the complete list of tags.
	Tags(ctx context.Context, at ImageSource) ([]string, error)
	// Metadata is what is known of one tag, to the depth that was asked.
	Metadata(ctx context.Context, at ImageSource, q TagQuestion) (policy.Metadata, error)
}

// LoginQuestion asks for the login of a registry.
type LoginQuestion struct {
	Endpoint  settings.Endpoint
	Reference credential.Reference
	// Namespace of the Application whose own reference it is; "" for one of
	// process-wide configuration.
	Namespace string
}

// ImageSource is an image repository and what to log in with.
type ImageSource struct {
	Endpoint   settings.Endpoint
	Credential credential.Registry
}

// TagQuestion asks about one tag.
type TagQuestion struct {
	Tag       string
	Depth     policy.Depth
	Platforms []image.Platform // those whose builds are wanted; nil: all
}

// Git reads branches and pushes commits.
type Git interface {
	Look(ctx context.Context, at plan.Remote) (plan.Refs, error)
	List(ctx context.Context, at plan.Remote, commit string, dirs []plan.Dir) (map[string]plan.Listing, error)
	Read(ctx context.Context, at plan.Remote, commit string, paths []string) (map[string]plan.File, error)
	// Push returns the ids of the commits. It wraps fault.ErrLostRace if the
	// branch is not where it was expected, and then nothing was changed.
	Push(ctx context.Context, at plan.Remote, p plan.Push) ([]string, error)
}

// Credentials finds what to log in with.
type Credentials interface {
	// Registry resolves what a question says of its credential. For the zero
	// Reference it gives what the machine has for the endpoint, and anonymous is
	// no error then.
	Registry(ctx context.Context, q LoginQuestion) (credential.Registry, error)
	// Git resolves the credential of a repository.
	Git(ctx context.Context, at plan.Location) (credential.Git, error)
}

// Options are the process-wide settings of an Updater.
type Options struct {
	// Namespace is Argo CD's own.
	Namespace string
	// Defaults are the settings that Applications override.
	Defaults settings.Defaults
	// Registries says where images are asked for; it has to be set.
	Registries settings.Registries
	// Message is the commit message template; it has to be set.
	Message *settings.Template
	// Author of the commits.
	Author plan.Identity
	// Grouping says how many commits one push has.
	Grouping plan.Grouping
	// Concurrency bounds how many image repositories, and how many Git
	// repositories, are worked on at once; 0 is 10.
	Concurrency int
	// Tries bounds how often a push is tried when others push too; 0 is 5.
	Tries int
	// Backoff is the longest wait before the second try, doubled for each
	// further one; 0 is 200 ms. The wait is a random part of it.
	Backoff time.Duration
	// Grace is how long a push that has begun may go on after the context
	// ended; 0 is 4 s.
	Grace time.Duration
	// Clock is the time of commits; nil is time.Now.
	Clock func() time.Time
}

// Updater plans and applies updates. It holds nothing between cycles but what
// its parts hold.
type Updater struct {
	Applications Applications
	Registry     Registry
	Git          Git
	Credentials  Credentials
	// Writer is nil where Applications can only be read.
	Writer Writer
	// Projects is nil where nothing is known that limits updates.
	Projects Projects
	// Access is asked, before a repository is read for an Application, whether
	// its project lets it use that; nil where others see to that.
	Access Projects
	// MayWrite is asked right before each write, which an error stops. Nil: it
	// is always allowed.
	MayWrite func(ctx context.Context) error
	// Observer is told what happens; nil tells nobody.
	Observer Observer
	Options  Options
}

// Selection says what a cycle is about. The zero Selection is all Applications
// that ask for updates by their annotations.
type Selection struct {
	// Rules are the ImageUpdaters of the cluster.
	Rules settings.Rules
	// App is the name, or namespace/name, of the one Application to look at.
	App string
	// Pokes narrow the cycle down to the Applications that one of them concerns;
	// none narrow nothing. Such an Application is looked at whole.
	Pokes []Poke
	// Explain keeps the full list of rejected tags in each Item.
	Explain bool
}

// Poke tells that something may have happened: to an image repository, to an
// Application, or to an ImageUpdater. One of the three is set. It is a hint, and
// never believed beyond that.
type Poke struct {
	Repo         image.Repo
	App          argo.Key
	ImageUpdater argo.Key
}

// Observer is told what a cycle does, from several goroutines.
type Observer interface {
	Observe(Event)
}

// Event is one thing that happened: CycleStarted, ImageRead, Pushed, Patched or
// Refreshed.
type Event interface{ event() }

// CycleStarted tells how much there is to do.
type CycleStarted struct {
	Applications int // those that ask for updates
	Images       int // image repositories that will be asked
}

// ImageRead tells that the tags of a repository were read, or could not be.
type ImageRead struct {
	Endpoint settings.Endpoint
	Tags     int
	Err      error
}

// Pushed tells that a branch was pushed, or could not be.
type Pushed struct {
	To      plan.Destination
	Commits int
	Tries   int
	Err     error
}

// Patched tells that an Application was patched, or could not be.
type Patched struct {
	App   argo.Key
	Tries int
	Err   error
}

// Refreshed tells that Argo CD was asked to look at an Application's
// repositories, or could not be asked: it will then look when its own time
// comes.
type Refreshed struct {
	App argo.Key
	Err error
}

func (CycleStarted) event() {}
func (ImageRead) event()    {}
func (Pushed) event()       {}
func (Patched) event()      {}
func (Refreshed) event()    {}

func (u *Updater) observe(e Event) {
	if u.Observer != nil {
		u.Observer.Observe(e)
	}
}

func (u *Updater) now() time.Time {
	if u.Options.Clock != nil {
		return u.Options.Clock()
	}
	return time.Now()
}
