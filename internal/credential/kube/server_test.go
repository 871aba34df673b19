package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
)

// apiServer is an API server that has Secrets and ConfigMaps, asks for a token,
// and allows what a Role with the shipped rules would: everything in the
// namespaces argocd and updater, and reading Secrets by name in team.
type apiServer struct {
	*testing.T
	*httptest.Server

	mu      sync.Mutex
	secrets map[argo.Key]credential.Object
	maps    map[argo.Key]map[string]string
	denied  []string // "get secrets argocd"
	harm    http.HandlerFunc
	log     []string
}

func serve(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{T: t, secrets: map[argo.Key]credential.Object{}, maps: map[argo.Key]map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /base/api/v1/namespaces/{namespace}/{resource}/{name}", s.get)
	mux.HandleFunc("GET /base/api/v1/namespaces/{namespace}/secrets", s.list)
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("an API server is not asked for %s %s", r.Method, r.URL)
	})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.log = append(s.log, strings.TrimPrefix(r.URL.Path, "/base/api/v1/namespaces/"))
		harm := s.harm
		s.mu.Unlock()
		switch {
		case r.Header.Get("Authorization") != "Bearer ours":
			s.refuse(w, http.StatusUnauthorized, "Unauthorized")
		case r.Header.Get("Accept") != "application/json":
			t.Errorf("Accept: %s", r.Header.Get("Accept"))
		case harm != nil:
			harm(w, r)
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// source makes a Source that logs in.
func (s *apiServer) source() *Source {
	s.Helper()
	at, err := url.Parse(s.URL + "/base")
	if err != nil {
		s.Fatal(err)
	}
	return New(Options{Server: at, Transport: bearer{s.Client().Transport, "ours"}, Namespace: "updater", ArgoCD: "argocd"})
}

// bearer logs in wherever it is sent, as client-go's transports do.
type bearer struct {
	next  http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// secret adds a Secret from pairs of keys and values; the key type is the label
// by which Argo CD knows it.
func (s *apiServer) secret(namespace, name string, pairs ...string) {
	o := credential.Object{Key: argo.Key{Namespace: namespace, Name: name}, Labels: map[string]string{}, Data: map[string][]byte{}}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == "type" {
			o.Labels["argocd.argoproj.io/secret-type"] = pairs[i+1]
		} else {
			o.Data[pairs[i]] = []byte(pairs[i+1])
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[o.Key] = o
}

func (s *apiServer) configMap(name string, pairs ...string) {
	data := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		data[pairs[i]] = pairs[i+1]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.maps[argo.Key{Namespace: "argocd", Name: name}] = data
}

// deny takes a right away.
func (s *apiServer) deny(verb, resource, namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = append(s.denied, verb+" "+resource+" "+namespace)
}

// harms lets all answers from now on be others; nil ends that.
func (s *apiServer) harms(with http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.harm = with
}

// requests gives what was asked since the last call, sorted.
func (s *apiServer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	slices.Sort(log)
	return log
}

func (s *apiServer) refuse(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code})
}

func (s *apiServer) allowed(w http.ResponseWriter, verb, resource, namespace, name string) bool {
	own := namespace == "argocd" || namespace == "updater"
	if slices.Contains(s.denied, verb+" "+resource+" "+namespace) || !own && (namespace != "team" || verb != "get") {
		s.refuse(w, http.StatusForbidden, fmt.Sprintf("%s %q is forbidden: User \"system:serviceaccount:updater:argocd-image-updater\" cannot %s resource %q in API group \"\" in the namespace %q", resource, name, verb, resource, namespace))
		return false
	}
	return true
}

func written(o credential.Object) map[string]any {
	return map[string]any{
		"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": o.Data,
		"metadata": map[string]any{"name": o.Name, "namespace": o.Namespace, "labels": o.Labels, "uid": "1", "managedFields": []any{map[string]any{"manager": "kubectl"}}},
	}
}

func (s *apiServer) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := argo.Key{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	resource := r.PathValue("resource")
	if !s.allowed(w, "get", resource, key.Namespace, key.Name) {
		return
	}
	secret, isSecret := s.secrets[key]
	data, isMap := s.maps[key]
	switch {
	case resource == "secrets" && isSecret:
		_ = json.NewEncoder(w).Encode(written(secret))
	case resource == "configmaps" && isMap:
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "metadata": map[string]any{"name": key.Name, "namespace": key.Namespace}, "data": data})
	default:
		s.refuse(w, http.StatusNotFound, fmt.Sprintf("%s %q not found", resource, key.Name))
	}
}

func (s *apiServer) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	namespace := r.PathValue("namespace")
	if !s.allowed(w, "list", "secrets", namespace, "") {
		return
	}
	label, values, ok := strings.Cut(r.URL.Query().Get("labelSelector"), " in (")
	if !ok || len(r.URL.Query()) != 1 {
		s.Errorf("query %s", r.URL.RawQuery)
	}
	items := []any{}
	for key, o := range s.secrets {
		if key.Namespace == namespace && slices.Contains(strings.Split(strings.TrimSuffix(values, ")"), ","), o.Labels[label]) {
			items = append(items, written(o))
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "SecretList", "apiVersion": "v1", "metadata": map[string]any{"resourceVersion": "7"}, "items": items})
}
