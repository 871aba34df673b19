package cluster_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster"
)

// Whatever is wrong with the way to the API server is told at once, with the
// file or the server, and what to do.
func TestWrongKubeconfig(t *testing.T) {
	t.Parallel()
	w := scene(t)
	good := w.KubeconfigOf("argocd-image-updater")
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	edited := func(edit func(string) string) string {
		path := filepath.Join(t.TempDir(), "kubeconfig")
		if err := os.WriteFile(path, []byte(edit(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	words := strings.Fields(string(text))
	token := words[slices.Index(words, "token:")+1]
	server := words[slices.Index(words, "server:")+1]
	for name, test := range map[string]struct {
		path string
		code int
		said []string
	}{
		"not there":    {"/nowhere/kubeconfig", 1, []string{"/nowhere/kubeconfig"}},
		"not YAML":     {edited(func(string) string { return "{{{" }), 1, []string{"kubeconfig", "yaml: line 1"}},
		"no context":   {edited(func(s string) string { return strings.Replace(s, "current-context: tests", "current-context: gone", 1) }), 1, []string{"context was not found for specified context: gone"}},
		"nobody there": {edited(func(s string) string { return strings.Replace(s, server, "https://127.0.0.1:1", 1) }), 1, []string{"https://127.0.0.1:1/", "connection refused"}},
		"wrong token":  {edited(func(s string) string { return strings.Replace(s, token, "wrong", 1) }), 1, []string{"the token or certificate that we log in with is wrong or has expired"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.Run("run", "--once", "--registries-conf-path", conf(w), "--kubeconfig", test.path)
			if r.Code != test.code {
				t.Errorf("exit code %d, want %d", r.Code, test.code)
			}
			wantText(t, r.Stderr, test.said...)
		})
	}
}

// without is the shipped Role without a resource, or without one verb of it.
func without(w *cluster.World, resource, verb string) {
	w.Helper()
	text, err := os.ReadFile("../../manifests/base/role.yaml")
	if err != nil {
		w.Fatal(err)
	}
	var role rbac.Role
	if err := yaml.UnmarshalStrict(text, &role); err != nil {
		w.Fatal(err)
	}
	var rules []rbac.PolicyRule
	for _, rule := range role.Rules {
		if !slices.Contains(rule.Resources, resource) {
			rules = append(rules, rule)
			continue
		}
		others := *rule.DeepCopy()
		others.Resources = slices.DeleteFunc(others.Resources, func(r string) bool { return r == resource })
		if len(others.Resources) > 0 {
			rules = append(rules, others)
		}
		rule.Resources = []string{resource}
		rule.Verbs = slices.DeleteFunc(rule.Verbs, func(v string) bool { return v == verb || verb == "" })
		if len(rule.Verbs) > 0 {
			rules = append(rules, rule)
		}
	}
	role.Rules = rules
	text, err = yaml.Marshal(role)
	if err != nil {
		w.Fatal(err)
	}
	w.Apply(string(text))
}

// Whatever the Role lacks is told with the object and what to grant, and all
// that can be done without it is done.
func TestMissingPermission(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		resource, verb string
		code           int
		tags           map[string]string
		said           []string
	}{
		"secrets": {
			"secrets", "", 1, map[string]string{"web": "1.3.0", "private": "1.2.3"},
			[]string{"/private alias=web", "class=Denied", `let a Role of namespace ${NAMESPACE} grant "get" on "secrets"`},
		},
		"status": {
			"imageupdaters/status", "", 0, map[string]string{"web": "1.3.0", "governed": "1.3.0"},
			[]string{"Could not write the status of ImageUpdater ${NAMESPACE}/iu", `grant \"patch\" on \"imageupdaters/status\"`},
		},
		"finalizers": {
			"imageupdaters", "patch", 0, map[string]string{"web": "1.3.0", "governed": "1.3.0"},
			[]string{"Could not take the finalizer", "${NAMESPACE}/iu", `grant \"patch\" on \"imageupdaters\"`},
		},
		"patch": {
			"applications", "patch", 1, map[string]string{"web": "1.2.3", "governed": "1.2.3"},
			[]string{"Could not update application spec", "class=Denied", `grant \"patch\" on \"applications\" of apiGroup \"argoproj.io\"`},
		},
		"events": {
			"events", "", 0, map[string]string{"web": "1.3.0", "governed": "1.3.0"},
			[]string{"Could not write an event of Application ${NAMESPACE}/web", `grant \"create\" on \"events\"`},
		},
		"ImageUpdaters": {
			"imageupdaters", "", 1, map[string]string{"web": "1.2.3", "governed": "1.2.3"},
			[]string{"list imageupdaters.argocd-image-updater.argoproj.io in namespace ${NAMESPACE}", `grant \"list\" on \"imageupdaters\"`},
		},
		"AppProjects": {
			"appprojects", "", 1, map[string]string{"web": "1.2.3", "governed": "1.2.3"},
			[]string{"/web alias=web", "class=Denied", `grant \"list\" on \"appprojects\"`},
		},
		"ConfigMaps": {
			"configmaps", "", 0, map[string]string{"web": "1.3.0", "governed": "1.3.0"}, nil,
		},
		"Applications": {
			"applications", "", 1, nil, []string{"list applications.argoproj.io in namespace ${NAMESPACE}", `grant \"list\" on \"applications\"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := scene(t)
			without(w, test.resource, test.verb)
			governed := strings.Replace(updaterOf("iu", "governed"), "name: iu", "name: iu, finalizers: [resources-finalizer.argocd-image-updater.argoproj.io]", 1)
			w.Apply(app("web", followed), app("governed"), governed)
			if test.resource == "secrets" {
				w.Apply(plain("login", "x"), app("private", followed, "web.pull-secret: secret:${NAMESPACE}/login"))
			}
			r := once(w, test.code)
			wantTags(w, test.tags)
			for _, part := range test.said {
				part = w.Expand(part)
				wantText(t, strings.ReplaceAll(r.Stdout+r.Stderr, `\"`, `"`), strings.ReplaceAll(part, `\"`, `"`))
			}
			if test.resource == "secrets" && warnings(w)["private UpdateDenied"] != 1 {
				t.Errorf("events %q", events(w, "Application"))
			}
			if n := strings.Count(r.Stdout+r.Stderr, "is forbidden"); n > 3 {
				t.Errorf("it says %d times that something is forbidden:\n%s%s", n, r.Stdout, r.Stderr)
			}
		})
	}
}

// A service that may not compete for its Lease, or that reaches nobody, says so
// and waits: it is not ready.
func TestServiceWaits(t *testing.T) {
	t.Parallel()
	w := scene(t)
	w.Apply(app("web", followed))
	without(w, "leases", "")
	port := w.Port()
	p := w.Start("run", "--registries-conf-path", conf(w), "--health-port", port, "--metrics-port", w.Port())
	wantText(t, p.Until("level=ERROR"), "leases.coordination.k8s.io", w.Namespace+"/c21b75f2.argoproj.io", `grant \"get\" on \"leases\"`)
	if code := readiness(t, port); code != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", code)
	}
	wantTags(w, map[string]string{"web": "1.2.3"})
	w.Apply(shipped(t, "base/role.yaml"))
	untilUpdated(w, "web")
	p.Stop()

	text, err := os.ReadFile(w.KubeconfigOf("argocd-image-updater"))
	if err != nil {
		t.Fatal(err)
	}
	w.Kubeconfig = w.File("nobody-there", strings.Replace(string(text), w.Plane.Config().Host, "https://127.0.0.1:1", 1))
	p = w.Start("run", "--registries-conf-path", conf(w), "--health-port", port, "--metrics-port", w.Port())
	wantText(t, p.Until("level=ERROR"), "https://127.0.0.1:1/", "connection refused")
	if code := readiness(t, port); code != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", code)
	}
	p.Stop()
}

// readiness is what /readyz answers.
func readiness(t *testing.T, port string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// A Secret that is not there or has another shape is told with its name, and
// the rest of the fleet goes on.
func TestSecretsOfRegistries(t *testing.T) {
	t.Parallel()
	w := scene(t)
	w.Apply(
		"apiVersion: v1\nkind: Secret\nmetadata: {name: shapeless}\nstringData: {token: x}\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: torn}\ntype: Opaque\nstringData: {.dockerconfigjson: '{{'}\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: elsewhere}\ntype: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: '{\"auths\": {\"ghcr.io\": {\"username\": \"a\", \"password\": \"b\"}}}'}\n",
		app("missing", followed, "web.pull-secret: pullsecret:${NAMESPACE}/nobody"),
		app("shapeless", followed, "web.pull-secret: secret:${NAMESPACE}/shapeless"),
		app("field", followed, "web.pull-secret: secret:${NAMESPACE}/shapeless#creds"),
		app("torn", followed, "web.pull-secret: pullsecret:${NAMESPACE}/torn"),
		app("elsewhere", followed, "web.pull-secret: pullsecret:${NAMESPACE}/elsewhere"),
		app("foreign", followed, "web.pull-secret: pullsecret:kube-system/theirs"),
		app("fine", followed),
	)
	r := once(w, 1)
	wantTags(w, map[string]string{"fine": "1.3.0"})
	for name, parts := range map[string][]string{
		"missing":   {"pullsecret:" + w.Namespace + "/nobody", "create it, or name another one"},
		"shapeless": {w.Namespace + "/shapeless", "username", "password", "token"},
		"field":     {w.Namespace + "/shapeless", "creds", "token"},
		"torn":      {w.Namespace + "/torn", "docker config is not JSON"},
		"elsewhere": {w.Namespace + "/elsewhere", "reg.example.com", "ghcr.io"},
		"foreign":   {"kube-system", "may not be used here"},
	} {
		text := line(r.Stdout+r.Stderr, "application="+w.Namespace+"/"+name+" ")
		wantText(t, text, append(parts, "class=Invalid")...)
		if got := warnings(w)[name+" UpdateInvalid"]; got != 1 {
			t.Errorf("%s: %d events, want 1", name, got)
		}
	}
}

// loose is a definition of Applications that lets everything through.
const loose = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: applications.argoproj.io}
spec:
  group: argoproj.io
  scope: Namespaced
  names: {kind: Application, plural: applications}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// Without Argo CD's definitions it is told what to install, and a service
// begins once they are there. An Application with a field of the wrong type is
// named, and takes no other with it.
func TestDefinitionsOfArgoCD(t *testing.T) {
	t.Parallel()
	suite := suite.Alone(t)
	w := suite.World(t)
	install(w)
	w.Registry(itest.RegistryOptions{})
	w.Push("team/web:1.2.3", "team/web:1.3.0")
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "applications.argoproj.io"},
	}}
	if err := w.Client().Delete(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	const remedy = "install its CustomResourceDefinition applications.argoproj.io"
	w.Until("Applications are gone", func() error {
		if r := w.Run("run", "--once", "--registries-conf-path", conf(w)); r.Code != 1 || !strings.Contains(r.Stderr, remedy) {
			return fmt.Errorf("exit code %d: %s", r.Code, r.Stderr)
		}
		return nil
	})
	p := serve(w, "--interval", "1h")
	p.Until(remedy)
	w.Apply(loose)
	w.Apply(
		strings.Replace(app("odd", followed), "value: 1.2.3", "value: [1, 2]", 1),
		app("fine", followed),
	)
	untilUpdated(w, "fine")
	p.Until("Processing results:")
	p.Stop()
	r := once(w, 1)
	wantText(t, line(r.Stderr, "/odd:"), "Could not read an object", "application "+w.Namespace+"/odd", "spec.source.helm.parameters")
}
