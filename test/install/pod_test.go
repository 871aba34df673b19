package install_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

const nameLabel = "app.kubernetes.io/name"

// TestPod looks at what Kubernetes' restricted pod security standard asks for,
// and at the read-only root besides. No user is named: OpenShift gives one, and
// admits no Pod that names another (restricted-v2).
func TestPod(t *testing.T) {
	deployment := as[appsv1.Deployment](t, parse(t, read(t, "manifests", "install.yaml")), "Deployment")
	pod := deployment.Spec.Template.Spec
	yes, no := true, false
	wantPod := &corev1.PodSecurityContext{
		RunAsNonRoot:   &yes,
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if diff := cmp.Diff(wantPod, pod.SecurityContext); diff != "" {
		t.Errorf("pod (-want +got):\n%s", diff)
	}
	if len(pod.Containers) != 1 || len(pod.InitContainers) > 0 {
		t.Fatalf("%d containers, %d init containers; 1 and 0 expected", len(pod.Containers), len(pod.InitContainers))
	}
	wantContainer := &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	if diff := cmp.Diff(wantContainer, pod.Containers[0].SecurityContext); diff != "" {
		t.Errorf("container (-want +got):\n%s", diff)
	}
	if pod.HostNetwork || pod.HostPID || pod.HostIPC {
		t.Error("the pod has a namespace of its host")
	}
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			t.Errorf("volume %s is a folder of the host", v.Name)
		}
	}
}

// TestWritable: with a read-only root and read-only mounts /tmp is all that the
// program can write to.
func TestWritable(t *testing.T) {
	deployment := as[appsv1.Deployment](t, parse(t, read(t, "manifests", "install.yaml")), "Deployment")
	var writable []string
	for _, m := range deployment.Spec.Template.Spec.Containers[0].VolumeMounts {
		if !m.ReadOnly {
			writable = append(writable, m.MountPath)
		}
	}
	if diff := cmp.Diff([]string{"/tmp"}, writable); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSelectors: the incumbent's Deployment of the same name has this selector,
// which cannot be changed; with another one ours could not be applied over it.
func TestSelectors(t *testing.T) {
	objects := parse(t, read(t, "manifests", "install.yaml"))
	want := map[string]string{nameLabel: "argocd-image-updater"}
	deployment := as[appsv1.Deployment](t, objects, "Deployment")
	service := as[corev1.Service](t, objects, "Service")
	policy := as[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy")
	for what, got := range map[string]map[string]string{
		"Deployment": deployment.Spec.Selector.MatchLabels, "Service": service.Spec.Selector, "NetworkPolicy": policy.Spec.PodSelector.MatchLabels,
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s selects (-want +got):\n%s", what, diff)
		}
	}
	for what, labels := range map[string]map[string]string{"Pods": deployment.Spec.Template.Labels, "Service": service.Labels} {
		if labels[nameLabel] != "argocd-image-updater" {
			t.Errorf("%s carry %v", what, labels)
		}
	}
}

func TestPorts(t *testing.T) {
	objects := parse(t, read(t, "manifests", "install.yaml"))
	container := as[appsv1.Deployment](t, objects, "Deployment").Spec.Template.Spec.Containers[0]
	ports := map[string]int32{}
	for _, p := range container.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if diff := cmp.Diff(map[string]int32{"health": 8080, "metrics": 8081}, ports); diff != "" {
		t.Errorf("container (-want +got):\n%s", diff)
	}
	for path, probe := range map[string]*corev1.Probe{"/healthz": container.LivenessProbe, "/readyz": container.ReadinessProbe} {
		if probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != "health" {
			t.Errorf("%s is asked for at %v", path, probe.HTTPGet)
		}
	}
	service := as[corev1.Service](t, objects, "Service").Spec.Ports
	if len(service) != 1 || service[0].Name != "metrics" || service[0].Port != 8081 || service[0].TargetPort.StrVal != "metrics" {
		t.Errorf("Service has the ports %v", service)
	}
	open := as[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy").Spec.Ingress
	if len(open) != 1 || len(open[0].Ports) != 1 || open[0].Ports[0].Port.IntVal != 8081 {
		t.Errorf("NetworkPolicy opens %v", open)
	}
}

// TestShutdown: a push that has begun ends, or is given up, before the kubelet
// kills the process.
func TestShutdown(t *testing.T) {
	pod := as[appsv1.Deployment](t, parse(t, read(t, "manifests", "install.yaml")), "Deployment").Spec.Template.Spec
	const push = 4 // seconds that update gives it
	if grace := *pod.TerminationGracePeriodSeconds; grace < 2*push {
		t.Errorf("%d s to end, a push alone may take %d", grace, push)
	}
}

// setting is a variable that a Deployment takes from a ConfigMap or a Secret.
type setting struct{ variable, kind, object, key string }

func settings(t *testing.T, objects []object) []setting {
	t.Helper()
	var all []setting
	for _, env := range as[appsv1.Deployment](t, objects, "Deployment").Spec.Template.Spec.Containers[0].Env {
		switch from := env.ValueFrom; {
		case from != nil && from.ConfigMapKeyRef != nil:
			ref := from.ConfigMapKeyRef
			checkOptional(t, env.Name, ref.Optional)
			all = append(all, setting{env.Name, "ConfigMap", ref.Name, ref.Key})
		case from != nil && from.SecretKeyRef != nil:
			ref := from.SecretKeyRef
			checkOptional(t, env.Name, ref.Optional)
			all = append(all, setting{env.Name, "Secret", ref.Name, ref.Key})
		default:
			t.Errorf("%s has a value of its own: nobody can set it", env.Name)
		}
	}
	return all
}

// checkOptional: a pod does not start without a key that is not optional.
func checkOptional(t *testing.T, what string, optional *bool) {
	t.Helper()
	if optional == nil || !*optional {
		t.Errorf("%s is not optional", what)
	}
}

// volumeKeys are the keys of the ConfigMap that are mounted as files.
func volumeKeys(t *testing.T, objects []object) []string {
	t.Helper()
	var keys []string
	for _, v := range as[appsv1.Deployment](t, objects, "Deployment").Spec.Template.Spec.Volumes {
		switch {
		case v.ConfigMap != nil:
			checkOptional(t, v.Name, v.ConfigMap.Optional)
		case v.Secret != nil:
			checkOptional(t, v.Name, v.Secret.Optional)
		case v.Projected != nil:
			for _, source := range v.Projected.Sources {
				if source.ConfigMap != nil {
					checkOptional(t, v.Name, source.ConfigMap.Optional)
				} else {
					checkOptional(t, v.Name, source.Secret.Optional)
				}
			}
		}
		if v.ConfigMap != nil && strings.HasPrefix(v.ConfigMap.Name, "argocd-image-updater") {
			for _, item := range v.ConfigMap.Items {
				keys = append(keys, item.Key)
			}
		}
	}
	return keys
}

// refusedKeys are read so that the program can refuse them: commits cannot be
// signed yet.
var refusedKeys = []string{"git.commit-sign-key", "git.commit-sign-off", "git.commit-signing-key"}

// TestConfig: the keys that stand as comments in the ConfigMap and the Secret
// are those that have an effect, and they are YAML when they are uncommented.
func TestConfig(t *testing.T) {
	objects := parse(t, read(t, "manifests", "install.yaml"))
	wired := map[string][]string{"ConfigMap": volumeKeys(t, objects)}
	for _, s := range settings(t, objects) {
		if !slices.Contains(refusedKeys, s.key) {
			wired[s.kind] = append(wired[s.kind], s.key)
		}
	}
	for kind, file := range map[string]string{"ConfigMap": "config.yaml", "Secret": "secret.yaml"} {
		slices.Sort(wired[kind])
		if diff := cmp.Diff(wired[kind], keysInComments(t, file)); diff != "" {
			t.Errorf("keys that the Deployment reads, and keys in the comments of %s (-reads +comments):\n%s", file, diff)
		}
		for _, field := range []string{"data", "stringData", "binaryData"} {
			if _, there := one(t, objects, kind).Object[field]; there {
				t.Errorf("%s has %s: applying it again would take away what users have set there", kind, field)
			}
		}
	}
}

func keysInComments(t *testing.T, file string) []string {
	t.Helper()
	_, comments, _ := strings.Cut(read(t, "manifests", "base", file), "component: configuration\n")
	var example struct {
		Data       map[string]string `json:"data"`
		StringData map[string]string `json:"stringData"`
	}
	comments, _, _ = strings.Cut(comments, "\n#\n")
	uncommented := regexp.MustCompile(`(?m)^# ?`).ReplaceAllString(comments, "")
	if err := yaml.UnmarshalStrict([]byte(uncommented), &example); err != nil {
		t.Fatalf("%s, uncommented: %v", file, err)
	}
	var keys []string
	for _, values := range []map[string]string{example.Data, example.StringData} {
		for key, value := range values {
			if value == "" {
				t.Errorf("%s: %s has no example", file, key)
			}
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// TestVariablesAreRead: the program knows every variable that it is given.
func TestVariablesAreRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "internal", "cli", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var program strings.Builder
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			program.WriteString(read(t, "internal", "cli", filepath.Base(file)))
		}
	}
	for _, s := range settings(t, parse(t, read(t, "manifests", "install.yaml"))) {
		if !strings.Contains(program.String(), `"`+s.variable+`"`) {
			t.Errorf("nothing in internal/cli reads %s", s.variable)
		}
	}
}
