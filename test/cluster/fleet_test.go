package cluster_test

import (
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
	f := fleet.Fleet{Namespace: w.Namespace, Applications: 30, Images: 2, Repositories: 7, Version: 3, StatusBytes: 20_000}
	if err := f.Create(t.Context(), w.Plane.Config()); err != nil {
		t.Fatal(err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("argoproj.io/v1alpha1")
	list.SetKind("ApplicationList")
	if err := w.Client().List(t.Context(), list, client.InNamespace(w.Namespace)); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != f.Applications {
		t.Errorf("%d Applications, want %d", len(list.Items), f.Applications)
	}
	known := f.Tags(5).Tags
	if len(known) != f.Repositories {
		t.Errorf("%d repositories, want %d", len(known), f.Repositories)
	}
	for n := range list.Items {
		item := &list.Items[n]
		if got := len(cluster.Field(item, "status")); got > f.StatusBytes || got < f.StatusBytes-250 {
			t.Errorf("%s: a status of %d bytes, want %d", item.GetName(), got, f.StatusBytes)
		}
		document, err := item.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		app, err := argo.Decode(document)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range app.Status.Images {
			repository := f.Repository(n, i)
			if want := fleet.Host + "/" + repository + ":1.0.3"; got != want {
				t.Errorf("%s runs %s, want %s", app.Key, got, want)
			}
			if len(known[repository]) != 5 {
				t.Errorf("the registry has the tags %v of %s", known[repository], repository)
			}
		}
		if len(app.Status.Images) != 2 {
			t.Errorf("%s runs %v, want two images", app.Key, app.Status.Images)
		}
	}
}

// Without a wish for a size, the status holds what is needed.
func TestFleetWithSmallStatus(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	f := fleet.Fleet{Namespace: w.Namespace, Applications: 1, Images: 1}
	if err := f.Create(t.Context(), w.Plane.Config()); err != nil {
		t.Fatal(err)
	}
	app := w.Application(f.Name(0))
	if got, want := cluster.Field(app, "status.summary.images"), `["registry.example.com/team/service-00000:1.0.0"]`; got != want {
		t.Errorf("images %s, want %s", got, want)
	}
	if got := len(cluster.Field(app, "status")); got > 1000 {
		t.Errorf("a status of %d bytes", got)
	}
}
