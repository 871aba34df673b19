package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// patience is how long an answer may take, watches excepted: the API server
	// gives up on a request after as long.
	patience = time.Minute
	// tries bounds how often a request is made whose answer asks for a later one,
	// and longestWait how late that may be.
	tries       = 3
	longestWait = 10 * time.Second
	// maxObject bounds an object, in bytes; etcd takes 1.5 MiB as a rule.
	maxObject = 16 << 20
)

// api makes requests of an API server.
type api struct {
	base *url.URL
	http *http.Client
	// patience is the constant, but in tests.
	patience time.Duration
}

func newAPI(c *Connection) (*api, error) {
	base, transport, err := c.Transport()
	if err != nil {
		return nil, err
	}
	return &api{base: base, patience: patience, http: &http.Client{
		Transport: transport,
		// The transport would log in wherever a redirect leads.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// target is what a request is about.
type target struct {
	verb      string // as RBAC names it
	resource  schema.GroupVersionResource
	namespace string // "" is all of them
	name      string // "" for list, watch and create
	sub       string // "status" or ""
}

// path of the target below the server's URL.
func (t target) path() string {
	path := "api"
	segments := []string{t.resource.Version}
	if t.resource.Group != "" {
		path, segments = "apis", []string{t.resource.Group, t.resource.Version}
	}
	if t.namespace != "" {
		segments = append(segments, "namespaces", t.namespace)
	}
	segments = append(segments, t.resource.Resource)
	for _, s := range []string{t.name, t.sub} {
		if s != "" {
			segments = append(segments, s)
		}
	}
	for _, s := range segments {
		path += "/" + url.PathEscape(s)
	}
	return path
}

// String is the target as messages name it.
func (t target) String() string {
	resource := t.resource.GroupResource().String()
	if t.sub != "" {
		resource += "/" + t.sub
	}
	switch {
	case t.name != "":
		return fmt.Sprintf("%s %s %s/%s", t.verb, resource, t.namespace, t.name)
	case t.namespace != "":
		return fmt.Sprintf("%s %s in namespace %s", t.verb, resource, t.namespace)
	}
	return fmt.Sprintf("%s %s in all namespaces", t.verb, resource)
}

// payload is the body of a request.
type payload struct {
	contentType string
	content     any // written as JSON
}

// call makes a request and gives the body of its answer. Errors are as explain
// makes them.
func (a *api) call(ctx context.Context, t target, p *payload) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, a.patience)
	defer cancel()
	body, err := a.open(limited, t, nil, p)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxObject+1))
	if err == nil && len(text) > maxObject {
		err = fmt.Errorf("the answer is larger than %d MiB", maxObject>>20)
	}
	if err != nil {
		return nil, t.explain(err)
	}
	return text, nil
}

// open makes a request and gives the body of an answer that is none of an
// error, to be closed by the caller. If the server asks to come again later
// that is done, within bounds.
func (a *api) open(ctx context.Context, t target, query url.Values, p *payload) (io.ReadCloser, error) {
	for try := 1; ; try++ {
		body, err := a.send(ctx, t, query, p)
		if err == nil {
			return body, nil
		}
		seconds, later := apierrors.SuggestsClientDelay(err)
		wait := time.Duration(seconds) * time.Second
		if !later || try == tries || wait > longestWait || sleep(ctx, wait) != nil {
			return nil, t.explain(err)
		}
	}
}

func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (a *api) send(ctx context.Context, t target, query url.Values, p *payload) (io.ReadCloser, error) {
	at := a.base.JoinPath(t.path())
	at.RawQuery = query.Encode()
	r, err := p.request(ctx, method(t.verb), at.String())
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	resp, err := a.http.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	return nil, t.refusal(resp)
}

func (p *payload) request(ctx context.Context, method, at string) (*http.Request, error) {
	if p == nil {
		return http.NewRequestWithContext(ctx, method, at, http.NoBody)
	}
	text, err := json.Marshal(p.content)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(text))
	if err == nil {
		r.Header.Set("Content-Type", p.contentType)
	}
	return r, err
}

// method is how HTTP says what RBAC calls a verb.
func method(verb string) string {
	switch verb {
	case "patch":
		return http.MethodPatch
	case "create":
		return http.MethodPost
	case "update":
		return http.MethodPut
	}
	return http.MethodGet
}
