package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"argocd-image-updater/internal/argo"
)

// servePatch applies a JSON Patch or a merge patch, as the API server does: the
// patch first, then the version is compared.
func (s *server) servePatch(w http.ResponseWriter, r *http.Request, q request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := argo.Key{Namespace: q.namespace, Name: q.name}
	was := s.objects[q.resource][key]
	if was == nil {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, fmt.Sprintf("%s.%s %q not found", q.resource, q.group, q.name))
		return
	}
	now := clone(was)
	switch r.Header.Get("Content-Type") {
	case "application/json-patch+json":
		err = jsonPatch(now, body)
	case "application/merge-patch+json":
		err = mergePatch(now, body)
	default:
		refuse(w, http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType, "the body of the request was in an unknown format")
		return
	}
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, err.Error())
		return
	}
	if at(now, "metadata")["resourceVersion"] != at(was, "metadata")["resourceVersion"] {
		refuse(w, http.StatusConflict, metav1.StatusReasonConflict, "the object has been modified; please apply your changes to the latest version and try again")
		return
	}
	if q.sub == "status" {
		status := now["status"]
		now = clone(was)
		now["status"] = status
	}
	if keyOf(now) != key || at(now, "spec") == nil {
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "spec: Required value")
		return
	}
	respond(w, http.StatusOK, s.store(q.resource, now))
}

// jsonPatch applies add, replace and test of RFC 6902.
func jsonPatch(o raw, patch []byte) error {
	var ops []struct {
		Op    string
		Path  string
		Value any
	}
	if err := json.Unmarshal(patch, &ops); err != nil {
		return err
	}
	for _, op := range ops {
		steps := strings.Split(op.Path, "/")
		if steps[0] != "" || !slices.Contains([]string{"add", "replace", "test"}, op.Op) {
			return fmt.Errorf("%s %q is no operation", op.Op, op.Path)
		}
		if _, err := place(o, steps[1:], op.Op, op.Value); err != nil {
			return fmt.Errorf("%s operation does not apply: %s: %w", op.Op, op.Path, err)
		}
	}
	return nil
}

// place puts a value at a path below parent and gives the new parent.
func place(parent any, path []string, op string, value any) (any, error) {
	step := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	switch parent := parent.(type) {
	case raw:
		child, there := parent[step]
		if len(path) == 1 {
			if op != "add" && !there {
				return nil, errors.New("missing value")
			}
			if op == "test" && text(child) != text(value) {
				return nil, errors.New("test failed")
			}
			parent[step] = value
			return parent, nil
		}
		child, err := place(child, path[1:], op, value)
		parent[step] = child
		return parent, err
	case []any:
		i, err := strconv.Atoi(step)
		switch {
		case len(path) == 1 && op == "add" && step == "-":
			return append(parent, value), nil
		case err != nil || i < 0 || i >= len(parent):
			return nil, errors.New("missing value")
		case len(path) == 1 && op == "add":
			return slices.Insert(parent, i, value), nil
		case len(path) == 1:
			parent[i] = value
			return parent, nil
		}
		parent[i], err = place(parent[i], path[1:], op, value)
		return parent, err
	}
	return nil, errors.New("missing path")
}

// mergePatch applies RFC 7396.
func mergePatch(o raw, patch []byte) error {
	var m raw
	if err := json.Unmarshal(patch, &m); err != nil {
		return err
	}
	merge(o, m)
	return nil
}

func merge(o, patch raw) {
	for key, value := range patch {
		child, isMap := value.(raw)
		switch {
		case value == nil:
			delete(o, key)
		case isMap:
			if at(o, key) == nil {
				o[key] = raw{}
			}
			merge(at(o, key), child)
		default:
			o[key] = value
		}
	}
}

// serveCreate takes what has a name and belongs where it is sent.
func (s *server) serveCreate(w http.ResponseWriter, r *http.Request, q request) {
	var o raw
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || r.Header.Get("Content-Type") != "application/json" {
		refuse(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, "the object does not parse")
		return
	}
	if keyOf(o).Namespace != q.namespace || at(o, "involvedObject")["namespace"] != q.namespace {
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "involvedObject.namespace: Invalid value: does not match event.namespace")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	respond(w, http.StatusCreated, s.store(q.resource, o))
}
