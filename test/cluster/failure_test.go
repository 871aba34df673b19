package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster"
)

// committed is an Application whose updates go to Git.
const committed = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: web
  annotations:
    argocd-image-updater.argoproj.io/image-list: web=reg.example.com/team/web
    argocd-image-updater.argoproj.io/web.helm.image-tag: image.tag
    argocd-image-updater.argoproj.io/write-back-method: git
    argocd-image-updater.argoproj.io/write-back-target: helmvalues
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: web}
  source: {repoURL: "${GIT_URL}/team/config.git", targetRevision: main, path: web}
status:
  sourceType: Helm
  summary: {images: ["reg.example.com/team/web:1.2.3"]}
`

// withImage is a world with the updater installed and a newer image.
func withImage(t *testing.T, s *cluster.Suite) (*cluster.World, *itest.Registry) {
	t.Helper()
	w := s.World(t)
	install(w)
	registry := w.Registry(itest.RegistryOptions{})
	w.Push("team/web:1.2.3", "team/web:1.3.0")
	return w, registry
}

func remove(t *testing.T, w *cluster.World, name string) {
	t.Helper()
	if err := w.Client().Delete(context.WithoutCancel(t.Context()), w.Application(name)); err != nil {
		t.Error(err)
	}
}

// meanwhile does something when the first request of a kind arrives.
func meanwhile(do func()) itest.Fault {
	return itest.Fault{Times: 1, Harm: itest.Before(do)}
}

// An Application that is deleted between the list and the patch is an error of
// its own, and is not made again.
func TestDeletedBeforePatch(t *testing.T) {
	t.Parallel()
	w, registry := withImage(t, suite)
	w.Apply(annotated)
	fault := meanwhile(func() { remove(t, w, "web") })
	fault.Kind = itest.KindTags
	registry.Break(fault)
	r := w.Run("run", "--once", "--registries-conf-path", conf(w))
	if r.Code != 1 || !strings.Contains(r.Stderr, "was deleted meanwhile") || !strings.Contains(r.Stdout, "errors=1") {
		t.Errorf("code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	app := &unstructured.Unstructured{}
	app.SetAPIVersion("argoproj.io/v1alpha1")
	app.SetKind("Application")
	if err := w.Client().Get(t.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "web"}, app); !apierrors.IsNotFound(err) {
		t.Errorf("the Application: %v, want it gone", err)
	}
}

// One that is deleted between the read of its branch and the push has its
// commit, which nobody rolls out; that Argo CD cannot be asked to is no error.
func TestDeletedBeforePush(t *testing.T) {
	t.Parallel()
	w, _ := withImage(t, suite)
	server := w.Git(itest.GitOptions{})
	repo := w.Seed(server, "team/config", map[string]string{"web/values.yaml": "image: {tag: 1.2.3}\n"})
	w.Apply(committed)
	fault := meanwhile(func() { remove(t, w, "web") })
	fault.Kind = itest.KindReceivePack
	server.Break(fault)
	r := w.Run("run", "--once", "--registries-conf-path", conf(w))
	if r.Code != 0 || !strings.Contains(r.Stdout, "images_updated=1 errors=0") {
		t.Errorf("code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if log, err := repo.Log("main"); err != nil || len(log) != 2 {
		t.Errorf("commits %q, %v", log, err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("argoproj.io/v1alpha1")
	list.SetKind("ApplicationList")
	if err := w.Client().List(t.Context(), list, client.InNamespace(w.Namespace)); err != nil || len(list.Items) > 0 {
		t.Errorf("%d Applications, %v", len(list.Items), err)
	}
}

// Somebody edits the Application all the time that the program patches it:
// nothing of either is lost.
func TestConcurrentEdits(t *testing.T) {
	t.Parallel()
	w, registry := withImage(t, suite)
	w.Apply(annotated)
	// Between the list and the patch the Application changes each time.
	registry.Break(itest.Fault{Kind: itest.KindTags, Harm: itest.Slow(time.Second)})
	ctx, stop := context.WithCancel(t.Context())
	var edits atomic.Int64
	done := make(chan error, 1)
	go func() { done <- edit(ctx, w, &edits) }()
	r := w.Run("run", "--once", "--registries-conf-path", conf(w))
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if r.Code != 0 || edits.Load() < 5 {
		t.Fatalf("code %d after %d edits\n%s%s", r.Code, edits.Load(), r.Stdout, r.Stderr)
	}
	app := w.Application("web")
	for field, want := range map[string]string{
		"spec.source.helm.parameters":   fmt.Sprintf(`[{"name":"replicas","value":"%d"},{"forceString":true,"name":"image.tag","value":"1.3.0"},{"forceString":true,"name":"image.name","value":"reg.example.com/team/web"}]`, edits.Load()),
		"spec.source.targetRevision":    fmt.Sprintf(`"v%d"`, edits.Load()),
		"metadata.annotations.edits":    fmt.Sprintf(`"%d"`, edits.Load()),
		"spec.syncPolicy.automated":     `{"prune":true}`,
		"status.summary.images":         `["reg.example.com/team/web:1.2.3"]`,
		"spec.unknown.to.the.updater.0": `"kept"`,
	} {
		if got := cluster.Field(app, field); got != want {
			t.Errorf("%s is %s, want %s", field, got, want)
		}
	}
}

// edit changes the Application as a person with kubectl edit does: read, change
// the whole, write, and again if somebody else was faster.
func edit(ctx context.Context, w *cluster.World, edits *atomic.Int64) error {
	for ctx.Err() == nil {
		app := w.Application("web")
		n := edits.Load() + 1
		parameters, _, err := unstructured.NestedSlice(app.Object, "spec", "source", "helm", "parameters")
		if err != nil {
			return err
		}
		parameters[0].(map[string]any)["value"] = fmt.Sprint(n)
		err = errors.Join(
			unstructured.SetNestedSlice(app.Object, parameters, "spec", "source", "helm", "parameters"),
			unstructured.SetNestedField(app.Object, fmt.Sprintf("v%d", n), "spec", "source", "targetRevision"),
			unstructured.SetNestedField(app.Object, true, "spec", "syncPolicy", "automated", "prune"),
			unstructured.SetNestedStringSlice(app.Object, []string{"kept"}, "spec", "unknown", "to", "the", "updater"),
		)
		if err != nil {
			return err
		}
		annotations := app.GetAnnotations()
		annotations["edits"] = fmt.Sprint(n)
		app.SetAnnotations(annotations)
		switch err := w.Client().Update(context.WithoutCancel(ctx), app); {
		case apierrors.IsConflict(err):
		case err != nil:
			return err
		default:
			edits.Add(1)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// page is what an address of the program answers.
func page(t *testing.T, port, path string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// answers waits until an address answers with a code.
func answers(t *testing.T, w *cluster.World, port, path string, want int) {
	t.Helper()
	w.Until(fmt.Sprintf("%s answers %d", path, want), func() error {
		if code, body := page(t, port, path); code != want {
			return fmt.Errorf("%d: %s", code, body)
		}
		return nil
	})
}

// tagged waits until the own tag of the Application web is the one that is
// expected.
func tagged(w *cluster.World, want string) {
	w.Helper()
	w.Until("it has the tag "+want, func() error {
		if got := cluster.Field(w.Application("web"), "spec.source.helm.parameters.1.value"); got != `"`+want+`"` {
			return errors.New(got)
		}
		return nil
	})
}

// updates counts the events of updates.
func updates(t *testing.T, w *cluster.World) int {
	t.Helper()
	var events core.EventList
	if err := w.Client().List(t.Context(), &events, client.InNamespace(w.Namespace)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range events.Items {
		if e.Reason == "ImagesUpdated" {
			n += int(e.Count)
		}
	}
	return n
}

// While the API server is away the program lives and is not ready; when it is
// back, work goes on as if nothing had been.
func TestAPIServerRestarts(t *testing.T) {
	t.Parallel()
	alone := suite.Alone(t)
	w, _ := withImage(t, alone)
	w.Apply(annotated)
	health := w.Port()
	p := w.Start("run", "--interval", "2s", "--registries-conf-path", conf(w), "--health-port", health, "--metrics-port", "0")
	tagged(w, "1.3.0")
	answers(t, w, health, "/readyz", http.StatusOK)
	w.Until("the event is written", func() error {
		if n := updates(t, w); n != 1 {
			return fmt.Errorf("%d events", n)
		}
		return nil
	})

	if err := alone.Plane.Down(); err != nil {
		t.Fatal(err)
	}
	answers(t, w, health, "/readyz", http.StatusServiceUnavailable)
	if code, body := page(t, health, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answers %d: %s", code, body)
	}
	w.Push("team/web:1.4.0")
	if err := alone.Plane.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	tagged(w, "1.4.0")
	answers(t, w, health, "/readyz", http.StatusOK)
	w.Until("both events are there", func() error {
		if n := updates(t, w); n != 2 {
			return fmt.Errorf("%d events", n)
		}
		return nil
	})
	p.Stop()
	if n := updates(t, w); n != 2 {
		t.Errorf("%d events of two updates", n)
	}
}
