package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"argocd-image-updater/internal/demo"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
)

type demoOptions struct {
	keep   bool // leave the world running
	output output
}

func (sh shell) newDemoCommand() *cobra.Command {
	o := &demoOptions{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole job in a small world of its own",
		Long: `Starts a registry and a Git repository on this machine, lets a team push images,
updates what the team deploys, and tells what happened and why. Leaves nothing
behind.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return failed(sh.runDemo(cmd.Context(), o)) },
	}
	cmd.Flags().BoolVar(&o.keep, "keep", false, "leave registry and repository running until interrupted, to play with them")
	o.output.flag(cmd)
	cmd.AddCommand(sh.newDemoPushCommand())
	return cmd
}

func (sh shell) newDemoPushCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "push ADDRESS/NAME:TAG",
		Short:   "Push a small image to the registry of a demo that was kept",
		Example: "  argocd-image-updater demo push 127.0.0.1:40123/team/web:1.4.0",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := image.ParseRef(args[0])
			if err != nil || ref.Tag == "" || !strings.HasPrefix(ref.Repo.Registry(), "127.0.0.1:") {
				return &exit{exitUsage, fmt.Errorf("image %q: 127.0.0.1:<port>/<name>:<tag> expected", args[0])}
			}
			b := demo.Build{Name: ref.Repo.Path(), Tag: ref.Tag, Created: time.Now(), Platform: thisPlatform()}
			if err := demo.Push(cmd.Context(), ref.Repo.Registry(), b); err != nil {
				return failed(err)
			}
			_, err = fmt.Fprintf(sh.out, "pushed %s/%s:%s\n", demo.Host, b.Name, b.Tag)
			return failed(err)
		},
	}
}

// day is when the story happens: the first build of it.
func day(hours int) time.Time {
	return time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(hours) * time.Hour)
}

func (sh shell) runDemo(ctx context.Context, o *demoOptions) (err error) {
	w, err := demo.Start(ctx, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	around := world{
		source: sourceOptions{files: []string{w.Applications}, api: apiKubernetes}, registriesConf: w.RegistriesConf, concurrency: 10,
		respectWindows: true, refresh: true, trailers: true,
		log:    logOptions{level: "info", format: "text"},
		author: plan.Identity{Name: "argocd-image-updater", Email: "noreply@argoproj.io"},
	}
	c, err := around.connect(sh, watcher{})
	if err != nil {
		return err
	}
	s := &story{shell: sh, w: w, c: c}
	if o.output == outputJSON {
		s.out = io.Discard
	}
	if err := s.tell(ctx); err != nil {
		return err
	}
	if o.output == outputJSON {
		if err := writeJSON(sh.out, map[string]any{"cycles": s.cycles}); err != nil {
			return err
		}
	}
	if !o.keep {
		return nil
	}
	s.out = sh.out
	s.play()
	<-ctx.Done()
	return nil
}

// story tells what happens in the demo.
type story struct {
	shell
	w      *demo.World
	c      connected
	cycles []demoCycle
}

// demoCycle is one chapter as -o json prints it.
type demoCycle struct {
	Title    string        `json:"title"`
	Pushed   []string      `json:"pushed"`
	Outcomes []outcomeView `json:"outcomes"`
}

func (s *story) tell(ctx context.Context) error {
	fmt.Fprintln(s.out, "A team deploys three services, each to staging and to production, from one Git repository:")
	files, err := s.w.Git(ctx, "ls-tree", "-r", "--name-only", demo.Branch)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\n  %s\n", strings.ReplaceAll(strings.TrimSpace(files), "\n", "\n  "))
	s.chapter("1. CI has pushed images; the repository still names old ones")
	if err := s.push(ctx,
		build("team/web", "1.2.0", 0), build("team/web", "1.3.0", 24), build("team/web", "2.0.0", 48), build("team/web", "1.4.0-rc1", 72), build("team/web", "latest", 72),
		build("team/api", "2.3.0", 0), build("team/api", "2.4.0", 24), build("team/api", "main-3f2a91c", 49),
		build("team/worker", "v5.0.0", 0), build("team/worker", "v5.1.0", 24), build("team/worker", "v6.0.0-beta", 60),
	); err != nil {
		return err
	}
	if err := s.cycle(ctx, s.reasons); err != nil {
		return err
	}
	s.chapter("2. CI pushes a release and a pre-release of web")
	if err := s.push(ctx, build("team/web", "1.3.1", 96), build("team/web", "1.5.0-rc1", 97)); err != nil {
		return err
	}
	if err := s.cycle(ctx, nil); err != nil {
		return err
	}
	s.chapter("3. Nothing new: nothing is written")
	if err := s.cycle(ctx, nil); err != nil {
		return err
	}
	return s.history(ctx)
}

func build(name, tag string, hours int) demo.Build {
	return demo.Build{Name: name, Tag: tag, Created: day(hours), Platform: thisPlatform()}
}

func (s *story) chapter(title string) {
	s.cycles = append(s.cycles, demoCycle{Title: title, Pushed: []string{}})
	fmt.Fprintf(s.out, "\n%s\n%s\n\n", title, strings.Repeat("=", len(title)))
}

func (s *story) push(ctx context.Context, builds ...demo.Build) error {
	for _, b := range builds {
		if err := demo.Push(ctx, s.w.Address, b); err != nil {
			return fmt.Errorf("push %s:%s: %w", b.Name, b.Tag, err)
		}
		chapter := &s.cycles[len(s.cycles)-1]
		chapter.Pushed = append(chapter.Pushed, fmt.Sprintf("%s/%s:%s", demo.Host, b.Name, b.Tag))
		fmt.Fprintf(s.out, "  pushed %s/%s:%s, built %s\n", demo.Host, b.Name, b.Tag, b.Created.Format("Mon 15:04"))
	}
	fmt.Fprintln(s.out)
	return nil
}

// cycle plans, shows the plan, tells more about it, and applies it.
func (s *story) cycle(ctx context.Context, more func([]plan.Plan)) error {
	plans, err := s.c.Plan(ctx, update.Selection{Explain: true})
	if err != nil {
		return err
	}
	s.paint().summary(s.out, plans)
	if more != nil {
		more(plans)
	}
	for _, c := range plan.Group(plans) {
		fmt.Fprintf(s.out, "\nThe change to %s:\n\n", strings.ReplaceAll(c.To.String(), s.w.Repository, "deploy.git"))
		for _, p := range c.Plans {
			fmt.Fprint(s.out, s.paint().diffText(unifiedDiff(p.Files)))
		}
	}
	outcomes := s.c.Apply(ctx, plans)
	s.cycles[len(s.cycles)-1].Outcomes = viewOutcomes(outcomes)
	var commits []string
	for _, o := range outcomes {
		switch {
		case o.State == plan.Updated && !slices.Contains(commits, o.Commit):
			commits = append(commits, o.Commit)
		case o.State == plan.Failed:
			return fmt.Errorf("application %s: %w", o.App, o.Err)
		}
	}
	return s.commits(ctx, commits)
}

// commits shows what arrived in Git.
func (s *story) commits(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		fmt.Fprintln(s.out, "\nNothing was written.")
		return nil
	}
	fmt.Fprintf(s.out, "\n%d commits were pushed:\n\n", len(ids))
	log, err := s.w.Git(ctx, append([]string{"show", "--no-patch", "--format=  %h %s%n%w(0,12,12)%b"}, ids[:1]...)...)
	if err != nil {
		return err
	}
	fmt.Fprint(s.out, strings.TrimRight(log, "\n")+"\n")
	for _, id := range ids[1:] {
		line, err := s.w.Git(ctx, "show", "--no-patch", "--format=  %h %s", id)
		if err != nil {
			return err
		}
		fmt.Fprint(s.out, line)
	}
	return nil
}

// reasons tells of each image once for each strategy why the other tags were
// not chosen.
func (s *story) reasons(plans []plan.Plan) {
	var told []string
	for _, p := range plans {
		for _, it := range p.Items {
			title := fmt.Sprintf("%s by %s in %s", it.New, it.Strategy, p.App.Name)
			if slices.Contains(told, title) || len(it.Rejections) == 0 {
				continue
			}
			told = append(told, title)
			fmt.Fprintf(s.out, "\nWhy %s:\n", title)
			t := newTable(s.out)
			for _, r := range it.Rejections {
				fmt.Fprintf(t, "  not %s\t%s\t%s\n", r.Tag, r.Rule, r.Detail)
			}
			_ = t.Flush() // a broken pipe ends the program at the next write
		}
	}
}

func (s *story) history(ctx context.Context) error {
	log, err := s.w.Git(ctx, "log", "--all", "--graph", "--format=%h %an: %s%d", "--decorate=short")
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\nThe history of the repository:\n\n%s", log)
	return nil
}

// play tells how to go on.
func (s *story) play() {
	fmt.Fprintf(s.out, `
The world is still running. In another terminal:

  %[5]s demo push %[1]s/team/web:1.6.0
  %[5]s plan --applications %[2]s --registries-conf-path %[3]s
  %[5]s run --once --applications %[2]s --registries-conf-path %[3]s
  git -C %[4]s log -p -1 main

Interrupt this one to end it.
`, s.w.Address, s.w.Applications, s.w.RegistriesConf, s.w.Repository, s.name)
}
