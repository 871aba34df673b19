package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// rows are the cells of the first table below a heading of a page, without
// backquotes.
func rows(t *testing.T, page, heading string) [][]string {
	t.Helper()
	_, section, found := strings.Cut(read(t, "docs", page), "\n## "+heading+"\n")
	_, table, foundTable := strings.Cut(section, "|\n|---")
	if !found || !foundTable {
		t.Fatalf("%s has no table below %q", page, heading)
	}
	_, table, _ = strings.Cut(table, "\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var all [][]string
	for line := range strings.Lines(strings.ReplaceAll(table, "`", "")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all = append(all, cells)
	}
	return all
}

// TestSettingsPage: the table of keys has those that the Deployment reads, and
// the variables that it reads them into.
func TestSettingsPage(t *testing.T) {
	objects := parse(t, read(t, "manifests", "install.yaml"))
	var want, got []string
	for _, s := range settings(t, objects) {
		key := s.key
		if s.kind == "Secret" {
			key += ", in the Secret"
		}
		want = append(want, key+" "+s.variable)
	}
	for _, key := range volumeKeys(t, objects) {
		want = append(want, key+" file")
	}
	for _, row := range rows(t, "install.md", "Settings") {
		if strings.HasSuffix(row[0], ", in the Secret") {
			got = append(got, row[0]+" "+row[1])
			continue
		}
		variables := strings.Split(row[1], ", ")
		for i, key := range strings.Split(row[0], ", ") {
			variable, _, _ := strings.Cut(variables[i], " ")
			got = append(got, key+" "+variable)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Deployment +docs/install.md):\n%s", diff)
	}
}

// TestRightsPage: the table of permissions is the Role.
func TestRightsPage(t *testing.T) {
	want, got := map[string]string{}, map[string]string{}
	for _, rule := range as[rbacv1.Role](t, parse(t, read(t, "manifests", "install.yaml")), "Role").Rules {
		want[strings.Join(rule.Resources, ", ")] = strings.Join(rule.Verbs, ", ")
	}
	for _, row := range rows(t, "install.md", "What may it do?") {
		got[row[0]] = row[1]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Role +docs/install.md):\n%s", diff)
	}
}

// overlay builds the kustomization that a page shows, which expects this
// repository beside it.
func overlay(t *testing.T, page string) []object {
	t.Helper()
	_, text, found := strings.Cut(read(t, "docs", page), "/kustomization.yaml\n")
	text, _, ended := strings.Cut(text, "```")
	if !found || !ended {
		t.Fatalf("%s has no kustomization", page)
	}
	dir := t.TempDir()
	absolute, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Rel(dir, absolute)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(text, "../argocd-image-updater/", here+"/")
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kustomized(t, dir)
}

func TestOverlayOfInstallPage(t *testing.T) {
	objects := overlay(t, "install.md")
	for _, o := range objects {
		if want := map[bool]string{false: "argocd"}[o.GetKind() == "CustomResourceDefinition"]; o.GetNamespace() != want {
			t.Errorf("%s is in the namespace %q", kindAndName(o), o.GetNamespace())
		}
	}
	image := as[appsv1.Deployment](t, objects, "Deployment").Spec.Template.Spec.Containers[0].Image
	if image != "registry.example.com/team/argocd-image-updater:v0.1.0" {
		t.Errorf("the image is %s", image)
	}
}

// TestOverlayOfInstancesPage: a second instance in the namespace shares no
// object and no lease with the first, and its Service finds its own Pods.
func TestOverlayOfInstancesPage(t *testing.T) {
	first, second := parse(t, read(t, "manifests", "install.yaml")), overlay(t, "several-instances.md")
	for _, name := range kindsAndNames(second) {
		if slices.Contains(kindsAndNames(first), name) {
			t.Errorf("both have %s", name)
		}
	}
	deployment := as[appsv1.Deployment](t, second, "Deployment")
	wantArgs := []string{"run", "--leader-election-id=argocd-image-updater-team-b", "--match-application-label=team=b"}
	if diff := cmp.Diff(wantArgs, deployment.Spec.Template.Spec.Containers[0].Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	others := as[appsv1.Deployment](t, first, "Deployment").Spec.Template.Labels
	selector := as[corev1.Service](t, second, "Service").Spec.Selector
	if subset(selector, others) || !subset(selector, deployment.Spec.Template.Labels) {
		t.Errorf("the Service selects %v", selector)
	}
	for _, s := range settings(t, second) {
		if !strings.HasSuffix(s.object, "-team-b") {
			t.Errorf("%s comes from %s", s.variable, s.object)
		}
	}
}

// TestSedOfInstallPage runs the sed commands of the page.
func TestSedOfInstallPage(t *testing.T) {
	commands := regexp.MustCompile(`(?ms)^\$ (sed .*?) > install`).FindAllStringSubmatch(read(t, "docs", "install.md"), -1)
	if len(commands) != 2 {
		t.Fatalf("%d sed commands, 2 expected", len(commands))
	}
	var texts []string
	for _, c := range commands {
		cmd := exec.Command("sh", "-c", c[1])
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", c[1], err)
		}
		texts = append(texts, string(out))
	}
	for _, text := range texts {
		image := as[appsv1.Deployment](t, parse(t, text), "Deployment").Spec.Template.Spec.Containers[0].Image
		if image != "registry.example.com/team/argocd-image-updater:v0.1.0" {
			t.Errorf("the image is %s", image)
		}
	}
	if ns := as[rbacv1.ClusterRoleBinding](t, parse(t, texts[1]), "ClusterRoleBinding").Subjects[0].Namespace; ns != "tools" {
		t.Errorf("the account that is bound is in %s", ns)
	}
}
