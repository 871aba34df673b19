package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
)

type explainOptions struct {
	world
	output output
	app    string
	track  string // alias or image name; "" is all of them
}

func (sh shell) newExplainCommand() *cobra.Command {
	o := &explainOptions{}
	cmd := &cobra.Command{
		Use:   "explain APP [ALIAS]",
		Short: "Tell why an image is, or is not, updated",
		Long: `Tells for each image of an Application, or for the one with the alias, where it
was looked for, which tag was chosen, which rule dropped each of the others,
what is declared, and what would be written.`,
		Example: `  argocd-image-updater explain web --applications apps/`,
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.app, o.track = args[0], first(args[1:])
			return sh.runExplain(cmd.Context(), o)
		},
	}
	o.flags(cmd, sh)
	o.output.flag(cmd)
	return cmd
}

func (sh shell) runExplain(ctx context.Context, o *explainOptions) error {
	plans, problems, err := o.look(ctx, sh, update.Selection{App: o.app, Explain: true})
	if err == nil {
		plans, err = onlyTrack(plans, o.track)
	}
	if err != nil {
		return failed(err)
	}
	if o.output == outputJSON {
		if err := writeJSON(sh.out, map[string]any{"applications": viewPlans(plans), "problems": problems}); err != nil {
			return err
		}
	} else {
		for _, p := range plans {
			sh.explainPlan(p)
		}
	}
	return planExit(plans, problems)
}

// onlyTrack leaves of the plans the one track with that alias or image name;
// "" leaves all.
func onlyTrack(plans []plan.Plan, track string) ([]plan.Plan, error) {
	if track == "" {
		return plans, nil
	}
	var known []string
	found := false
	for i, p := range plans {
		var items []plan.Item
		for _, it := range p.Items {
			known = append(known, it.Track)
			if it.Track == track || it.Image.Name == track {
				items = append(items, it)
			}
		}
		found = found || len(items) > 0
		plans[i].Items = items
	}
	if !found {
		return nil, fmt.Errorf("image %q: the application follows no image of this alias or name, but %q", track, known)
	}
	return plans, nil
}

func (sh shell) explainPlan(p plan.Plan) {
	fmt.Fprintf(sh.out, "Application %s", p.App)
	if p.Origin != "" {
		fmt.Fprintf(sh.out, " (%s)", p.Origin)
	}
	if p.ImageUpdater != (argo.Key{}) {
		fmt.Fprintf(sh.out, ", ImageUpdater %s", p.ImageUpdater)
	}
	fmt.Fprintf(sh.out, ", write-back %s\n", methodName(p.Method))
	if p.To.URL != "" {
		fmt.Fprintf(sh.out, "  %s\n", p.To)
	}
	if p.Err != nil {
		fmt.Fprintf(sh.out, "  %s\n", sh.paint().with(red, p.Err.Error()))
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(sh.out, "  %s\n", sh.paint().with(yellow, "warning: "+warning))
	}
	for _, it := range p.Items {
		fmt.Fprintln(sh.out)
		sh.explainItem(it)
	}
}

func (sh shell) explainItem(it plan.Item) {
	t := newTable(sh.out)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "  %s\t%s\n", name, value)
		}
	}
	fmt.Fprintf(sh.out, "Image %s\n", it.Track)
	row("repository", it.Image.Repo.String())
	row("strategy", it.Strategy)
	row("asked", it.Asked)
	if it.Decision.Total > 0 {
		row("tags", fmt.Sprintf("%d, of which %d eligible", it.Decision.Total, it.Decision.Eligible))
	}
	for _, d := range it.Decision.Dropped {
		row("dropped by "+string(d.Rule), fmt.Sprint(d.Count))
	}
	var live []string
	for _, ref := range it.Live {
		live = append(live, ref.String())
	}
	row("live", strings.Join(live, ", "))
	row("declared", it.Declared.String())
	row("chosen", it.New.String())
	row("state", sh.paint().state(it.State))
	row("reason", it.Reason)
	if it.State == plan.AlreadyDeclared || it.State == plan.NothingEligible {
		row("", "No new image found")
	}
	for _, c := range it.Changes {
		if c.Changed() {
			row("change", fmt.Sprintf("%s: %s: %s -> %s", c.File, c.Path, cmp.Or(c.Old, nothing), cmp.Or(c.New, nothing)))
			if len(c.Via) > 0 {
				row("followed by", strings.Join(c.Via, ", "))
			}
		}
	}
	_ = t.Flush() // a broken pipe ends the program at the next write
	if len(it.Rejections) == 0 {
		return
	}
	fmt.Fprintln(t, "\n  TAG\tDROPPED BY\tBECAUSE")
	for _, r := range it.Rejections {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", r.Tag, r.Rule, r.Detail)
	}
	_ = t.Flush()
}
