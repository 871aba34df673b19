package install_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
)

// Whatever is added to these lists needs a reason in docs/install.md.
var (
	rightsEverywhere = []string{
		"argocd-image-updater.argoproj.io/imageupdaters get",
		"argocd-image-updater.argoproj.io/imageupdaters list",
		"argocd-image-updater.argoproj.io/imageupdaters patch",
		"argocd-image-updater.argoproj.io/imageupdaters watch",
		"argocd-image-updater.argoproj.io/imageupdaters/status patch",
		"argoproj.io/applications get",
		"argoproj.io/applications list",
		"argoproj.io/applications patch",
		"argoproj.io/applications watch",
		"events create",
	}
	rightsAtHome = []string{
		"argoproj.io/appprojects get",
		"argoproj.io/appprojects list",
		"argoproj.io/appprojects watch",
		"configmaps get",
		"coordination.k8s.io/leases create",
		"coordination.k8s.io/leases get",
		"coordination.k8s.io/leases update",
		"secrets get",
		"secrets list",
	}
)

func TestRights(t *testing.T) {
	for file := range installs {
		objects := parse(t, read(t, "manifests", file))
		want := slices.Sorted(slices.Values(slices.Concat(rightsEverywhere, rightsAtHome)))
		if diff := cmp.Diff(want, rights(as[rbacv1.Role](t, objects, "Role").Rules)); diff != "" {
			t.Errorf("%s: Role (-want +got):\n%s", file, diff)
		}
		binding := as[rbacv1.RoleBinding](t, objects, "RoleBinding")
		checkBinding(t, "Role", binding.RoleRef, binding.Subjects)
	}
	objects := parse(t, read(t, "manifests", "install-cluster-wide.yaml"))
	if diff := cmp.Diff(rightsEverywhere, rights(as[rbacv1.ClusterRole](t, objects, "ClusterRole").Rules)); diff != "" {
		t.Errorf("ClusterRole (-want +got):\n%s", diff)
	}
	binding := as[rbacv1.ClusterRoleBinding](t, objects, "ClusterRoleBinding")
	checkBinding(t, "ClusterRole", binding.RoleRef, binding.Subjects)
}

func checkBinding(t *testing.T, kind string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
	t.Helper()
	if want := (rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: "argocd-image-updater"}); ref != want {
		t.Errorf("%v is bound, %v expected", ref, want)
	}
	if len(subjects) != 1 || subjects[0].Kind != "ServiceAccount" || subjects[0].Name != "argocd-image-updater" {
		t.Errorf("%s is bound to %v, the ServiceAccount alone expected", kind, subjects)
	}
}

// rights spells rules out as "group/resource verb".
func rights(rules []rbacv1.PolicyRule) []string {
	var all []string
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				if group != "" {
					resource = group + "/" + resource
				}
				for _, verb := range rule.Verbs {
					all = append(all, resource+" "+verb)
				}
			}
		}
		for _, name := range rule.ResourceNames {
			all = append(all, "only "+name)
		}
		all = append(all, rule.NonResourceURLs...)
	}
	slices.Sort(all)
	return all
}
