package argoserver

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/yaml"

	"argocd-image-updater/internal/itest"
)

// The kinds of request that a Server counts.
const (
	KindList    = "list"    // GET /api/v1/applications
	KindGet     = "get"     // GET /api/v1/applications/<name>
	KindRefresh = "refresh" // the same with refresh
	KindPatch   = "patch"   // PATCH of the same
	KindWindows = "windows" // GET /api/v1/applications/<name>/syncwindows
	KindStream  = "stream"  // GET /api/v1/stream/applications
	KindMay     = "may"     // GET /api/v1/account/can-i/<resource>/<action>/<object>
	KindOther   = "other"
)

// Policy is what docs/argocd-api.md tells people to write into
// argocd-rbac-cm, for the account image-updater.
const Policy = `
p, role:image-updater, applications, get, */*, allow
p, role:image-updater, applications, update, */*, allow
g, image-updater, role:image-updater
`

// Options are how a Server is started.
type Options struct {
	TLS bool
	// Namespace of Argo CD; "" is argocd.
	Namespace string
	// RootPath is the server's --rootpath: "/argo-cd".
	RootPath string
	// Accounts are the names of accounts by their tokens.
	Accounts map[string]string
	// Policy is the policy.csv of argocd-rbac-cm.
	Policy string
	// KeepAlive is how often a comment is sent on a quiet stream; 0 is 15 s.
	KeepAlive time.Duration
	// SlowRefresh leaves the mark of a refresh and does not answer, as while
	// Argo CD reads a large repository.
	SlowRefresh bool
}

// Server is an Argo CD API server. Its methods may be called while it answers.
type Server struct {
	*itest.Server
	options Options
	policy  policy

	mu        sync.Mutex
	version   int
	apps      map[key]*app
	windows   map[key]Windows
	refreshed []string
	streams   map[*stream]bool
}

// key is namespace and name.
type key struct{ namespace, name string }

func (k key) String() string { return k.namespace + "/" + k.name }

// app is an Application and what requests are decided by.
type app struct {
	key
	version int
	project string
	labels  map[string]string
	raw     json.RawMessage
}

// Windows are the sync windows of an Application.
type Windows struct {
	// Assigned are those that match it, and Active those of them that are open.
	Assigned, Active []Window
}

// Window is a sync window as the API server tells it: without its time zone.
type Window struct {
	Kind       string `json:"kind"`
	Schedule   string `json:"schedule"`
	Duration   string `json:"duration"`
	ManualSync bool   `json:"manualSync"`
}

// Start starts a server without Applications.
func Start(o Options) (*Server, error) {
	o.Namespace = cmp.Or(o.Namespace, "argocd")
	o.KeepAlive = cmp.Or(o.KeepAlive, 15*time.Second)
	p, err := parsePolicy(o.Policy)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, policy: p, apps: map[key]*app{}, windows: map[key]Windows{}, streams: map[*stream]bool{}}
	s.Server, err = itest.StartServer(itest.ServerOptions{Handler: s.handler(), Kind: s.kind, TLS: o.TLS})
	return s, err
}

// Close ends all streams and the server.
func (s *Server) Close() {
	s.CutStreams()
	s.Server.Close()
}

// Address is what --argocd-server-addr takes: the URL with the root path.
func (s *Server) Address() string { return s.URL() + s.options.RootPath }

// Put creates or replaces an Application, written in YAML or JSON. Version,
// identity and, where it is missing, the namespace are set by the server.
func (s *Server) Put(manifest string) error {
	var object map[string]any
	if json.Unmarshal([]byte(manifest), &object) != nil { // many times faster, which counts for a fleet
		if err := yaml.Unmarshal([]byte(manifest), &object); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store(object)
}

// Edit changes an Application as somebody else would, such as a person or a
// controller.
func (s *Server) Edit(namespace, name string, change func(object map[string]any)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[key{namespace, name}]
	if a == nil {
		return fmt.Errorf("application %s/%s does not exist", namespace, name)
	}
	var object map[string]any
	if err := json.Unmarshal(a.raw, &object); err != nil {
		return err
	}
	change(object)
	return s.store(object)
}

// Delete removes an Application.
func (s *Server) Delete(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.apps[key{namespace, name}]; a != nil {
		delete(s.apps, a.key)
		s.version++
		last := *a
		last.version = s.version
		s.notify("DELETED", &last)
	}
}

// Application is an Application as it stands, in JSON; nil if there is none.
func (s *Server) Application(namespace, name string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.apps[key{namespace, name}]; a != nil {
		return slices.Clone(a.raw)
	}
	return nil
}

// SetWindows says which sync windows an Application has.
func (s *Server) SetWindows(namespace, name string, w Windows) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.windows[key{namespace, name}] = w
}

// Refreshed are the Applications (namespace/name) whose refresh was asked for,
// in this order.
func (s *Server) Refreshed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refreshed)
}

// Streams is how many streams are open.
func (s *Server) Streams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams)
}

// CutStreams drops the connections of all streams.
func (s *Server) CutStreams() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.streams {
		st.end()
	}
}

// store keeps an object and tells the streams. The caller holds the lock.
func (s *Server) store(object map[string]any) error {
	meta, _ := object["metadata"].(map[string]any)
	if meta == nil {
		return fmt.Errorf("an Application without metadata: %v", object)
	}
	if meta["namespace"] == nil {
		meta["namespace"] = s.options.Namespace
	}
	s.version++
	meta["resourceVersion"] = strconv.Itoa(s.version)
	if meta["uid"] == nil {
		meta["uid"] = fmt.Sprintf("00000000-0000-0000-0000-%012d", s.version)
	}
	raw, err := json.Marshal(object)
	if err != nil {
		return err
	}
	a, err := decode(raw)
	if err != nil {
		return err
	}
	a.version = s.version
	event := "MODIFIED"
	if s.apps[a.key] == nil {
		event = "ADDED"
	}
	s.apps[a.key] = a
	s.notify(event, a)
	return nil
}

func decode(raw json.RawMessage) (*app, error) {
	var o struct {
		Metadata struct {
			Namespace, Name string
			Labels          map[string]string
		}
		Spec any // a test may want it to be wrong
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	m := o.Metadata
	spec, _ := o.Spec.(map[string]any)
	project, _ := spec["project"].(string)
	return &app{key: key{m.Namespace, m.Name}, project: cmp.Or(project, "default"), labels: m.Labels, raw: raw}, nil
}

// sorted are all Applications by namespace and name. The caller holds the lock.
func (s *Server) sorted() []*app {
	return slices.SortedFunc(maps.Values(s.apps), func(a, b *app) int {
		return cmp.Or(strings.Compare(a.namespace, b.namespace), strings.Compare(a.name, b.name))
	})
}

func (s *Server) kind(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, s.options.RootPath)
	rest, ok := strings.CutPrefix(path, "/api/v1/applications")
	switch {
	case path == "/api/v1/stream/applications":
		return KindStream
	case strings.HasPrefix(path, "/api/v1/account/can-i/"):
		return KindMay
	case !ok:
		return KindOther
	case rest == "":
		return KindList
	case strings.HasSuffix(rest, "/syncwindows"):
		return KindWindows
	case r.Method == http.MethodPatch:
		return KindPatch
	case r.URL.Query().Has("refresh"):
		return KindRefresh
	}
	return KindGet
}
