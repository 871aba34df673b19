package update

import (
	"context"
	"fmt"
	"time"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
)

// access is an error if the project of an Application does not let it use the
// repository that it writes to. It is asked before anything is read there, and
// before a credential is looked for: what would be changed in a file, and what
// cannot be, tells what stands in it.
func (u *Updater) access(ctx context.Context, e *errand) error {
	if u.Access == nil {
		return nil
	}
	project, err := u.Access.Project(ctx, e.intent.Application)
	if err != nil || project == nil {
		return err
	}
	return u.permits(project, e.intent.Application, e.location)
}

// permits is an error if the Application may not be one of the project, or the
// project may not use the repository; the zero Location is none.
func (u *Updater) permits(project *argo.Project, app argo.Application, at plan.Location) error {
	if reason, ok := project.Owns(app.Key, u.Options.Namespace); !ok {
		return fmt.Errorf("application %s: %s: %w", app.Key, reason, fault.ErrDenied)
	}
	if reason, ok := project.Permits(at.URL); !ok && at != (plan.Location{}) {
		return fmt.Errorf("repository %s: %s: %w", at, reason, fault.ErrDenied)
	}
	return nil
}

// limit takes back what the Application's project does not allow: writes to a
// repository that it may not use, and all writes while a sync window forbids to
// sync it. The project is asked only if there is something to write.
func (u *Updater) limit(ctx context.Context, p *plan.Plan) {
	if u.Projects == nil || len(p.Files) == 0 || p.Method == settings.MethodGitNoop {
		return
	}
	app := p.Intent.Application
	project, err := u.Projects.Project(ctx, app)
	if err == nil && project != nil {
		err = u.permits(project, app, p.To.Location)
	}
	if err != nil {
		p.Withdraw(func(items []plan.Item) { failAll(items, err) })
		return
	}
	if project == nil || p.Intent.Update.WriteBack.IgnoreWindows {
		return
	}
	if reason, opens, forbidden := project.Forbids(app, u.now()); forbidden {
		if !opens.IsZero() {
			reason += "; syncs are allowed again from " + opens.UTC().Format(time.RFC3339)
		}
		reason += "; to write all the same, set " + settings.Prefix + "respect-sync-windows to false"
		p.Withdraw(func(items []plan.Item) { holdAll(items, reason) })
	}
}
