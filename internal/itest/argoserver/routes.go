package argoserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/labels"
)

// route answers a request of an account, or refuses.
type route func(w http.ResponseWriter, r *http.Request, account string) *refusal

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range map[string]route{
		"GET /api/v1/applications":                    s.list,
		"GET /api/v1/applications/{name}":             s.get,
		"PATCH /api/v1/applications/{name}":           s.patch,
		"GET /api/v1/applications/{name}/syncwindows": s.syncWindows,
		"GET /api/v1/stream/applications":             s.stream,

		"GET /api/v1/account/can-i/{resource}/{action}/{object...}": s.canI,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			account, no := s.account(r)
			if no == nil {
				no = answer(w, r, account)
			}
			if no != nil {
				no.send(w)
			}
		})
	}
	mux.HandleFunc("/api/", http.NotFound)
	mux.Handle("/", LoginPage(http.StatusOK)(nil)) // every other path is the web page
	var handler http.Handler = mux
	if s.options.RootPath != "" {
		handler = http.StripPrefix(s.options.RootPath, mux)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && !strings.EqualFold(r.Header.Get("Content-Type"), "application/json") {
			http.Error(w, "Invalid content type", http.StatusUnsupportedMediaType)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// list gives what the account may see, by name. The answer is written item by
// item, without a length.
func (s *Server) list(w http.ResponseWriter, r *http.Request, account string) *refusal {
	if no := known(r, "selector", "appNamespace"); no != nil {
		return no
	}
	query := r.URL.Query()
	selector, err := labels.Parse(query.Get("selector"))
	if err != nil {
		return &refusal{Unknown, "error parsing the selector: " + err.Error()}
	}
	s.mu.Lock()
	apps := slices.DeleteFunc(s.sorted(), func(a *app) bool {
		elsewhere := query.Get("appNamespace") != "" && query.Get("appNamespace") != a.namespace
		return elsewhere || !selector.Matches(labels.Set(a.labels)) || !s.may(account, "get", a)
	})
	version := s.version
	s.mu.Unlock()
	slices.SortStableFunc(apps, func(a, b *app) int { return strings.Compare(a.name, b.name) })

	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"metadata":{"resourceVersion":"%d"},"items":[`, version)
	for i, a := range apps {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		_, _ = w.Write(a.raw)
	}
	_, _ = io.WriteString(w, "]}")
	return nil
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, account string) *refusal {
	if no := known(r, "appNamespace", "project", "refresh"); no != nil {
		return no
	}
	k, project := s.named(r)
	s.mu.Lock()
	a, no := s.find(k, project, account)
	s.mu.Unlock()
	switch {
	case no != nil:
		return no
	case r.URL.Query().Has("refresh"):
		return s.refresh(w, r, a)
	}
	return send(w, a.raw)
}

// refreshMark is the annotation that asks the controller to look.
const refreshMark = "argocd.argoproj.io/refresh"

// refresh sets the mark, and answers when the controller has taken it away.
func (s *Server) refresh(w http.ResponseWriter, r *http.Request, a *app) *refusal {
	err := s.Edit(a.namespace, a.name, func(object map[string]any) {
		meta, _ := object["metadata"].(map[string]any)
		annotations, _ := meta["annotations"].(map[string]any)
		if annotations == nil {
			annotations = map[string]any{}
			meta["annotations"] = annotations
		}
		annotations[refreshMark] = r.URL.Query().Get("refresh")
	})
	if err != nil {
		return &refusal{Unknown, err.Error()}
	}
	s.mu.Lock()
	s.refreshed = append(s.refreshed, a.String())
	s.mu.Unlock()
	if s.options.SlowRefresh {
		<-r.Context().Done()
		return &refusal{Unknown, "application refresh deadline exceeded"}
	}
	err = s.Edit(a.namespace, a.name, func(object map[string]any) {
		meta, _ := object["metadata"].(map[string]any)
		annotations, _ := meta["annotations"].(map[string]any)
		delete(annotations, refreshMark)
	})
	if err != nil {
		return &refusal{Unknown, err.Error()}
	}
	return send(w, s.Application(a.namespace, a.name))
}

// patchRequest is the body of a PATCH.
type patchRequest struct {
	Name, Patch, PatchType, AppNamespace, Project string
}

// patch applies a patch to what is there now, and keeps what the real server
// keeps of the result: spec, labels, annotations and finalizers.
func (s *Server) patch(w http.ResponseWriter, r *http.Request, account string) *refusal {
	if no := known(r); no != nil {
		return no
	}
	var request patchRequest
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	if err := body.Decode(&request); err != nil {
		return &refusal{InvalidArgument, err.Error()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, no := s.find(key{s.namespaceOf(request.AppNamespace), r.PathValue("name")}, request.Project, account)
	switch {
	case no != nil:
		return no
	case !s.may(account, "update", a):
		return &refusal{PermissionDenied, "permission denied: applications, update, " + s.object(a) + ", sub: " + account}
	case request.PatchType != "json":
		return &refusal{InvalidArgument, fmt.Sprintf("Patch type '%s' is not supported", request.PatchType)}
	}
	patch, err := jsonpatch.DecodePatch([]byte(request.Patch))
	if err != nil {
		return &refusal{Unknown, "error decoding json patch: " + err.Error()}
	}
	patched, err := patch.Apply(a.raw)
	if err != nil {
		return &refusal{Unknown, "error applying patch: " + err.Error()}
	}
	if err := s.merge(a, patched); err != nil {
		return &refusal{Unknown, "error unmarshaling patched app: " + err.Error()}
	}
	return send(w, s.apps[a.key].raw)
}

// merge takes over what a patch may change.
func (s *Server) merge(a *app, patched []byte) error {
	var object, wanted map[string]any
	if err := json.Unmarshal(a.raw, &object); err != nil {
		return err
	}
	if err := json.Unmarshal(patched, &wanted); err != nil {
		return err
	}
	object["spec"] = wanted["spec"]
	meta, _ := object["metadata"].(map[string]any)
	wantedMeta, _ := wanted["metadata"].(map[string]any)
	for _, field := range []string{"labels", "annotations", "finalizers"} {
		delete(meta, field)
		if v, ok := wantedMeta[field]; ok {
			meta[field] = v
		}
	}
	return s.store(object)
}

func (s *Server) syncWindows(w http.ResponseWriter, r *http.Request, account string) *refusal {
	if no := known(r, "appNamespace", "project"); no != nil {
		return no
	}
	k, project := s.named(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	a, no := s.find(k, project, account)
	if no != nil {
		return no
	}
	windows := s.windows[a.key]
	closed := slices.ContainsFunc(windows.Active, func(w Window) bool { return w.Kind == "deny" && !w.ManualSync })
	answer := struct {
		Active   []Window `json:"activeWindows,omitempty"`
		Assigned []Window `json:"assignedWindows,omitempty"`
		CanSync  bool     `json:"canSync"`
	}{windows.Active, windows.Assigned, !closed}
	text, err := json.Marshal(answer)
	if err != nil {
		return &refusal{Unknown, err.Error()}
	}
	return send(w, text)
}

// canI tells the account what it may.
func (s *Server) canI(w http.ResponseWriter, r *http.Request, account string) *refusal {
	if no := known(r); no != nil {
		return no
	}
	if resource := r.PathValue("resource"); resource != "applications" {
		return &refusal{InvalidArgument, "[applications] does not contain " + resource}
	}
	if s.policy.allows(account, r.PathValue("action"), r.PathValue("object")) {
		return send(w, []byte(`{"value":"yes"}`))
	}
	return send(w, []byte(`{"value":"no"}`))
}

// named is the Application that a request names, and its project; "" if the
// request does not say.
func (s *Server) named(r *http.Request) (key, string) {
	query := r.URL.Query()
	return key{s.namespaceOf(query.Get("appNamespace")), r.PathValue("name")}, query.Get("project")
}

func (s *Server) namespaceOf(appNamespace string) string {
	if appNamespace == "" {
		return s.options.Namespace
	}
	return appNamespace
}

// find finds an Application that the account may get. That one does not exist
// is told only to who names its project and may get it there; to all others it
// is denied, so that nobody learns what exists. The caller holds the lock.
func (s *Server) find(k key, project, account string) (*app, *refusal) {
	absent := &refusal{NotFound, `applications.argoproj.io "` + k.name + `" not found`}
	if project != "" && !s.policy.allows(account, "get", s.object(&app{key: k, project: project})) {
		return nil, denied()
	}
	a := s.apps[k]
	switch {
	case a == nil && project == "", a != nil && project == "" && !s.may(account, "get", a):
		return nil, denied()
	case a == nil, !s.may(account, "get", a), project != "" && project != a.project:
		return nil, absent
	}
	return a, nil
}

// object is an Application as the policy names it.
func (s *Server) object(a *app) string {
	if a.namespace == s.options.Namespace {
		return a.project + "/" + a.name
	}
	return a.project + "/" + a.namespace + "/" + a.name
}

func (s *Server) may(account, action string, a *app) bool {
	return s.policy.allows(account, action, s.object(a))
}

func send(w http.ResponseWriter, body []byte) *refusal {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	return nil
}
