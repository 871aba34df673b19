package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"argocd-image-updater/internal/fault"
)

const (
	defaultTimeout = 30 * time.Second
	// maxAnswer bounds an answer, in bytes; a Secret has 1 MiB at most.
	maxAnswer = 128 << 20
	// maxWords bounds what is shown of what the API server says, in bytes.
	maxWords = 500
)

// api reads from an API server.
type api struct {
	server  *url.URL
	http    *http.Client
	timeout time.Duration
}

func newAPI(o Options) api {
	return api{server: o.Server, timeout: cmp.Or(o.Timeout, defaultTimeout), http: &http.Client{
		Transport: o.Transport,
		// The transport would log in wherever a redirect leads.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// target is what a request is about, in the words of RBAC.
type target struct {
	verb, resource, namespace string
	name                      string // "" for list
}

// String is the target as messages name it.
func (t target) String() string {
	if t.name == "" {
		return t.verb + " " + t.resource + " of namespace " + t.namespace
	}
	return strings.TrimSuffix(t.resource, "s") + " " + t.namespace + "/" + t.name
}

// grant is the remedy for a request that is not allowed.
func (t target) grant() string {
	return fmt.Sprintf("let a Role of namespace %s grant %q on %q of apiGroup \"\" to the ServiceAccount that we run as", t.namespace, t.verb, t.resource)
}

// get reads an object or a whole list. Its errors name the target, wrap the
// fact, and hold nothing of what was read.
func (a api) get(ctx context.Context, t target, query url.Values, into any) error {
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	at := a.server.JoinPath("api", "v1", "namespaces", t.namespace, t.resource, t.name)
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(limited, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("%s: %w", t, err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := a.http.Do(req)
	if err != nil {
		return t.unavailable(ctx, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return t.unavailable(ctx, err)
	case len(text) > maxAnswer:
		return t.unavailable(ctx, fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20))
	case res.StatusCode != http.StatusOK:
		return t.refusal(res, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		// The error may hold a value.
		return t.unavailable(ctx, errors.New("the answer is not that of a Kubernetes API server"))
	}
	return nil
}

func (t target) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", t, ctx.Err())
	}
	return fmt.Errorf("%s: %w: %w", t, fault.ErrUnavailable, err)
}

// refusal is what an answer means that has not what was asked for. What is
// shown of it is the message of the Status that an API server sends.
func (t target) refusal(res *http.Response, text []byte) error {
	var status struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
	}
	known := json.Unmarshal(text, &status) == nil && status.Kind == "Status"
	words := res.Status
	if known {
		words = line(status.Message)
	}
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%s: %w: %s: the token or certificate that we log in with is wrong or has expired", t, fault.ErrDenied, words)
	case res.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s: %w: %s: %s", t, fault.ErrDenied, words, t.grant())
	case res.StatusCode == http.StatusNotFound && known:
		return fmt.Errorf("%s: %w", t, fault.ErrNotFound)
	}
	return fmt.Errorf("%s: %w: %s", t, fault.ErrUnavailable, words)
}

// line is the beginning of a text, in one line.
func line(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}
