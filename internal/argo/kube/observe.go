package kube

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Request is one request to the API server, for metrics.
type Request struct {
	Verb     string // get, list, watch, create, update, patch, delete
	Resource string // plural, as in URLs; "" where the URL names none
	Code     int    // HTTP status; 0 if there was no answer
	Took     time.Duration
}

// observer tells of the requests that go through it.
type observer struct {
	next http.RoundTripper
	tell func(Request)
}

func observe(tell func(Request)) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return observer{next: next, tell: tell} }
}

// RoundTrip passes the request on.
func (o observer) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := o.next.RoundTrip(r)
	seen := Request{Took: time.Since(start)}
	seen.Verb, seen.Resource = meaning(r)
	if err == nil {
		seen.Code = resp.StatusCode
	}
	o.tell(seen)
	return resp, err
}

// meaning reads verb and resource from a request, as the API server does
// (Kubernetes documentation, "Determine the Request Verb").
func meaning(r *http.Request) (verb, resource string) {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	// A proxy may have put a path of its own before that of the API.
	start := slices.IndexFunc(segments, func(s string) bool { return s == "api" || s == "apis" })
	skip := 2 // api/v1
	if start >= 0 && segments[start] == "apis" {
		skip = 3 // apis/group/version
	}
	named := false
	if start >= 0 && len(segments) > start+skip {
		rest := segments[start+skip:]
		if rest[0] == "namespaces" && len(rest) > 2 {
			rest = rest[2:]
		}
		resource, named = rest[0], len(rest) > 1
	}
	switch {
	case r.Method == http.MethodPost:
		return "create", resource
	case r.Method == http.MethodPut:
		return "update", resource
	case r.Method != http.MethodGet:
		return strings.ToLower(r.Method), resource
	case r.URL.Query().Get("watch") == "true":
		return "watch", resource
	case named:
		return "get", resource
	}
	return "list", resource
}
