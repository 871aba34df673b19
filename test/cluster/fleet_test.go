package cluster_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/test/cluster"
	"argocd-image-updater/test/cluster/fleet"
)

// A fleet is as large as it was wished, and what it says to run is what the
// updater reads and what its registry knows.
func TestFleet(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	f := fleet.Fleet{Applications: 30, Images: 2, Repositories: 7, Tags: 5, Status: 20_000, Outdated: 3}
	if err := f.Create(t.Context(), w.Plane.Config(), w.Namespace); err != nil {
		t.Fatal(err)
	}
	registry, err := f.Registry()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("argoproj.io/v1alpha1")
	list.SetKind("ApplicationList")
	if err := w.Client().List(t.Context(), list, client.InNamespace(w.Namespace)); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != f.Applications {
		t.Errorf("%d Applications, want %d", len(list.Items), f.Applications)
	}
	seen := map[string]bool{}
	for i := range list.Items {
		item := &list.Items[i]
		if got := len(cluster.Field(item, "status")); got < f.Status*9/10 || got > f.Status*12/10 {
			t.Errorf("%s: a status of %d bytes, want about %d", item.GetName(), got, f.Status)
		}
		text, err := item.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		app, err := argo.DecodeObject(text)
		if err != nil {
			t.Fatal(err)
		}
		tag := ":1.0.4"
		if app.Name < fleet.Name(f.Outdated) {
			tag = ":1.0.3"
		}
		for _, live := range app.Status.Images {
			repository, ok := strings.CutPrefix(strings.TrimSuffix(live, tag), fleet.Host+"/")
			if !ok || !strings.HasSuffix(live, tag) {
				t.Errorf("%s runs %s, want %s of %s", app.Key, live, tag, fleet.Host)
			}
			seen[repository] = true
		}
		if len(app.Status.Images) != f.Images {
			t.Errorf("%s runs %v, want %d images", app.Key, app.Status.Images, f.Images)
		}
	}
	if len(seen) != f.Repositories {
		t.Errorf("%d repositories, want %d", len(seen), f.Repositories)
	}
	for repository := range seen {
		resp, err := http.Get(fmt.Sprintf("%s/v2/%s/tags/list", registry.URL(), repository))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if err != nil || strings.Count(string(body), "1.0.") != f.Tags {
			t.Errorf("the registry says of %s: %s, %v", repository, body, err)
		}
	}
}
