package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/settings"
)

type testOptions struct {
	world
	output      output
	spec        policy.Spec
	credentials string
}

func (sh shell) newTestCommand() *cobra.Command {
	o := &testOptions{}
	cmd := &cobra.Command{
		Use:   "test IMAGE",
		Short: "Ask a registry which tag of an image would be chosen",
		Long: `Reads the tags of an image and tells which one the given rules choose. A tag in
IMAGE is neither constraint nor guard.`,
		Example: `  argocd-image-updater test nginx --semver-constraint 1.x
  argocd-image-updater test ghcr.io/org/app --update-strategy newest-build --allow-tags 'regexp:^main-'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return sh.runTest(cmd.Context(), o, args[0]) },
	}
	o.registryFlags(cmd, sh)
	o.output.flag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.spec.Strategy, "update-strategy", "semver", "semver, newest-build, alphabetical or digest")
	f.StringVar(&o.spec.Constraint, "semver-constraint", "", "version range for semver; the tag to follow for digest")
	f.StringVar(&o.spec.AllowTags, "allow-tags", "", "regexp:<expression> that tags have to match, or any")
	f.StringArrayVar(&o.spec.IgnoreTags, "ignore-tags", nil, "glob, or regexp:<expression>, of tags to leave out; may be repeated")
	f.StringSliceVar(&o.spec.Platforms, "platforms", nil, "os/arch[/variant] that the image has to be built for")
	f.StringVar(&o.credentials, "credentials", "", "credential reference, such as env:<VARIABLE>")
	f.StringVar(&o.source.kubeconfig, "kubeconfig", "", "kubeconfig file, for credentials in Secrets (default: as kubectl finds it, or the Pod's ServiceAccount)")
	f.BoolVar(&o.source.noKubernetes, "disable-kubernetes", false, "ask no Kubernetes API for Secrets")
	retire(f, retiredSwitches("disable-kubernetes-events"))
	return cmd
}

func (sh shell) runTest(ctx context.Context, o *testOptions, name string) error {
	ref, err := image.ParseRef(name)
	if err != nil {
		return &exit{exitUsage, err}
	}
	if ref.Tag != "" && o.spec.Constraint == "" {
		fmt.Fprintf(sh.err, "warning: the tag in %s says nothing here: write --semver-constraint %s if it is a constraint\n", name, ref.Tag)
	}
	track, err := o.track(ref)
	if err != nil {
		return &exit{exitUsage, err}
	}
	if now := track.Policy.Deprecated(); now != "" {
		fmt.Fprintf(sh.err, "warning: --update-strategy %s is an old name: write %s\n", o.spec.Strategy, now)
	}
	progress := sh.newProgress()
	o.source.alone = true
	c, err := o.connect(sh, watcher{line: progress})
	if err != nil {
		return failed(err)
	}
	it := c.Choose(ctx, track)
	progress.clear()
	return sh.printTest(o, it)
}

// track makes of the flags what annotations make of an Application.
func (o *testOptions) track(ref image.Ref) (settings.Track, error) {
	o.spec.DefaultPlatform = thisPlatform()
	p, err := policy.Compile(o.spec)
	if err != nil {
		return settings.Track{}, err
	}
	t := settings.Track{Name: ref.Name, Image: ref.With("", ""), Policy: p, Strategy: p.Strategy(), Force: true}
	if p.Strategy() == "digest" {
		t.Pin = settings.PinTagDigest
	}
	if o.credentials != "" {
		if t.PullSecret, err = credential.ParseReference(o.credentials); err != nil {
			return t, fmt.Errorf("--credentials: %w", err)
		}
	}
	return t, nil
}

func (sh shell) printTest(o *testOptions, it plan.Item) error {
	if it.State == plan.Failed {
		return failed(it.Err)
	}
	if o.output == outputJSON {
		return writeJSON(sh.out, viewItem(it))
	}
	fmt.Fprintf(sh.out, "found %d from %d tags eligible for consideration\n", it.Decision.Eligible, it.Decision.Total)
	for _, d := range it.Decision.Dropped {
		fmt.Fprintf(sh.out, "%d dropped by %s\n", d.Count, d.Rule)
	}
	if it.New.IsZero() {
		fmt.Fprintf(sh.out, "No new image found: %s\n", it.Reason)
		return nil
	}
	_, err := fmt.Fprintf(sh.out, "latest image according to constraint is %s\n", it.New)
	return failed(err)
}
