package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/settings"
)

const (
	maxHeader      = 256 << 10 // bytes of the head of an answer
	maxErrorBody   = 64 << 10  // bytes of an error
	maxApplication = 8 << 20   // bytes of one Application; etcd takes 1.5 MiB unless told otherwise
	maxList        = 1 << 30   // bytes of all Applications together
	maxListed      = 200_000   // Applications
)

// question is one request.
type question struct {
	what   string // for errors: "get application team/web"
	method string // "" is GET
	path   []string
	query  url.Values
	body   any
	accept string   // "" is application/json
	right  string   // what the account needs: "get" or "update"
	app    argo.Key // zero for what concerns them all
	// project of app; "" if it is not known.
	project string
}

// about is a question about one Application: what is done with it, and the
// elements of the path behind its name.
func (c *Client) about(key argo.Key, what string, below ...string) question {
	q := question{
		what:  what + " application " + key.String(),
		path:  append([]string{"api", "v1", "applications", url.PathEscape(key.Name)}, below...),
		query: url.Values{},
		right: "get",
		app:   key,

		project: c.project(key),
	}
	if key.Namespace != "" {
		q.query.Set("appNamespace", key.Namespace)
	}
	if q.project != "" {
		q.query.Set("project", q.project)
	}
	return q
}

// open sends a question and gives the answer if it is a good one. Its body has
// to be closed.
func (c *Client) open(ctx context.Context, q question) (*http.Response, error) {
	q.accept = cmp.Or(q.accept, "application/json")
	req, err := c.request(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.what, err)
	}
	resp, err := c.send(req)
	if err != nil {
		return nil, c.unanswered(ctx, q, err)
	}
	if resp.StatusCode != http.StatusOK || !speaks(resp, q.accept) {
		defer resp.Body.Close()
		return nil, c.refusal(q, resp)
	}
	return resp, nil
}

func (c *Client) request(ctx context.Context, q question) (*http.Request, error) {
	var body io.Reader
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	u := c.base.JoinPath(q.path...)
	u.RawQuery = q.query.Encode()
	req, err := http.NewRequestWithContext(ctx, q.method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "argocd-image-updater")
	req.Header.Set("Accept", q.accept)
	if q.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.options.Token != "" {
		req.Header.Set("Authorization", "Bearer "+string(c.options.Token))
	}
	return req, nil
}

// speaks reports whether the answer is of the type that was asked for.
func speaks(resp *http.Response, accept string) bool {
	is, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && is == accept
}

// application asks for one Application.
func (c *Client) application(ctx context.Context, q question) (argo.Application, error) {
	text, err := c.read(ctx, q)
	if err != nil {
		return argo.Application{}, err
	}
	app, err := argo.DecodeObject(text)
	var malformed *argo.MalformedError
	switch {
	case errors.As(err, &malformed):
		return argo.Application{}, err
	case err != nil:
		return argo.Application{}, c.broken(q, err)
	}
	return trim(app), nil
}

// read asks for something of the size of an Application. That one does not exist
// is told where it can be known.
func (c *Client) read(ctx context.Context, q question) ([]byte, error) {
	text, err := c.readOnce(ctx, q)
	var f *failure
	if errors.As(err, &f) && f.status == http.StatusForbidden && q.hides() && c.mayAll(ctx) {
		f.fact, f.text = fault.ErrNotFound, q.what+" at "+c.base.Host+": 403: it does not exist, since the account may get every Application"
	}
	return text, err
}

// hides reports whether a 403 to the question may mean that the Application does
// not exist.
func (q question) hides() bool { return q.app.Name != "" && q.project == "" && q.right == "get" }

// mayAll reports whether the account may get every Application. Only then does
// it mean that there is none if none is shown.
func (c *Client) mayAll(ctx context.Context) bool {
	text, err := c.readOnce(ctx, question{
		what: "read the rights of the account",
		path: []string{"api", "v1", "account", "can-i", "applications", "get", "*", "*"},
	})
	var answer struct {
		Value string `json:"value"`
	}
	return err == nil && json.Unmarshal(text, &answer) == nil && answer.Value == "yes"
}

func (c *Client) readOnce(ctx context.Context, q question) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	resp, err := c.open(ctx, q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxApplication))
	if err != nil {
		return nil, c.broken(q, err)
	}
	return text, nil
}

// trim leaves out the annotations of others: they can be long, such as the copy
// of the whole Application that kubectl apply makes, and change often.
func trim(app argo.Application) argo.Application {
	maps.DeleteFunc(app.Annotations, func(key, _ string) bool { return !strings.HasPrefix(key, settings.Prefix) })
	return app
}
