package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/internal/controller"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/update"
	"argocd-image-updater/test/cluster/fleet"
	"argocd-image-updater/test/cluster/inside"
)

// quiet is told of cycles that go well.
type quiet struct{ cycles chan controller.Cycle }

func (quiet) Planned([]plan.Plan)       {}
func (q quiet) Done(c controller.Cycle) { q.cycles <- c }
func (quiet) Trouble(string, error)     {}

// poke measures from a Poke to the Application that is patched, in this process.
func poke(ctx context.Context, b *bench, s *site) (f figures, err error) {
	report := quiet{make(chan controller.Cycle, 10)}
	c, kube, err := inside.Controller(inside.Options{
		Kubeconfig: s.kubeconfig, RegistriesConf: fleet.Conf(s.registry), Report: report, Controller: controller.Options{Interval: time.Hour},
	})
	if err != nil {
		return f, err
	}
	running, stop := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return kube.Watch(running) })
	defer func() {
		stop()
		if e := g.Wait(); !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}()
	for !kube.Synced() {
		time.Sleep(10 * time.Millisecond)
	}
	g.Go(func() error { c.Run(running); return running.Err() })
	if first := <-report.cycles; first.Err != nil { // it patches as well
		return f, first.Err
	}
	if err := b.outdate(ctx, s); err != nil {
		return f, err
	}
	time.Sleep(200 * time.Millisecond) // the watch has seen it
	repo, err := image.ParseRepo(fleet.Host + "/team/service-000")
	if err != nil {
		return f, err
	}
	began := time.Now()
	c.Poke(update.Poke{Repo: repo})
	for {
		tag, err := b.tag(ctx, s)
		if err != nil {
			return f, err
		}
		if tag == newest(s) {
			f.wall = int(time.Since(began).Milliseconds())
			return f, nil
		}
		if time.Since(began) > 10*time.Second {
			return f, fmt.Errorf("the Application has the tag %q", tag)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func newest(s *site) string { return fmt.Sprintf("1.0.%d", s.fleet.Tags-1) }

// outdate puts an older tag into the Application.
func (b *bench) outdate(ctx context.Context, s *site) error {
	app := application(s)
	text := `[{"op":"replace","path":"/spec/source/helm/parameters/1/value","value":"1.0.0"}]`
	return b.plane.Client().Patch(ctx, app, client.RawPatch("application/json-patch+json", []byte(text)))
}

// tag is the one that the Application has.
func (b *bench) tag(ctx context.Context, s *site) (string, error) {
	app := application(s)
	if err := b.plane.Client().Get(ctx, client.ObjectKeyFromObject(app), app); err != nil {
		return "", err
	}
	parameters, _, err := unstructured.NestedSlice(app.Object, "spec", "source", "helm", "parameters")
	if err != nil {
		return "", err
	}
	for _, p := range parameters {
		if p, ok := p.(map[string]any); ok && p["name"] == "i0.tag" {
			return fmt.Sprint(p["value"]), nil
		}
	}
	return "", errors.New("the Application has no tag")
}

func application(s *site) *unstructured.Unstructured {
	app := &unstructured.Unstructured{}
	app.SetAPIVersion("argoproj.io/v1alpha1")
	app.SetKind("Application")
	app.SetNamespace(s.namespace)
	app.SetName(fleet.Name(0))
	return app
}
