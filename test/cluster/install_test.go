package cluster_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	authorization "k8s.io/api/authorization/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/test/cluster"
)

// shipped is a file of manifests, as it is shipped.
func shipped(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "manifests", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// updater acts as the ServiceAccount of an install.
func updater(t *testing.T, w *cluster.World) client.Client {
	t.Helper()
	config, err := w.Plane.ServiceAccountConfig(t.Context(), w.Namespace, "argocd-image-updater")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// install.yaml goes where it is told, as often as one likes, and again over
// itself.
func TestInstallInTwoNamespaces(t *testing.T) {
	t.Parallel()
	first, second := suite.World(t), suite.World(t)
	for _, w := range []*cluster.World{first, second, first} {
		for _, o := range w.Apply(shipped(t, "install.yaml")) {
			if ns := o.GetNamespace(); ns != w.Namespace && o.GetKind() != "CustomResourceDefinition" {
				t.Errorf("%s %s is in the namespace %q", o.GetKind(), o.GetName(), ns)
			}
		}
	}
	apply := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"a":"b"}}}`))
	for _, w := range []*cluster.World{first, second} {
		w.Apply(guestbook)
	}
	if err := updater(t, first).Patch(t.Context(), first.Application("guestbook"), apply); err != nil {
		t.Errorf("patch in its own namespace: %v", err)
	}
	if err := updater(t, first).Patch(t.Context(), second.Application("guestbook"), apply); !apierrors.IsForbidden(err) {
		t.Errorf("patch in the other's namespace: %v, want it forbidden", err)
	}
}

// What people have put into the ConfigMap and the Secret stays when the file
// is applied again.
func TestInstallLeavesConfiguration(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	w.Apply(shipped(t, "install.yaml"))
	for kind, name := range map[string]string{"ConfigMap": "argocd-image-updater-config", "Secret": "argocd-image-updater-secret"} {
		o := w.Get("v1", kind, name)
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"data":{"argocd.token":"c2VjcmV0"}}`))
		if err := w.Client().Patch(t.Context(), o, patch, client.FieldOwner("kubectl-edit")); err != nil {
			t.Fatal(err)
		}
	}
	w.Apply(shipped(t, "install.yaml"))
	for kind, name := range map[string]string{"ConfigMap": "argocd-image-updater-config", "Secret": "argocd-image-updater-secret"} {
		if got, want := cluster.Field(w.Get("v1", kind, name), "data"), `{"argocd.token":"c2VjcmV0"}`; got != want {
			t.Errorf("%s %s has the data %s, want %s", kind, name, got, want)
		}
	}
}

// The API server itself says what the ServiceAccount may do: in its own
// namespace what the Role says, elsewhere what everybody may.
func TestShippedRights(t *testing.T) {
	t.Parallel()
	w, elsewhere := suite.World(t), suite.World(t)
	w.Apply(shipped(t, "install.yaml"))
	if got := rightsIn(t, w, w.Namespace); !slices.Equal(got, rightsAtHome) {
		t.Errorf("in its own namespace: %q, want %q", got, rightsAtHome)
	}
	if got := rightsIn(t, w, elsewhere.Namespace); len(got) > 0 {
		t.Errorf("in another namespace: %q, want nothing", got)
	}
}

func TestShippedClusterRights(t *testing.T) {
	t.Parallel()
	suite := suite.Alone(t) // two installs of it would share the ClusterRoleBinding
	w, elsewhere := suite.World(t), suite.World(t)
	// As docs/install.md has it.
	w.Apply(strings.ReplaceAll(shipped(t, "install-cluster-wide.yaml"), "namespace: argocd", "namespace: "+w.Namespace))
	if got := rightsIn(t, w, w.Namespace); !slices.Equal(got, rightsAtHome) {
		t.Errorf("in its own namespace: %q, want %q", got, rightsAtHome)
	}
	if got := rightsIn(t, w, elsewhere.Namespace); !slices.Equal(got, rightsEverywhere) {
		t.Errorf("in another namespace: %q, want %q", got, rightsEverywhere)
	}
}

// As docs/several-instances.md has it: an instance in a namespace of its own,
// which gets in Argo CD's what its Role is at home.
func TestRightsInArgoCDsNamespace(t *testing.T) {
	t.Parallel()
	w, argocd := suite.World(t), suite.World(t)
	w.Apply(shipped(t, "install.yaml"))
	argocd.Set("INSTANCE", w.Namespace)
	argocd.Apply(shipped(t, "base/role.yaml"), `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: argocd-image-updater-team-a}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: argocd-image-updater}
subjects:
- {kind: ServiceAccount, name: argocd-image-updater, namespace: "${INSTANCE}"}
`)
	if got := rightsIn(t, w, argocd.Namespace); !slices.Equal(got, rightsAtHome) {
		t.Errorf("in Argo CD's namespace: %q, want %q", got, rightsAtHome)
	}
}

var (
	rightsEverywhere = []string{
		"applications: get list patch watch",
		"events: create",
		"imageupdaters/status: patch",
		"imageupdaters: get list patch watch",
	}
	rightsAtHome = []string{
		"applications: get list patch watch",
		"appprojects: get list watch",
		"configmaps: get",
		"events: create",
		"imageupdaters/status: patch",
		"imageupdaters: get list patch watch",
		"leases: create get update",
		"secrets: get list",
	}
)

// rightsIn asks what the ServiceAccount may do in a namespace, less what
// everybody may: to ask what they may, and who they are.
func rightsIn(t *testing.T, w *cluster.World, namespace string) []string {
	t.Helper()
	review := &authorization.SelfSubjectRulesReview{Spec: authorization.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	if err := updater(t, w).Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	if review.Status.Incomplete {
		t.Fatalf("incomplete: %s", review.Status.EvaluationError)
	}
	verbs := map[string][]string{}
	for _, rule := range review.Status.ResourceRules {
		for _, resource := range rule.Resources {
			if !strings.HasPrefix(resource, "selfsubject") {
				verbs[resource] = append(verbs[resource], rule.Verbs...)
			}
		}
	}
	var rights []string
	for resource, v := range verbs {
		slices.Sort(v)
		rights = append(rights, resource+": "+strings.Join(slices.Compact(v), " "))
	}
	slices.Sort(rights)
	return rights
}

// A namespace that enforces the restricted pod security standard admits the
// Pod.
func TestPodIsRestricted(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	strict := &core.Namespace{ObjectMeta: meta.ObjectMeta{
		GenerateName: "restricted-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := w.Client().Create(t.Context(), strict); err != nil {
		t.Fatal(err)
	}
	w.Namespace = strict.Name
	w.Apply(shipped(t, "install.yaml"))
	deployment := &apps.Deployment{}
	if err := w.Client().Get(t.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "argocd-image-updater"}, deployment); err != nil {
		t.Fatal(err)
	}
	pod := &core.Pod{ObjectMeta: meta.ObjectMeta{Namespace: w.Namespace, GenerateName: "updater-"}, Spec: deployment.Spec.Template.Spec}
	open := pod.DeepCopy()
	open.Spec.SecurityContext.SeccompProfile = nil
	if err := w.Client().Create(t.Context(), open); !apierrors.IsForbidden(err) {
		t.Errorf("without its seccomp profile: %v, want it forbidden", err)
	}
	if err := w.Client().Create(t.Context(), pod); err != nil {
		t.Error(err)
	}
}
