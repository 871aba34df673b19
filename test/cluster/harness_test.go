package cluster_test

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/test/cluster"
)

const guestbook = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: guestbook
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: guestbook}
  source:
    repoURL: https://git.example.com/team/config.git
    path: guestbook
    helm:
      parameters:
      - {name: image.tag, value: 1.2.3}
status:
  summary:
    images: [docker.io/myorg/guestbook:1.2.3]
`

// reader may read Applications, and only that.
const reader = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules:
- {apiGroups: [argoproj.io], resources: [applications], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: ServiceAccount, name: reader, namespace: "${NAMESPACE}"}
`

// An Application keeps its status, for which there is no subresource, when it is
// applied and when it is updated.
func TestApplicationHasNoStatusSubresource(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	w.Apply(guestbook)
	app := w.Application("guestbook")
	if got, want := cluster.Field(app, "status.summary.images.0"), `"docker.io/myorg/guestbook:1.2.3"`; got != want {
		t.Errorf("applied with the image %s, want %s", got, want)
	}
	if err := unstructured.SetNestedStringSlice(app.Object, []string{"docker.io/myorg/guestbook:1.3.0"}, "status", "summary", "images"); err != nil {
		t.Fatal(err)
	}
	if err := w.Client().Status().Update(t.Context(), app.DeepCopy()); !apierrors.IsNotFound(err) {
		t.Errorf("update of the status subresource: %v, want that there is none", err)
	}
	if err := w.Client().Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if got, want := cluster.Field(w.Application("guestbook"), "status.summary.images.0"), `"docker.io/myorg/guestbook:1.3.0"`; got != want {
		t.Errorf("updated to the image %s, want %s", got, want)
	}
}

// A ServiceAccount may do what its Role says, in the namespace of its Role.
func TestServiceAccountMayDoWhatItsRoleSays(t *testing.T) {
	t.Parallel()
	w, other := suite.World(t), suite.World(t)
	w.Apply(reader, guestbook)
	other.Apply(guestbook)
	config, err := w.Plane.ServiceAccountConfig(t.Context(), w.Namespace, "reader")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	app := w.Application("guestbook")
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(app), app); err != nil {
		t.Errorf("get: %v", err)
	}
	if err := c.Delete(t.Context(), app); !apierrors.IsForbidden(err) {
		t.Errorf("delete: %v, want it forbidden", err)
	}
	app = other.Application("guestbook")
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(app), app); !apierrors.IsForbidden(err) {
		t.Errorf("get in another namespace: %v, want it forbidden", err)
	}
}

func TestNamespacesDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			w := suite.World(t)
			w.Apply(strings.ReplaceAll(guestbook, "1.2.3", fmt.Sprintf("1.2.%d", i)))
			list := &unstructured.UnstructuredList{}
			list.SetAPIVersion("argoproj.io/v1alpha1")
			list.SetKind("ApplicationList")
			if err := w.Client().List(t.Context(), list, client.InNamespace(w.Namespace)); err != nil {
				t.Fatal(err)
			}
			if len(list.Items) != 1 {
				t.Fatalf("%d Applications, want 1", len(list.Items))
			}
			want := fmt.Sprintf(`[{"name":"image.tag","value":"1.2.%d"}]`, i)
			if got := cluster.Field(&list.Items[0], "spec.source.helm.parameters"); got != want {
				t.Errorf("parameters %s, want %s", got, want)
			}
		})
	}
}

// A restart keeps what was stored, and a token that was issued before it.
func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	w := suite.Alone(t).World(t)
	w.Apply(reader, guestbook)
	config, err := w.Plane.ServiceAccountConfig(t.Context(), w.Namespace, "reader")
	if err != nil {
		t.Fatal(err)
	}
	before := w.Application("guestbook")
	if err := w.Plane.Down(); err != nil {
		t.Fatal(err)
	}
	app := before.DeepCopy()
	if err := w.Client().Get(t.Context(), client.ObjectKeyFromObject(app), app); err == nil {
		t.Error("the API server answers after it was stopped")
	}
	if err := w.Plane.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(app), app); err != nil {
		t.Fatal(err)
	}
	if got, want := app.GetResourceVersion(), before.GetResourceVersion(); got != want {
		t.Errorf("resource version %s after the restart, %s before", got, want)
	}
	if err := w.Plane.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := w.Application("guestbook").GetUID(), before.GetUID(); got != want {
		t.Errorf("uid %s after another restart, %s before", got, want)
	}
}
