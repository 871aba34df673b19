package kube

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/itest"
)

const token = "the-token"

// server is a Kubernetes API server as far as this package asks it, and strict
// about that: what it does not know is refused, and fails the test.
type server struct {
	t    testing.TB
	http *httptest.Server

	mu      sync.Mutex
	wake    chan struct{} // closed and made anew with each change
	version int
	oldest  int // events up to this version are forgotten
	objects map[string]map[argo.Key]raw
	log     []change
	asked   []string // verb, resource and namespace of each request

	forbidden  []string // beginnings of entries of asked
	everywhere bool     // all namespaces at once are forbidden
	unknown    []string // resources whose CRD is not installed
	streams    bool     // watches may send initial events (WatchList)
	expire     int      // continue tokens that are too old, from now on
	harm       itest.Harm
	skip       int
}

// raw is an object as it is stored.
type raw = map[string]any

// change is an entry of the history that watches read.
type change struct {
	version  int
	resource string
	was, is  raw
}

// startServer starts a server that knows all kinds and holds nothing.
func startServer(t testing.TB) *server {
	s := &server{t: t, wake: make(chan struct{}), version: 100, objects: map[string]map[argo.Key]raw{}, streams: true}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.EnableHTTP2 = true
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that are cut
	s.http.StartTLS()
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// connect is how to reach the server, through a kubeconfig.
func (s *server) connect() *Connection {
	s.t.Helper()
	c, err := Connect(Access{Kubeconfig: s.kubeconfig()})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *server) kubeconfig() string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "config")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test, namespace: updater}}]
clusters: [{name: test, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: test, user: {token: %s}}]
`, s.http.URL, base64.StdEncoding.EncodeToString(ca), token)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// client is one of the server.
func (s *server) client(o Options) *Client {
	s.t.Helper()
	if o.Namespace == "" {
		o.Namespace = "argocd"
	}
	c, err := New(s.connect(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// put stores the object of a manifest, in place of its older self.
func (s *server) put(manifest string) {
	s.t.Helper()
	var o raw
	if err := yaml.Unmarshal([]byte(manifest), &o); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store(strings.ToLower(o["kind"].(string))+"s", o)
}

func (s *server) remove(resource string, key argo.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	was := s.objects[resource][key]
	delete(s.objects[resource], key)
	s.happened(change{version: s.version, resource: resource, was: was})
}

// store writes an object and its history. The caller holds the lock.
func (s *server) store(resource string, o raw) raw {
	key := keyOf(o)
	was := s.objects[resource][key]
	s.version++
	o = clone(o)
	meta := o["metadata"].(raw)
	meta["resourceVersion"] = strconv.Itoa(s.version)
	meta["uid"] = fmt.Sprintf("uid-of-%s", key.Name)
	meta["managedFields"] = []any{raw{"manager": "kubectl", "fieldsV1": raw{"f:spec": raw{}}}}
	generation := 1.0
	if was != nil {
		generation, _ = at(was, "metadata")["generation"].(float64)
		if text(was["spec"]) != text(o["spec"]) {
			generation++
		}
	}
	meta["generation"] = generation
	o = clone(o)
	if s.objects[resource] == nil {
		s.objects[resource] = map[argo.Key]raw{}
	}
	s.objects[resource][key] = o
	s.happened(change{version: s.version, resource: resource, was: was, is: o})
	return o
}

func (s *server) happened(c change) {
	s.log = append(s.log, c)
	close(s.wake)
	s.wake = make(chan struct{})
}

// get is an object as it is stored.
func (s *server) get(resource string, key argo.Key) raw {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[resource][key]; o != nil {
		return clone(o)
	}
	return nil
}

// forget lets watches of older versions fail, and ends those that run.
func (s *server) forget() {
	s.mu.Lock()
	s.oldest = s.version
	s.version++
	s.mu.Unlock()
	s.http.CloseClientConnections()
}

// set changes the server under its lock.
func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// count is how many requests of that beginning there were.
func (s *server) count(beginning string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, entry := range s.asked {
		if strings.HasPrefix(entry, beginning) {
			n++
		}
	}
	return n
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	harm := s.harm
	if s.skip > 0 {
		s.skip, harm = s.skip-1, nil
	}
	s.mu.Unlock()
	var next http.Handler = http.HandlerFunc(s.answer)
	if harm != nil {
		next = harm(next)
	}
	next.ServeHTTP(w, r)
}

// request is what a request says.
type request struct {
	verb, group, resource, namespace, name, sub string
	query                                       url.Values
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		refuse(w, http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "Unauthorized")
		return
	}
	if r.Header.Get("Accept") != "application/json" || !strings.HasPrefix(r.Header.Get("User-Agent"), "argocd-image-updater") {
		s.t.Errorf("%s %s: headers %v", r.Method, r.URL, r.Header)
	}
	q, ok := parse(r)
	if !ok {
		s.t.Errorf("%s %s is no request of the API", r.Method, r.URL)
		http.NotFound(w, r)
		return
	}
	entry := fmt.Sprintf("%s %s %s", q.verb, q.resource, q.namespace)
	s.mu.Lock()
	s.asked = append(s.asked, entry)
	forbidden := slices.ContainsFunc(s.forbidden, func(f string) bool { return strings.HasPrefix(entry, f) }) || s.everywhere && q.namespace == ""
	unknown := slices.Contains(s.unknown, q.resource)
	s.mu.Unlock()
	switch {
	case unknown:
		http.NotFound(w, r) // as the real one, without a Status
	case forbidden:
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden, fmt.Sprintf(
			`%s.%s is forbidden: User "system:serviceaccount:updater:argocd-image-updater" cannot %s resource %q in API group %q`, q.resource, q.group, q.verb, q.resource, q.group))
	default:
		map[string]func(http.ResponseWriter, *http.Request, request){
			"get": s.serveGet, "list": s.serveList, "watch": s.serveWatch, "patch": s.servePatch, "create": s.serveCreate,
		}[q.verb](w, r, q)
	}
}

// parse reads a request as strictly as the kinds that we know allow.
func parse(r *http.Request) (request, bool) {
	segments := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := request{query: r.URL.Query()}
	switch {
	case len(segments) > 2 && segments[0] == "api" && segments[1] == "v1":
		segments = segments[2:]
	case len(segments) > 3 && segments[0] == "apis" && segments[2] == "v1alpha1":
		q.group, segments = segments[1], segments[3:]
	default:
		return q, false
	}
	if segments[0] == "namespaces" && len(segments) > 2 {
		q.namespace, segments = segments[1], segments[2:]
	}
	q.resource = segments[0]
	if len(segments) > 1 {
		q.name = segments[1]
	}
	if len(segments) > 2 {
		q.sub = segments[2]
	}
	group := map[string]string{"applications": "argoproj.io", "appprojects": "argoproj.io", "imageupdaters": "argocd-image-updater.argoproj.io", "events": ""}
	if known, ok := group[q.resource]; !ok || known != q.group || len(segments) > 3 || q.sub != "" && q.sub != "status" {
		return q, false
	}
	for key := range q.query {
		if !slices.Contains([]string{"limit", "continue", "labelSelector", "resourceVersion", "resourceVersionMatch", "watch", "allowWatchBookmarks", "timeoutSeconds", "sendInitialEvents"}, key) {
			return q, false
		}
	}
	switch {
	case r.Method == http.MethodGet && q.name != "":
		q.verb = "get"
	case r.Method == http.MethodGet && q.query.Get("watch") == "true":
		q.verb = "watch"
	case r.Method == http.MethodGet:
		q.verb = "list"
	case r.Method == http.MethodPatch && q.name != "":
		q.verb = "patch"
	case r.Method == http.MethodPost && q.name == "":
		q.verb = "create"
	default:
		return q, false
	}
	return q, q.name == "" || q.namespace != ""
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	respond(w, code, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
}

func respond(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *server) serveGet(w http.ResponseWriter, _ *http.Request, q request) {
	o := s.get(q.resource, argo.Key{Namespace: q.namespace, Name: q.name})
	if o == nil {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("%s.%s %q not found", q.resource, q.group, q.name))
		return
	}
	respond(w, http.StatusOK, o)
}

// matching are the objects of a request, sorted. The caller holds the lock.
func (s *server) matching(q request) []raw {
	var found []raw
	for _, key := range slices.SortedFunc(maps.Keys(s.objects[q.resource]), argo.Key.Compare) {
		if o := s.objects[q.resource][key]; q.admits(o) {
			found = append(found, o)
		}
	}
	return found
}

func (q request) admits(o raw) bool {
	selector, err := labels.Parse(q.query.Get("labelSelector"))
	set := labels.Set{}
	for key, value := range at(o, "metadata", "labels") {
		set[key], _ = value.(string)
	}
	return o != nil && err == nil && selector.Matches(set) && (q.namespace == "" || keyOf(o).Namespace == q.namespace)
}

func (s *server) serveList(w http.ResponseWriter, _ *http.Request, q request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := s.matching(q)
	meta := raw{"resourceVersion": strconv.Itoa(s.version)}
	if after, err := base64.StdEncoding.DecodeString(q.query.Get("continue")); err == nil && len(after) > 0 {
		if s.expire > 0 {
			s.expire--
			refuse(w, http.StatusGone, metav1.StatusReasonExpired, "The provided continue parameter is too old")
			return
		}
		items = slices.DeleteFunc(items, func(o raw) bool { return keyOf(o).String() <= string(after) })
	}
	if limit, _ := strconv.Atoi(q.query.Get("limit")); limit > 0 && len(items) > limit {
		items = items[:limit]
		meta["continue"] = base64.StdEncoding.EncodeToString([]byte(keyOf(items[limit-1]).String()))
	}
	respond(w, http.StatusOK, raw{"apiVersion": "v1", "kind": "List", "metadata": meta, "items": items})
}

func at(o any, path ...string) raw {
	for _, step := range path {
		m, _ := o.(raw)
		o = m[step]
	}
	m, _ := o.(raw)
	return m
}

func keyOf(o raw) argo.Key {
	meta := at(o, "metadata")
	namespace, _ := meta["namespace"].(string)
	return argo.Key{Namespace: namespace, Name: meta["name"].(string)}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func clone(o raw) (c raw) {
	if err := json.Unmarshal([]byte(text(o)), &c); err != nil {
		panic(err)
	}
	return c
}
