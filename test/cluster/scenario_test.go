package cluster_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster"
	"argocd-image-updater/test/cluster/kubeapi"
)

// scene is a world with what a user applies, and with a registry that has
// team/web in the versions 1.2.3 and 1.3.0.
func scene(t *testing.T) *cluster.World {
	t.Helper()
	w := suite.World(t)
	install(w)
	w.Registry(itest.RegistryOptions{})
	w.Push("team/web:1.2.3", "team/web:1.3.0")
	return w
}

// once runs one cycle, and fails the test unless it ends with the code.
func once(w *cluster.World, code int, args ...string) cluster.Result {
	w.Helper()
	r := w.Run(append([]string{"run", "--once", "--registries-conf-path", conf(w)}, args...)...)
	if r.Code != code {
		w.Errorf("exit code %d, want %d\n%s%s", r.Code, code, r.Stdout, r.Stderr)
	}
	return r
}

// serve starts the updater as a service, on free ports.
func serve(w *cluster.World, args ...string) *cluster.Program {
	w.Helper()
	return w.Start(append([]string{"run", "--registries-conf-path", conf(w), "--health-port", w.Port(), "--metrics-port", w.Port()}, args...)...)
}

// app is an Application that runs team/web 1.2.3 by a Helm parameter. Each
// annotation is written as key: value, without the prefix.
func app(name string, annotations ...string) string {
	return application(name, "helm: {parameters: [{name: image.tag, value: 1.2.3}]}", "Helm", annotations...)
}

// application is one of a type; source is what stands beside repoURL and path.
func application(name, source, sourceType string, annotations ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: %s\n  labels: {app: %[1]s}\n", name)
	if len(annotations) > 0 {
		b.WriteString("  annotations:\n")
	}
	for _, a := range annotations {
		fmt.Fprintf(&b, "    argocd-image-updater.argoproj.io/%s\n", a)
	}
	fmt.Fprintf(&b, `spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: web}
  source: {repoURL: "https://git.example.com/team/config.git", targetRevision: main, path: web, %s}
status:
  sourceType: %s
  summary: {images: ["reg.example.com/team/web:1.2.3"]}
`, source, sourceType)
	return b.String()
}

// followed is the image list of an Application that follows team/web.
const followed = "image-list: web=reg.example.com/team/web"

// tag is the value of image.tag of an Application.
func tag(w *cluster.World, name string) string {
	w.Helper()
	parameters, _, _ := unstructured.NestedSlice(w.Application(name).Object, "spec", "source", "helm", "parameters")
	for _, p := range parameters {
		if p := p.(map[string]any); p["name"] == "image.tag" {
			return fmt.Sprint(p["value"])
		}
	}
	return ""
}

// wantTags fails the test unless image.tag of each Application is as said.
func wantTags(w *cluster.World, want map[string]string) {
	w.Helper()
	for name, version := range want {
		if got := tag(w, name); got != version {
			w.Errorf("application %s has image.tag %q, want %q", name, got, version)
		}
	}
}

// untilUpdated waits until an Application has the version 1.3.0.
func untilUpdated(w *cluster.World, name string) {
	w.Helper()
	w.Until(fmt.Sprintf("application %s is updated", name), func() error {
		if got := tag(w, name); got != "1.3.0" {
			return fmt.Errorf("it has %q", got)
		}
		return nil
	})
}

// updaterOf is an ImageUpdater that follows team/web in the Applications of a
// name pattern.
func updaterOf(name, pattern string) string {
	return imageUpdater(name, "{applicationRefs: [{namePattern: '"+pattern+"', images: [{alias: web, imageName: reg.example.com/team/web}]}]}")
}

// status reads the status of an ImageUpdater.
func status(w *cluster.World, name string) *unstructured.Unstructured {
	w.Helper()
	return w.Get("argocd-image-updater.argoproj.io/v1alpha1", "ImageUpdater", name)
}

// events are the events of a kind of object, as "<object> <type> <reason>:
// <message>", sorted.
func events(w *cluster.World, kind string) []string {
	w.Helper()
	var list core.EventList
	if err := w.Client().List(w.Context(), &list, client.InNamespace(w.Namespace)); err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, e := range list.Items {
		if e.InvolvedObject.Kind == kind {
			out = append(out, fmt.Sprintf("%s %s %s: %s", e.InvolvedObject.Name, e.Type, e.Reason, e.Message))
		}
	}
	slices.Sort(out)
	return out
}

// wantText fails the test unless a text holds others.
func wantText(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
}

// traffic counts what the program asks of the API server.
type traffic struct {
	mu    sync.Mutex
	asked []string // method and resource
}

// overhear lets the program speak to the API server through a proxy that
// counts.
func overhear(w *cluster.World) *traffic {
	w.Helper()
	config, err := w.Plane.ServiceAccountConfig(w.Context(), w.Namespace, w.ServiceAccount)
	if err != nil {
		w.Fatal(err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		w.Fatal(err)
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(config))
	if err != nil {
		w.Fatal(err)
	}
	t := &traffic{}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(server) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	front := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		t.note(r)
		proxy.ServeHTTP(rw, r)
	}))
	w.Cleanup(front.Close)
	config.Host, config.CAFile = front.URL, filepath.Join(w.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	if err := os.WriteFile(config.CAFile, ca, 0o600); err != nil {
		w.Fatal(err)
	}
	w.Kubeconfig = filepath.Join(w.TempDir(), "kubeconfig")
	if err := kubeapi.WriteKubeconfig(w.Kubeconfig, config, w.Namespace); err != nil {
		w.Fatal(err)
	}
	return t
}

func (t *traffic) note(r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = append(t.asked, r.Method+" "+r.URL.Path)
}

// writes are the requests since the last call that were no reads and about no
// Lease, sorted.
func (t *traffic) writes() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for _, a := range t.asked {
		if !strings.HasPrefix(a, http.MethodGet) && !strings.Contains(a, "/leases") {
			method, path, _ := strings.Cut(a, " ")
			_, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/namespaces/")
			_, path, _ = strings.Cut(path, "/")
			out = append(out, method+" "+path)
		}
	}
	t.asked = nil
	slices.Sort(out)
	return out
}

// secret is the manifest of a Secret of Argo CD's for a repository.
func secret(name, kind string, data map[string]string) string {
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "stringData": data,
		"metadata": map[string]any{"name": name, "labels": map[string]string{"argocd.argoproj.io/secret-type": kind}},
	})
	if err != nil {
		panic(err) // strings alone
	}
	return string(text)
}

// replaceFile writes a file of the world anew, as kubelet does with a mounted
// ConfigMap: another file under the same name.
func replaceFile(w *cluster.World, path, text string) {
	w.Helper()
	if err := errors.Join(os.WriteFile(path+".new", []byte(w.Expand(text)), 0o600), os.Rename(path+".new", path)); err != nil {
		w.Fatal(err)
	}
}
