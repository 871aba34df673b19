package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/argotest"
	"argocd-image-updater/internal/argo/kube"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster"
)

// TestSource runs the suite of all sources of Applications against the API
// server, as the ServiceAccount of the cluster-wide installation and through
// a front that can do harm.
func TestSource(t *testing.T) {
	t.Parallel()
	w := installed(t, "install-cluster-wide.yaml")
	config, front := fronted(t, w)
	argotest.Run(t, func(t *testing.T) argotest.World {
		empty(t, w)
		c, err := kube.New(&kube.Connection{Config: config}, kube.Options{Namespace: argotest.Namespace})
		if err != nil {
			t.Fatal(err)
		}
		return argotest.World{
			Source:   c,
			Seed:     func(_ testing.TB, manifest string) { w.Apply(manifest) },
			Projects: c,
			Server: &argotest.Server{
				Writer: c,
				Raw:    func(_ testing.TB, key argo.Key) map[string]any { return stored(w, key) },
				Refreshed: func(_ testing.TB, key argo.Key) bool {
					annotations, _, _ := unstructured.NestedStringMap(stored(w, key), "metadata", "annotations")
					return annotations["argocd.argoproj.io/refresh"] == "normal"
				},
				Break: func(skip int, harm itest.Harm) { front.Break(itest.Fault{Skip: skip, Harm: harm}) },
				Mend:  front.Mend,
				Pages: 501,
			},
		}
	})
}

// installed is a control plane of its own, with namespaces argocd and team, and
// a manifest of the repository applied to the former.
func installed(t *testing.T, manifest string) *cluster.World {
	t.Helper()
	w := suite.Alone(t).World(t)
	w.Namespace = argotest.Namespace
	w.Apply("{apiVersion: v1, kind: Namespace, metadata: {name: argocd}}", "{apiVersion: v1, kind: Namespace, metadata: {name: team}}")
	text, err := os.ReadFile("../../manifests/" + manifest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Plane.Apply(t.Context(), w.Namespace, string(text)); err != nil {
		t.Fatal(err)
	}
	return w
}

// fronted is how to reach the API server as the updater's ServiceAccount,
// through a front.
func fronted(t *testing.T, w *cluster.World) (*rest.Config, *itest.Server) {
	t.Helper()
	config, err := w.Plane.ServiceAccountConfig(t.Context(), w.Namespace, "argocd-image-updater")
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	front, err := itest.StartServer(itest.ServerOptions{
		Handler: &httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(at) },
			Transport:     &http.Transport{TLSClientConfig: transport},
			FlushInterval: -1,
		},
		Kind: func(*http.Request) string { return "" },
		TLS:  true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(front.Close)
	return &rest.Config{Host: front.URL(), BearerToken: config.BearerToken, TLSClientConfig: rest.TLSClientConfig{CAData: front.CA()}}, front
}

// empty removes all Applications and AppProjects, finalizers or not.
func empty(t *testing.T, w *cluster.World) {
	t.Helper()
	for _, kind := range []string{"Application", "AppProject"} {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("argoproj.io/v1alpha1")
		list.SetKind(kind + "List")
		if err := w.Client().List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			o := &list.Items[i]
			free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
			if err := errors.Join(w.Client().Patch(t.Context(), o, free), w.Client().Delete(t.Context(), o)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// stored is an Application as it is stored.
func stored(w *cluster.World, key argo.Key) map[string]any {
	w.Helper()
	o := &unstructured.Unstructured{}
	o.SetAPIVersion("argoproj.io/v1alpha1")
	o.SetKind("Application")
	if err := w.Client().Get(w.Context(), client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, o); err != nil {
		w.Fatal(err)
	}
	return o.Object
}

// TestSourceOfLooseKind: where the definition of Applications lets anything
// pass, a malformed one is a problem of its own. It is read by watch.
func TestSourceOfLooseKind(t *testing.T) {
	t.Parallel()
	w := installed(t, "install-cluster-wide.yaml")
	w.Apply(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: applications.argoproj.io}
spec:
  group: argoproj.io
  scope: Namespaced
  names: {kind: Application, listKind: ApplicationList, plural: applications, singular: application}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`)
	config, _ := fronted(t, w)
	argotest.Run(t, func(t *testing.T) argotest.World {
		empty(t, w)
		c := watched(t, config, kube.Options{Namespace: argotest.Namespace})
		return argotest.World{
			Source:   caughtUp{w, c},
			Seed:     func(_ testing.TB, manifest string) { w.Apply(manifest) },
			Problems: c.Problems,
		}
	})
}

// watched is a client that watches until the test ends, and is synced.
func watched(t *testing.T, config *rest.Config, o kube.Options) *kube.Client {
	t.Helper()
	c, err := kube.New(&kube.Connection{Config: config}, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Watch(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ends with %v", err)
		}
	})
	for deadline := time.Now().Add(30 * time.Second); !c.Synced(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not synced: %v", c.Problems())
		}
	}
	return c
}

// caughtUp is a watched source that lists when it has seen all that is stored.
type caughtUp struct {
	w *cluster.World
	*kube.Client
}

// List lists.
func (s caughtUp) List(ctx context.Context) (apps []argo.Application, err error) {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("argoproj.io/v1alpha1")
	list.SetKind("ApplicationList")
	if err := s.w.Client().List(ctx, list); err != nil {
		return nil, err
	}
	s.w.Until("memory has caught up", func() error {
		if apps, err = s.Client.List(ctx); err != nil {
			return err
		}
		versions := map[argo.Key]string{}
		for _, app := range apps {
			versions[app.Key] = app.ResourceVersion
		}
		malformed := len(list.Items)
		for _, item := range list.Items {
			text, err := item.MarshalJSON()
			if err != nil {
				return err
			}
			if app, err := argo.DecodeObject(text); err == nil {
				malformed--
				if versions[app.Key] != app.ResourceVersion {
					return fmt.Errorf("application %s: version %q in memory, %s stored", app.Key, versions[app.Key], app.ResourceVersion)
				}
			}
		}
		if len(apps)+malformed != len(list.Items) || len(s.Problems()) != malformed {
			return fmt.Errorf("%d of %d Applications, and the problems %v", len(apps), len(list.Items), s.Problems())
		}
		return nil
	})
	return apps, nil
}

// TestSourceNamespaced: the installation in one namespace sees that namespace,
// says so once, and its Role is enough for all that is done there.
func TestSourceNamespaced(t *testing.T) {
	t.Parallel()
	w := installed(t, "install.yaml")
	w.Apply(guestbook, strings.Replace(guestbook, "metadata:", "metadata:\n  namespace: team", 1), `
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default}
spec: {sourceRepos: ["*"], destinations: [{server: "*", namespace: "*"}]}
---
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: all}
spec: {applicationRefs: [{namePattern: "*", useAnnotations: true}]}
`)
	config, _ := fronted(t, w)
	c := watched(t, config, kube.Options{Namespace: "argocd"})
	apps, err := c.List(t.Context())
	if err != nil || len(apps) != 1 || apps[0].Namespace != "argocd" {
		t.Fatal(apps, err)
	}
	if problems, notices := c.Problems(), c.Notices(); len(problems) > 0 || len(notices) != 1 {
		t.Errorf("problems %v, notices %q", problems, notices)
	}
	if p, err := c.Project(t.Context(), apps[0]); err != nil || p.Name != "default" {
		t.Errorf("project %v, %v", p, err)
	}
	updaters, err := c.ImageUpdaters(t.Context())
	if err != nil || len(updaters) != 1 {
		t.Fatal(updaters, err)
	}
	u := updaters[0]
	u.Status.ApplicationsMatched, u.Status.ApplicationsOmitted = 7, 3
	if err := c.WriteStatus(t.Context(), u); err != nil {
		t.Error(err)
	}
	u.Status.ApplicationsOmitted = 0
	if err := c.WriteStatus(t.Context(), u); err != nil {
		t.Error(err)
	}
	if got := cluster.Field(w.Get("argocd-image-updater.argoproj.io/v1alpha1", "ImageUpdater", "all"), "status"); got != `{"applicationsMatched":7,"imagesManaged":0}` {
		t.Error(got)
	}
	event := kube.Event{
		Of:       kube.Reference{APIVersion: "argoproj.io/v1alpha1", Kind: "Application", Key: apps[0].Key, UID: apps[0].UID, ResourceVersion: apps[0].ResourceVersion},
		Severity: kube.Normal, Reason: "ImagesUpdated", Message: "Successfully updated application 'guestbook'",
	}
	if err := c.Event(t.Context(), event); err != nil {
		t.Error(err)
	}
	event.Of.Namespace = "team"
	if err := c.Event(t.Context(), event); !errors.Is(err, fault.ErrDenied) {
		t.Errorf("an event in another namespace: %v", err)
	}
	var events unstructured.UnstructuredList
	events.SetAPIVersion("v1")
	events.SetKind("EventList")
	if err := w.Client().List(t.Context(), &events, client.InNamespace("argocd")); err != nil || len(events.Items) != 1 {
		t.Fatal(events.Items, err)
	}
	if got := cluster.Field(&events.Items[0], "involvedObject.uid"); got != `"`+apps[0].UID+`"` {
		t.Error(got)
	}
}

// TestSourceRestart: what happens while the API server is away is known soon
// after it is back.
func TestSourceRestart(t *testing.T) {
	t.Parallel()
	w := installed(t, "install.yaml")
	w.Apply(guestbook, strings.ReplaceAll(guestbook, "guestbook", "goes"))
	config, err := w.Plane.ServiceAccountConfig(t.Context(), w.Namespace, "argocd-image-updater")
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan kube.Change, 100)
	c := watched(t, config, kube.Options{Namespace: "argocd", Namespaces: []string{"argocd"}, OnChange: func(c kube.Change) { changes <- c }})
	if err := w.Plane.Down(); err != nil {
		t.Fatal(err)
	}
	w.Until("the loss is told", func() error {
		for _, p := range c.Problems() {
			if errors.Is(p, fault.ErrUnavailable) {
				return nil
			}
		}
		return errors.New("no problem")
	})
	if apps, err := c.List(t.Context()); err != nil || len(apps) != 2 {
		t.Errorf("%d Applications in memory, %v", len(apps), err)
	}
	if err := w.Plane.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Client().Delete(t.Context(), w.Application("goes")); err != nil {
		t.Fatal(err)
	}
	w.Apply(strings.ReplaceAll(guestbook, "guestbook", "comes"))
	told := map[string]bool{}
	w.Until("the changes are told", func() error {
		for len(changes) > 0 {
			told[(<-changes).Key.Name] = true
		}
		if !told["goes"] || !told["comes"] || len(c.Problems()) > 0 {
			return fmt.Errorf("told %v, problems %v", told, c.Problems())
		}
		return nil
	})
	if told["guestbook"] {
		t.Error("what did not change was told")
	}
}
