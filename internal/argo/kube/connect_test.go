package kube

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
)

func TestConnect(t *testing.T) {
	s := startServer(t)
	named := s.kubeconfig()
	for _, test := range []struct {
		name, env, home string
		access          Access
	}{
		{"a file that was named", "", "", Access{Kubeconfig: named}},
		{"KUBECONFIG", named, "", Access{}},
		{"KUBECONFIG of several files", "/nowhere:" + named, "", Access{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", test.env)
			c, err := Connect(test.access)
			if err != nil {
				t.Fatal(err)
			}
			if c.Namespace != "updater" || c.Config.Host != s.http.URL {
				t.Errorf("namespace %q, host %q", c.Namespace, c.Config.Host)
			}
		})
	}
}

// What is wrong with a kubeconfig is told with the files that were looked at.
func TestConnectRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	broken := file("broken", "clusters: [}")
	dangling := file("dangling", "current-context: gone\n")
	tests := []struct {
		name, path, env, want string
	}{
		{"not there", filepath.Join(dir, "none"), "", "none: no such file"},
		{"no YAML", broken, "", "kubernetes: kubeconfig " + broken + ": "},
		{"a context that is not there", dangling, "", "context was not found for specified context: gone"},
		{"nothing at all", "", filepath.Join(dir, "none"), "kubernetes: no cluster is configured in " + filepath.Join(dir, "none") + ", and this is no Pod with a ServiceAccount: name a kubeconfig"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", test.env)
			if c, err := Connect(Access{Kubeconfig: test.path}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, %v", c, err)
			}
		})
	}
}

// Every request is told, as RBAC would name it.
func TestObserve(t *testing.T) {
	s := startServer(t)
	s.put(application("argocd", "web"))
	var mu sync.Mutex
	var seen []Request
	conn, err := Connect(Access{Kubeconfig: s.kubeconfig(), Observe: func(r Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Took <= 0 {
			t.Errorf("%+v took no time", r)
		}
		r.Took = 0
		seen = append(seen, r)
	}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(conn, Options{Namespace: "argocd"})
	if err != nil {
		t.Fatal(err)
	}
	key := argo.Key{Namespace: "argocd", Name: "web"}
	listed(t, c)
	_, err = c.Get(t.Context(), key)
	_, err2 := c.Get(t.Context(), argo.Key{Namespace: "argocd", Name: "gone"})
	err3 := c.Refresh(t.Context(), key)
	err4 := c.Event(t.Context(), Event{Of: Reference{Key: key}})
	if err != nil || err2 == nil || err3 != nil || err4 != nil {
		t.Error(err, err2, err3, err4)
	}
	s.http.Close()
	_, _ = c.List(t.Context())
	want := []Request{
		{Verb: "list", Resource: "applications", Code: 200},
		{Verb: "get", Resource: "applications", Code: 200},
		{Verb: "get", Resource: "applications", Code: 404},
		{Verb: "patch", Resource: "applications", Code: 200},
		{Verb: "create", Resource: "events", Code: 201},
		{Verb: "list", Resource: "applications", Code: 0},
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestMeaning(t *testing.T) {
	tests := []struct{ method, url, verb, resource string }{
		{"GET", "/apis/argoproj.io/v1alpha1/applications?limit=5", "list", "applications"},
		{"GET", "/apis/argoproj.io/v1alpha1/applications?watch=true", "watch", "applications"},
		{"GET", "/apis/argoproj.io/v1alpha1/namespaces/a/applications/web", "get", "applications"},
		{"PATCH", "/apis/argoproj.io/v1alpha1/namespaces/a/applications/web/status", "patch", "applications"},
		{"PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/lock", "update", "leases"},
		{"DELETE", "/api/v1/namespaces/a/secrets/s", "delete", "secrets"},
		{"POST", "/api/v1/namespaces/a/events", "create", "events"},
		{"GET", "/api/v1/namespaces", "list", "namespaces"},
		{"GET", "/api/v1/namespaces/a", "get", "namespaces"},
		{"GET", "/k8s/clusters/c-1/api/v1/namespaces/a/secrets", "list", "secrets"},
		{"GET", "/version", "list", ""},
		{"GET", "/api", "list", ""},
	}
	for _, test := range tests {
		r, err := http.NewRequest(test.method, "https://example.com"+test.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if verb, resource := meaning(r); verb != test.verb || resource != test.resource {
			t.Errorf("%s %s is %s %s", test.method, test.url, verb, resource)
		}
	}
}
