package kube

import (
	"encoding/json"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// serveWatch sends what happens from a version on, until the client leaves.
func (s *server) serveWatch(w http.ResponseWriter, r *http.Request, q request) {
	initial := q.query.Get("sendInitialEvents") == "true"
	s.mu.Lock()
	streams, version, oldest := s.streams, s.version, s.oldest
	var first []raw
	if initial {
		first = s.matching(q)
	}
	s.mu.Unlock()
	if initial && !streams {
		refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
		return
	}
	if initial && (q.query.Get("resourceVersionMatch") != "NotOlderThan" || q.query.Get("allowWatchBookmarks") != "true") {
		s.t.Errorf("a watch with initial events and %v", q.query)
	}
	w.Header().Set("Content-Type", "application/json")
	send := func(typ string, object any) {
		_ = json.NewEncoder(w).Encode(struct {
			Type   string `json:"type"`
			Object any    `json:"object"`
		}{typ, object})
		_ = http.NewResponseController(w).Flush()
	}
	_ = http.NewResponseController(w).Flush()
	if initial {
		for _, o := range first {
			send("ADDED", o)
		}
		send("BOOKMARK", raw{"kind": "Bookmark", "apiVersion": "v1", "spec": raw{}, "metadata": raw{
			"resourceVersion": strconv.Itoa(version), "creationTimestamp": nil, "annotations": raw{metav1.InitialEventsAnnotationKey: "true"},
		}})
	} else {
		version, _ = strconv.Atoi(q.query.Get("resourceVersion"))
		if version < oldest {
			send("ERROR", metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired, Message: "too old resource version"})
			return
		}
	}
	s.follow(r, q, version, send)
}

func (s *server) follow(r *http.Request, q request, version int, send func(string, any)) {
	for {
		s.mu.Lock()
		wake := s.wake
		var news []change
		for _, c := range s.log {
			if c.version > version && c.resource == q.resource {
				news = append(news, c)
			}
		}
		s.mu.Unlock()
		for _, c := range news {
			version = c.version
			switch was, is := q.admits(c.was), q.admits(c.is); {
			case !was && is:
				send("ADDED", c.is)
			case was && is:
				send("MODIFIED", c.is)
			case was:
				send("DELETED", c.was)
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-wake:
		}
	}
}
