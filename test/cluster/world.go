package cluster

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster/kubeapi"
)

// World is what one test has. What goes wrong in it ends the test.
type World struct {
	testing.TB
	Plane *kubeapi.Plane

	// Namespace is the test's own. Texts call it ${NAMESPACE}.
	Namespace string
	// ServiceAccount is whom the program acts as; it is asked for when the
	// program starts.
	ServiceAccount string
	// Kubeconfig is what the program is given instead of that, if it is not "".
	Kubeconfig string
	// Env are more variables for the program, as NAME=value.
	Env []string
	// Pusher pushes to the registry that was started last.
	Pusher itest.Pusher

	program   func() (string, error)
	dir       string
	variables map[string]string
}

// World makes a world, with an empty namespace. What it starts ends with the
// test.
func (s *Suite) World(t testing.TB) *World {
	t.Helper()
	w := &World{
		TB: t, Plane: s.Plane, program: s.program,
		ServiceAccount: "argocd-image-updater", dir: t.TempDir(), variables: map[string]string{},
	}
	w.Namespace = w.NewNamespace()
	w.Set("NAMESPACE", w.Namespace)
	return w
}

// NewNamespace makes one more namespace, and returns its name.
func (w *World) NewNamespace() string {
	w.Helper()
	name, err := w.Plane.Namespace(w.Context(), "test-")
	if err != nil {
		w.Fatal(err)
	}
	return name
}

// Client is the administrator's: what a person or Argo CD would do.
func (w *World) Client() client.Client { return w.Plane.Client() }

// Set gives ${name} a value in texts to come.
func (w *World) Set(name, value string) { w.variables[name] = value }

// Expand puts the values of ${NAMES} into a text. Besides those of Set there
// are NAMESPACE; of Registry, REGISTRY (host:port) and REGISTRY_URL; of Git,
// GIT_URL, below which repositories are. An unknown name ends the test.
func (w *World) Expand(text string) string {
	w.Helper()
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		value, ok := w.variables[name]
		if !ok {
			w.Fatalf("${%s} has no value", name)
		}
		b.WriteString(value)
		text = after
	}
}

// File writes an expanded text to a file of the world, and returns its path.
func (w *World) File(name, text string) string {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(w.Expand(text)), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

// Apply applies expanded manifests, into the world's namespace unless they name
// another; see [kubeapi.Plane.Apply].
func (w *World) Apply(manifests ...string) []*unstructured.Unstructured {
	w.Helper()
	applied, err := w.TryApply(manifests...)
	if err != nil {
		w.Fatal(err)
	}
	return applied
}

// TryApply is Apply where a refusal is what the test is about.
func (w *World) TryApply(manifests ...string) ([]*unstructured.Unstructured, error) {
	w.Helper()
	expanded := make([]string, len(manifests))
	for i, text := range manifests {
		expanded[i] = w.Expand(text)
	}
	return w.Plane.Apply(w.Context(), w.Namespace, expanded...)
}

// Get reads an object of the world's namespace, such as Get("v1", "Secret", "creds").
func (w *World) Get(apiVersion, kind, name string) *unstructured.Unstructured {
	w.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(apiVersion)
	object.SetKind(kind)
	if err := w.Client().Get(w.Context(), client.ObjectKey{Namespace: w.Namespace, Name: name}, object); err != nil {
		w.Fatal(err)
	}
	return object
}

// Application reads an Application of the world's namespace.
func (w *World) Application(name string) *unstructured.Unstructured {
	w.Helper()
	return w.Get("argoproj.io/v1alpha1", "Application", name)
}

// Field is a part of an object as JSON, such as spec.source.helm.parameters or
// spec.sources.0.chart; "" if it is not there.
func Field(object *unstructured.Unstructured, path string) string {
	var value any = object.Object
	for key := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				return ""
			}
			value = v[i]
		default:
			return ""
		}
	}
	if value == nil {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Until waits until something is so: until try returns nil. What it returned
// last is told if that takes longer than half a minute.
func (w *World) Until(what string, try func() error) {
	w.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("waited in vain until %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// KubeconfigOf writes a kubeconfig that acts as a ServiceAccount of the world's
// namespace, and returns its path.
func (w *World) KubeconfigOf(serviceAccount string) string {
	w.Helper()
	config, err := w.Plane.ServiceAccountConfig(w.Context(), w.Namespace, serviceAccount)
	if err != nil {
		w.Fatal(err)
	}
	path := filepath.Join(w.dir, "kubeconfig-"+serviceAccount)
	if err := kubeapi.WriteKubeconfig(path, config, w.Namespace); err != nil {
		w.Fatal(err)
	}
	return path
}

// Port is a free port of the loopback interface, for a flag of the program.
func (w *World) Port() string {
	w.Helper()
	port, err := kubeapi.FreePort(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return strconv.Itoa(port)
}
