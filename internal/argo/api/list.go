package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"

	"argocd-image-updater/internal/argo"
)

// List gives the Applications that the options ask for and the account may get,
// sorted by namespace and name: from memory if Watch has read them all, else
// from the server. Their maps and lists are shared and must not be changed. One
// that is no proper Application is left out; see Problems.
func (c *Client) List(ctx context.Context) ([]argo.Application, error) {
	entries, ok := []entry(nil), false
	if s := c.kept(); s != nil {
		entries, ok = s.all()
	}
	if !ok {
		var err error
		if entries, _, err = c.list(ctx); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.app.Key.Compare(b.app.Key) })
	apps := make([]argo.Application, 0, len(entries))
	var problems []error
	for _, e := range entries {
		if e.err != nil {
			problems = append(problems, e.err)
			continue
		}
		apps = append(apps, e.app)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = problems
	return apps, nil
}

// Problems are the Applications that were left out of the last List, each a
// *argo.MalformedError; and, while Watch runs, why what is in memory may be old.
func (c *Client) Problems() []error {
	var problems []error
	if s := c.kept(); s != nil {
		problems = s.troubles()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(problems, c.problems...)
}

// Notices are what should be known of what the server shows and is no error:
// that it shows nothing, to an account that may not see everything.
func (c *Client) Notices() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.notice == "" {
		return nil
	}
	return []string{c.notice}
}

// list asks the server for all Applications, and gives the version of the list.
func (c *Client) list(ctx context.Context) ([]entry, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*c.options.Timeout)
	defer cancel()
	q := question{what: "list applications", path: []string{"api", "v1", "applications"}, query: url.Values{}, right: "get"}
	if c.options.Labels != "" {
		q.query.Set("selector", c.options.Labels)
	}
	if len(c.options.Namespaces) == 1 {
		q.query.Set("appNamespace", c.options.Namespaces[0])
	}
	resp, err := c.open(ctx, q)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	l := list{admits: c.admits, admitsKey: c.admitsKey}
	if err := l.read(resp.Body); err != nil {
		return nil, 0, c.broken(q, err)
	}
	notice := ""
	if l.items == 0 && c.options.Labels == "" && len(c.options.Namespaces) == 0 && !c.mayAll(ctx) {
		notice = fmt.Sprintf("argo cd at %s shows no Application, and the account may not get every one: %s", c.base.Host, q.forbidden())
	}
	projects := make(map[argo.Key]string, len(l.entries))
	for _, e := range l.entries {
		if e.err == nil {
			projects[e.app.Key] = e.app.ProjectName()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.projects, c.notice = projects, notice
	return l.entries, version(l.meta.ResourceVersion), nil
}

// list is what a list is read into, one Application after the other.
type list struct {
	admits    func(argo.Application) bool
	admitsKey func(argo.Key) bool
	entries   []entry
	items     int // in the answer, ours or not
	meta      struct {
		ResourceVersion string `json:"resourceVersion"`
	}
}

func (l *list) read(body io.Reader) error {
	m := &meter{from: body, all: maxList, one: maxApplication}
	from := json.NewDecoder(m)
	if err := expect(from, json.Delim('{')); err != nil {
		return err
	}
	whole := false
	for from.More() {
		name, err := from.Token()
		if err != nil {
			return err
		}
		switch name {
		case "items":
			whole = true
			err = l.readItems(from, m)
		case "metadata":
			err = from.Decode(&l.meta)
		default:
			err = from.Decode(new(any))
		}
		if err != nil {
			return err
		}
	}
	if err := expect(from, json.Delim('}')); err != nil {
		return err
	}
	if _, err := from.Token(); !errors.Is(err, io.EOF) || !whole {
		return errors.New("it is not one list of Applications")
	}
	return nil
}

func (l *list) readItems(from *json.Decoder, m *meter) error {
	start, err := from.Token()
	if err != nil || start == nil { // null is no items
		return err
	}
	if start != json.Delim('[') {
		return fmt.Errorf("items: %v instead of a list", start)
	}
	for from.More() {
		if l.items++; l.items > maxListed {
			return fmt.Errorf("more than %d Applications", maxListed)
		}
		m.one = maxApplication
		app, err := argo.DecodeNext(from)
		var malformed *argo.MalformedError
		switch {
		case errors.As(err, &malformed) && l.admitsKey(app.Key), err == nil && l.admits(app):
			l.entries = append(l.entries, entry{app: trim(app), err: err})
		case err != nil && malformed == nil:
			return err
		}
	}
	return expect(from, json.Delim(']'))
}

// expect reads one token that has to be there.
func expect(from *json.Decoder, want json.Delim) error {
	got, err := from.Token()
	if err == nil && got != want {
		err = fmt.Errorf("%v instead of %v", got, want)
	}
	return err
}

// meter bounds what is read in all, and between two settings of one.
type meter struct {
	from     io.Reader
	all, one int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	m.all -= int64(n)
	m.one -= int64(n)
	switch {
	case m.all < 0:
		return 0, fmt.Errorf("all Applications together are larger than %d MiB", maxList>>20)
	case m.one < 0:
		return 0, fmt.Errorf("an Application is larger than %d MiB", maxApplication>>20)
	}
	return n, err
}
