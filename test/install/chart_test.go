package install_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const chart = root + "/charts/argocd-image-updater"

// helmProgram is the path of Helm, which Go builds if it has to.
var helmProgram = sync.OnceValues(func() (string, error) {
	path, err := exec.Command("go", "tool", "-n", "helm").Output()
	return strings.TrimSpace(string(path)), err
})

// helm runs Helm away from the configuration of whoever runs the test.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program, err := helmProgram()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+filepath.Join(home, "none"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = errors.New(stderr.String())
	}
	return string(out), err
}

// template renders the chart with values in YAML.
func template(t *testing.T, release, values string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	return helm(t, "template", release, chart, "--namespace", "argocd", "--values", file)
}

func rendered(t *testing.T, release, values string) []object {
	t.Helper()
	text, err := template(t, release, values)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

// TestChartIsInstall: without values the chart is install.yaml, and with
// createClusterRoles the other one.
func TestChartIsInstall(t *testing.T) {
	for file, values := range map[string]string{"install.yaml": "", "install-cluster-wide.yaml": "createClusterRoles: true"} {
		want, got := parse(t, read(t, "manifests", file)), rendered(t, "argocd-image-updater", values)
		if diff := cmp.Diff(kindsAndNames(want), kindsAndNames(got)); diff != "" {
			t.Fatalf("%s (-manifests +chart):\n%s", file, diff)
		}
		for _, o := range want {
			if diff := cmp.Diff(o.Object, withoutHelm(one(t, got, o.GetKind()))); diff != "" {
				t.Errorf("%s, %s (-manifests +chart):\n%s", file, kindAndName(o), diff)
			}
		}
	}
}

func TestChartServiceMonitor(t *testing.T) {
	want := one(t, parse(t, read(t, "manifests", "monitoring", "servicemonitor.yaml")), "ServiceMonitor")
	got := one(t, rendered(t, "argocd-image-updater", "metrics: {serviceMonitor: {enabled: true}}"), "ServiceMonitor")
	if diff := cmp.Diff(want.Object, withoutHelm(got)); diff != "" {
		t.Errorf("(-manifests +chart):\n%s", diff)
	}
}

// withoutHelm takes away what tells the release and its values.
func withoutHelm(o object) map[string]any {
	for _, path := range [][]string{
		{"metadata", "labels"}, {"spec", "selector"}, {"spec", "selector", "matchLabels"}, {"spec", "podSelector", "matchLabels"},
		{"spec", "template", "metadata", "labels"},
	} {
		for _, label := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
			unstructured.RemoveNestedField(o.Object, append(path, label)...)
		}
	}
	unstructured.RemoveNestedField(o.Object, "metadata", "annotations", "helm.sh/resource-policy")
	unstructured.RemoveNestedField(o.Object, "spec", "template", "metadata", "annotations") // the checksum of the ConfigMap alone
	return o.Object
}

func TestChartLint(t *testing.T) {
	if out, err := helm(t, "lint", "--strict", chart); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestChartDefinition(t *testing.T) {
	definition := read(t, "manifests", "crd", "argocd-image-updater.argoproj.io_imageupdaters.yaml")
	generated(t, definition, "charts", "argocd-image-updater", "files", "imageupdaters.yaml")
}

// TestChartRefuses: a value that nothing reads, or that has another form, is an
// error that names it.
func TestChartRefuses(t *testing.T) {
	for values, want := range map[string]string{
		"replicas: 2":                        "'replicas' not allowed",
		"config: {logLevel: debug}":          "'logLevel' not allowed",
		"config: {log.level: verbose}":       "/config/log.level",
		"config: {interval: 5 minutes}":      "/config/interval",
		"config: {kube.events: 'off'}":       "/config/kube.events",
		"config: {webhook.enable: true}":     "'webhook.enable' not allowed",
		"config: {registries: [{name: a}]}":  "missing property 'api_url'",
		"image: {tags: v1}":                  "'tags' not allowed",
		"image: {tag: 1.0}":                  "/image/tag",
		"extraArgs: [--metrics-port, 9090]":  "/extraArgs/1",
		"metrics: {serviceMonitor: {at: 1}}": "'at' not allowed",
		"authScripts: {enabled: true}":       "'authScripts' not allowed",
	} {
		if _, err := template(t, "x", values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error with %q expected, got: %v", values, want, err)
		}
	}
}

func TestChartConfig(t *testing.T) {
	values := `
config:
  log.level: debug
  kube.events: false
  max_concurrent_apps: 20
  git.commit-message-template: |
    build: {{ .AppName }} "now"

    second
  registries:
  - {name: Hub, api_url: "https://registry-1.docker.io", insecure: no, limit: 5}
`
	objects := rendered(t, "argocd-image-updater", values)
	want := map[string]string{
		"log.level": "debug", "kube.events": "false", "max_concurrent_apps": "20",
		"git.commit-message-template": "build: {{ .AppName }} \"now\"\n\nsecond\n",
		"registries.conf":             "registries:\n- api_url: https://registry-1.docker.io\n  insecure: false\n  limit: 5\n  name: Hub\n",
	}
	if diff := cmp.Diff(want, as[corev1.ConfigMap](t, objects, "ConfigMap").Data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestChartRestarts: what is read at the start replaces the Pods when it
// changes, and registries.conf, which is watched, does not.
func TestChartRestarts(t *testing.T) {
	pod := func(values string) map[string]string {
		return as[appsv1.Deployment](t, rendered(t, "x", values), "Deployment").Spec.Template.Annotations
	}
	before := pod("")
	if cmp.Equal(before, pod("config: {interval: 5m}")) {
		t.Error("a new interval does not replace the Pods")
	}
	if !cmp.Equal(before, pod(`config: {registries: [{name: a, api_url: "https://a.example"}]}`)) {
		t.Error("a new registry replaces the Pods")
	}
}

// TestSecondRelease: two releases in one namespace share no object, no Pod and
// no lease.
func TestSecondRelease(t *testing.T) {
	first := rendered(t, "argocd-image-updater", "createClusterRoles: true")
	second := rendered(t, "team-b", "{createClusterRoles: true, crds: {install: false}}")
	names := map[string]bool{}
	for _, o := range first {
		names[kindAndName(o)] = true
	}
	for _, o := range second {
		if names[kindAndName(o)] {
			t.Errorf("both have %s", kindAndName(o))
		}
	}
	labels := as[appsv1.Deployment](t, first, "Deployment").Spec.Template.Labels
	deployment := as[appsv1.Deployment](t, second, "Deployment")
	for what, selector := range map[string]map[string]string{
		"Deployment":    deployment.Spec.Selector.MatchLabels,
		"Service":       as[corev1.Service](t, second, "Service").Spec.Selector,
		"NetworkPolicy": as[networkingv1.NetworkPolicy](t, second, "NetworkPolicy").Spec.PodSelector.MatchLabels,
	} {
		if subset(selector, labels) {
			t.Errorf("the %s of the second release selects Pods of the first", what)
		}
	}
	wantArgs := []string{"run", "--leader-election-id=team-b-argocd-image-updater"}
	if diff := cmp.Diff(wantArgs, deployment.Spec.Template.Spec.Containers[0].Args); diff != "" {
		t.Errorf("arguments of the second release (-want +got):\n%s", diff)
	}
	subject := as[rbacv1.ClusterRoleBinding](t, second, "ClusterRoleBinding").Subjects[0]
	if subject.Name != deployment.Spec.Template.Spec.ServiceAccountName || subject.Namespace != "argocd" {
		t.Errorf("the ClusterRole is bound to %v", subject)
	}
	for _, s := range settings(t, second) {
		if !strings.HasPrefix(s.object, "team-b-") {
			t.Errorf("%s of the second release comes from %s", s.variable, s.object)
		}
	}
}

func subset(small, large map[string]string) bool {
	for k, v := range small {
		if large[k] != v {
			return false
		}
	}
	return true
}

// TestReleaseNumber: the chart, the manifests and the program have one version.
func TestReleaseNumber(t *testing.T) {
	var metadata struct {
		AppVersion string `json:"appVersion"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "charts", "argocd-image-updater", "Chart.yaml")), &metadata); err != nil {
		t.Fatal(err)
	}
	image := as[appsv1.Deployment](t, parse(t, read(t, "manifests", "install.yaml")), "Deployment").Spec.Template.Spec.Containers[0].Image
	if _, tag, _ := strings.Cut(image, ":"); tag != metadata.AppVersion {
		t.Errorf("the manifests name %s, the chart %s", tag, metadata.AppVersion)
	}
}
