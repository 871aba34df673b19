package update

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
)

// limit takes back what the Application's project does not allow: writes to a
// repository that it may not use, and all writes while a sync window forbids to
// sync it. The project is asked only if there is something to write.
func (u *Updater) limit(ctx context.Context, p *plan.Plan) {
	if u.Projects == nil || len(p.Files) == 0 || p.Method == settings.MethodGitNoop {
		return
	}
	app := p.Intent.Application
	project, err := u.Projects.Project(ctx, app)
	switch {
	case err != nil:
		err = fmt.Errorf("project %q of application %s: %w", cmp.Or(app.Project, "default"), app.Key, err)
		p.Withdraw(func(items []plan.Item) { failAll(items, err) })
		return
	case project == nil:
		return
	}
	if reason, ok := project.Owns(app.Key, u.Options.Namespace); !ok {
		err := fmt.Errorf("application %s: %s: %w", app.Key, reason, fault.ErrDenied)
		p.Withdraw(func(items []plan.Item) { failAll(items, err) })
		return
	}
	if reason, ok := project.Permits(p.To.URL); !ok && p.Method.InGit() {
		err := fmt.Errorf("repository %s: %s: %w", p.To.Location, reason, fault.ErrDenied)
		p.Withdraw(func(items []plan.Item) { failAll(items, err) })
		return
	}
	if p.Intent.Update.WriteBack.IgnoreWindows {
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
