package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/kube"
	"argocd-image-updater/internal/controller"
	"argocd-image-updater/internal/metrics"
	"argocd-image-updater/internal/server"
	"argocd-image-updater/internal/update"
)

type runOptions struct {
	world
	output   output
	listen   listenOptions
	leader   leaderOptions
	interval time.Duration
	once     bool
	dryRun   bool
	noEvents bool
}

// defaultInterval is the time from the start of one cycle to the next.
const defaultInterval = 2 * time.Minute

func (sh shell) newRunCommand() *cobra.Command {
	o := &runOptions{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Update images, again and again",
		Long: `Reads the Applications, asks the registries, and writes what should be changed.
Then waits for the interval to pass and begins again, until it is interrupted.

Applications come from the Kubernetes API, or from an Argo CD API server with
--applications-api argocd, or from manifests with --applications.`,
		Example: `  argocd-image-updater run
  argocd-image-updater run --applications apps/ --once`,
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
	o.listen.flags(cmd, sh)
	o.leader.flags(cmd)
	f := cmd.Flags()
	f.DurationVar(&o.interval, "interval", defaultInterval, "time from the start of one cycle to the next; 0 is one cycle")
	f.BoolVar(&o.once, "once", false, "one cycle, then exit: 1 if anything failed")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be changed, and change nothing")
	f.BoolVar(&o.noEvents, "disable-kube-events", sh.truth("IMAGE_UPDATER_KUBE_EVENTS"), "write no Kubernetes events")
	incumbentFlags(f)
	return cmd
}

// service is what runs.
type service struct {
	shell
	o        *runOptions
	log      *slog.Logger
	metrics  *metrics.Metrics
	health   *server.Health
	progress *progress
	c        connected
	report   *report
	failures int    // of the last cycle
	blind    error  // why this replica could not list the Applications if it led
	name     string // of this replica, unlike that of any other
	*controller.Controller
}

func (sh shell) runRun(ctx context.Context, o *runOptions) error {
	if err := sh.unsupportedVariables(); err != nil {
		return &exit{exitUsage, err}
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
	quietKubernetes(log)
	for _, name := range sh.retiredVariables() {
		log.Warn(name + ": the variable does nothing here")
	}
	if sh.truth("ENABLE_WEBHOOK") {
		log.Warn("ENABLE_WEBHOOK: webhooks are not served yet; registries are asked at the interval")
	}
	s := &service{shell: sh, o: o, log: log, progress: sh.newProgress()}
	s.metrics = metrics.New(metrics.Options{Version: version, Classes: classNames(), Classify: classify})
	s.health = server.NewHealth(server.HealthOptions{Interval: o.interval})
	s.report = &report{log: log, dryRun: o.dryRun}
	// The controller is there before what pokes it.
	s.Controller = &controller.Controller{Report: s, Options: controller.Options{
		Interval: o.interval, DryRun: o.dryRun, NoEvents: o.noEvents, Before: s.before,
	}}
	if s.c, err = o.connect(sh, s.watcher()); err != nil {
		return failed(err)
	}
	s.Updater = s.c.Updater
	if s.c.source.cluster != nil {
		s.Cluster = told{s.c.source.cluster}
	}
	if o.once || o.interval == 0 {
		return s.once(ctx)
	}
	return failed(s.forever(ctx))
}

func (s *service) once(ctx context.Context) error {
	done := s.Cycle(ctx, nil)
	switch {
	case done.Err != nil:
		return failed(done.Err)
	case s.failures > 0:
		return &exit{code: exitFailed}
	}
	return nil
}

// forever listens, watches, and runs cycles whenever this replica leads.
func (s *service) forever(ctx context.Context) error {
	s.o.listen.onRequest = s.c.source.files != nil
	endpoints, err := s.o.listen.parse()
	if err != nil {
		return &exit{exitUsage, err}
	}
	for _, text := range endpoints.Warnings {
		s.log.Warn(text)
	}
	ports, err := server.Listen(ctx, server.Options{Endpoints: endpoints, Health: s.health, Metrics: s.metrics.Handler(), Log: s.log})
	if err != nil {
		return err
	}
	defer ports.Close()
	lead := s.lead()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return ports.Serve(ctx) })
	if w := s.c.source.watched; w != nil {
		g.Go(func() error {
			if err := w.Watch(ctx); ctx.Err() == nil {
				return err
			}
			return nil // the end that was asked for
		})
	}
	g.Go(func() error {
		if s.synced(ctx) {
			lead(ctx)
		}
		s.log.Info("Stopped")
		return nil
	})
	return g.Wait()
}

// synced waits until what is watched has been read once.
func (s *service) synced(ctx context.Context) bool {
	if s.c.source.watched == nil {
		return true
	}
	s.health.Prepare("not all Applications have been read yet")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	said := map[string]bool{}
	for !s.c.source.watched.Synced() {
		for _, err := range s.c.source.problems() {
			if !said[err.Error()] {
				s.log.Error("Waiting for the Applications", "error", err)
			}
			said[err.Error()] = true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// lead gives what runs cycles for as long as this replica may.
func (s *service) lead() func(ctx context.Context) {
	access, cluster := s.c.source.access, s.c.source.leases
	if cluster == nil || !s.o.leader.elect {
		s.metrics.Lead()
		return s.Run
	}
	s.name = identity()
	lease := argo.Key{Namespace: cmp.Or(s.o.leader.namespace, access.Namespace, s.o.source.namespace), Name: s.o.leader.name}
	election := controller.Election{
		Leases: leases{cluster.Lease(lease)}, Identity: s.name, Changed: s.leads, Waiting: s.waits,
	}
	leader := election.Join()
	s.Updater.MayWrite = leader.MayWrite
	return func(ctx context.Context) {
		s.health.StandBy()
		s.metrics.StandBy()
		s.blind = s.look(ctx)
		leader.Run(ctx, func(ctx context.Context) {
			s.metrics.Lead()
			s.Run(ctx)
			s.metrics.StandBy()
			s.health.StandBy()
		})
	}
}

// identity is unlike that of any other replica: the Pod's name, and what tells
// two processes of one host apart.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s_%d_%d", host, os.Getpid(), time.Now().UnixNano())
}

// leads tells who leads.
func (s *service) leads(holder string) {
	text := "Standing by: another replica holds the Lease"
	if holder == s.name {
		text = "Holding the Lease"
	}
	s.log.Info(text, "lease", s.o.leader.name, "holder", holder)
}

// look tries whether the Applications could be listed.
func (s *service) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	_, err := s.c.source.List(ctx)
	return err
}

// lookPatience bounds how much later than it could a replica takes the Lease
// because it looks for the Applications first.
const lookPatience = 5 * time.Second

// waits tells of a Lease that cannot be had, once for as long as the reason
// stays of one class. A replica that could do nothing if it led is not ready, so
// that a rollout stops at it.
func (s *service) waits(err error) {
	if s.blind != nil {
		s.blind = s.look(context.Background())
	}
	s.health.Waiting(cmp.Or(err, s.blind))
	class := ""
	if err != nil {
		class = classify(err)
	}
	if level := s.report.once("lease", class, slog.LevelError); err != nil {
		s.log.Log(context.Background(), level, "Could not look at the Lease, so this replica updates nothing", "error", err)
	}
}

// before is what happens before each cycle: a new registries.conf is taken into
// use. A broken one is reported and the old one stays in force.
func (s *service) before() {
	s.health.Begin()
	registries, changed, err := s.c.conf.reread()
	switch {
	case err != nil:
		s.log.Error("Could not read the new registries.conf, the old one stays in force", "error", err)
	case changed:
		s.Updater.Options.Registries = registries
		s.log.Info("Read the new registries.conf", "path", s.c.conf.path)
	}
}

// changed pokes for what somebody changed in the cluster.
func (s *service) changed(c kube.Change) {
	switch c.Resource {
	case "applications":
		s.Poke(update.Poke{App: c.Key})
	case "imageupdaters":
		s.Poke(update.Poke{ImageUpdater: c.Key})
	}
}

// leaderOptions are about replicas.
type leaderOptions struct {
	elect     bool
	namespace string
	name      string
}

// defaultLease is the Lease of the incumbent, so that the two never write at the
// same time.
const defaultLease = "c21b75f2.argoproj.io"

func (o *leaderOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.elect, "leader-election", true, "write only while holding a Lease, so that several replicas do not write at once")
	f.StringVar(&o.namespace, "leader-election-namespace", "", "namespace of the Lease (default: our own)")
	f.StringVar(&o.name, "leader-election-id", defaultLease, "name of the Lease; instances that work side by side need one each")
}
