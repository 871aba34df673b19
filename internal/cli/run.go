package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
)

type runOptions struct {
	world
	output   output
	interval time.Duration
	once     bool
	dryRun   bool
}

// defaultInterval is the time from the start of one cycle to the next.
const defaultInterval = 2 * time.Minute

func (sh shell) newRunCommand() *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Update images, again and again",
		Long: `Reads the Applications, asks the registries, and commits what should be changed.
Then waits for the interval to pass and begins again, until it is interrupted.`,
		Example: `  argocd-image-updater run --applications apps/ --once
  argocd-image-updater run --applications apps/ --interval 5m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("interval") {
				d, err := sh.duration("IMAGE_UPDATER_INTERVAL", defaultInterval)
				if err != nil {
					return &exit{exitUsage, err}
				}
				o.interval = d
			}
			return sh.runRun(cmd.Context(), o)
		},
	}
	o.flags(cmd, sh)
	o.output.flag(cmd)
	f := cmd.Flags()
	f.DurationVar(&o.interval, "interval", defaultInterval, "time from the start of one cycle to the next; 0 is one cycle")
	f.BoolVar(&o.once, "once", false, "one cycle, then exit: 1 if anything failed")
	incumbentFlags(f)
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be changed, and change nothing")
	return cmd
}

func (sh shell) runRun(ctx context.Context, o *runOptions) error {
	if len(o.applications) == 0 {
		return &exit{exitUsage, errNoApplications}
	}
	if o.interval < 0 {
		return &exit{exitUsage, fmt.Errorf("--interval %s: 0 or more expected", o.interval)}
	}
	out, tty := sh.out, sh.tty
	if o.output == outputJSON {
		out, tty = sh.err, sh.errTTY // stdout is for the outcomes
	}
	log, err := sh.newLogger(o.log, out, tty)
	if err != nil {
		return &exit{exitUsage, err}
	}
	progress, report := sh.newProgress(), &report{log: log, dryRun: o.dryRun}
	c, err := o.connect(sh, observers{report, progress})
	if err != nil {
		return failed(err)
	}
	loop := loop{shell: sh, o: o, log: log, c: c, progress: progress, report: report}
	if o.once || o.interval == 0 {
		return loop.once(ctx)
	}
	return loop.forever(ctx)
}

// loop runs cycles.
type loop struct {
	shell
	o        *runOptions
	log      *slog.Logger
	c        connected
	progress *progress
	report   *report
}

func (l loop) once(ctx context.Context) error {
	if errors, err := l.cycle(ctx); err != nil {
		return failed(err)
	} else if errors > 0 {
		return &exit{code: exitFailed}
	}
	return nil
}

// forever begins a cycle at each tick. A cycle that takes longer than the
// interval delays the next one and never overlaps it.
func (l loop) forever(ctx context.Context) error {
	ticker := time.NewTicker(l.o.interval)
	defer ticker.Stop()
	for {
		if _, err := l.cycle(ctx); err != nil && ctx.Err() == nil {
			l.log.Error("Could not complete the cycle", "error", err)
		}
		select {
		case <-ctx.Done():
			l.log.Info("Stopped")
			return nil
		case <-ticker.C:
			l.reload()
		}
	}
}

// reload takes a new registries.conf into use. A broken one is reported and
// the old one stays in force.
func (l loop) reload() {
	registries, changed, err := l.c.conf.reread()
	switch {
	case err != nil:
		l.log.Error("Could not read the new registries.conf, the old one stays in force", "error", err)
	case changed:
		l.c.Options.Registries = registries
		l.log.Info("Read the new registries.conf", "path", l.c.conf.path)
	}
}

// cycle runs one cycle and returns the number of errors in it.
func (l loop) cycle(ctx context.Context) (errors int, err error) {
	start := time.Now()
	plans, err := l.c.Plan(ctx, update.Selection{})
	l.progress.clear()
	problems := l.c.files.problemTexts()
	for _, text := range problems {
		l.log.Error("Could not read a manifest", "error", text)
	}
	if err != nil {
		return len(problems), err
	}
	l.report.planned(plans)
	outcomes := plan.Outcomes(plans)
	if !l.o.dryRun {
		outcomes = l.c.Apply(ctx, plans)
	}
	errors = l.report.applied(outcomes, cycleFigures{applications: managed(plans), problems: len(problems), took: time.Since(start)})
	if l.o.output == outputJSON {
		err = writeJSON(l.out, map[string]any{"outcomes": viewOutcomes(outcomes), "problems": problems})
	}
	return errors, err
}
