package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

type planOptions struct {
	world
	output   output
	exitCode bool
}

func (sh shell) newPlanCommand() *cobra.Command {
	o := &planOptions{}
	cmd := &cobra.Command{
		Use:   "plan [APP]",
		Short: "Show what would be changed, and change nothing",
		Long: `Reads registries and repositories and shows, for each image, what should be and
what is declared, and the change as a unified diff.`,
		Example: `  argocd-image-updater plan --applications apps/
  argocd-image-updater plan web --applications apps/ -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.runPlan(cmd.Context(), o, update.Selection{App: first(args)})
		},
	}
	o.flags(cmd, sh)
	o.output.flag(cmd)
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 3 if changes are pending, else with 4 if images are held")
	return cmd
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (sh shell) runPlan(ctx context.Context, o *planOptions, sel update.Selection) error {
	plans, problems, err := o.look(ctx, sh, sel)
	if err != nil {
		return failed(err)
	}
	if o.output == outputJSON {
		err = writeJSON(sh.out, map[string]any{"applications": viewPlans(plans), "problems": problems})
	} else {
		sh.printPlans(plans, problems)
	}
	if err != nil {
		return err
	}
	return o.exit(plans, problems)
}

// look plans, with progress on a terminal, and tells on stderr about manifests
// that could not be read.
func (w *world) look(ctx context.Context, sh shell, sel update.Selection) (plans []plan.Plan, problems []string, err error) {
	progress := sh.newProgress()
	c, err := w.connect(sh, watcher{line: progress})
	if err != nil {
		return nil, nil, err
	}
	if sel, err = c.selection(ctx, sel); err != nil {
		return nil, nil, err
	}
	plans, err = c.Plan(ctx, sel)
	progress.clear()
	problems = c.problems(sel.Rules)
	for _, text := range c.source.notices() {
		fmt.Fprintf(sh.err, "note: %s\n", text)
	}
	for _, text := range problems {
		fmt.Fprintf(sh.err, "error: %s\n", text)
	}
	return plans, problems, err
}

// printPlans prints the table and then one diff for each branch.
func (sh shell) printPlans(plans []plan.Plan, problems []string) {
	p := sh.paint()
	switch {
	case len(plans) == 0 && len(problems) > 0:
		return
	case len(plans) == 0:
		fmt.Fprintf(sh.out, "No application asks for updates, by the annotation %simage-list or through an ImageUpdater: nothing to update.\n", settings.Prefix)
		return
	}
	p.summary(sh.out, plans)
	for _, c := range plan.Group(plans) {
		fmt.Fprintf(sh.out, "\n%s\n\n", c.To)
		for _, each := range c.Plans {
			fmt.Fprint(sh.out, p.diffText(unifiedDiff(each.Files)))
		}
	}
	for _, each := range plans {
		if each.Method.InGit() || len(each.Files) == 0 {
			continue
		}
		fmt.Fprintf(sh.out, "\napplication %s, %s\n\n", each.App, each.Files[0].Path)
		for _, text := range changeTexts(each.Changed()) {
			fmt.Fprintf(sh.out, "  %s\n", text)
		}
	}
}

// nothing stands where a value is made or taken away.
const nothing = "nothing"

// changeTexts tell which values change from what to what.
func changeTexts(items []plan.Item) []string {
	var out []string
	for _, it := range items {
		for _, c := range it.Changes {
			if c.Changed() {
				out = append(out, fmt.Sprintf("%s: %s -> %s", c.Path, cmp.Or(c.Old, nothing), cmp.Or(c.New, nothing)))
			}
		}
	}
	return out
}

// exit adds the codes of --exit-code: pending changes before held ones.
func (o *planOptions) exit(plans []plan.Plan, problems []string) error {
	if err := planExit(plans, problems); err != nil || !o.exitCode {
		return err
	}
	switch {
	case has(plans, plan.Pending):
		return &exit{code: exitPending}
	case has(plans, plan.Held):
		return &exit{code: exitHeld}
	}
	return nil
}

// planExit is the exit code of a look: whether anything failed.
func planExit(plans []plan.Plan, problems []string) error {
	broken := slices.ContainsFunc(plans, func(p plan.Plan) bool { return p.Err != nil })
	if broken || len(problems) > 0 || has(plans, plan.Failed) {
		return &exit{code: exitFailed}
	}
	return nil
}

func has(plans []plan.Plan, state plan.State) bool {
	return slices.ContainsFunc(plans, func(p plan.Plan) bool {
		return slices.ContainsFunc(p.Items, func(it plan.Item) bool { return it.State == state })
	})
}
