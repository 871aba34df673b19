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
// sorted by namespace and name. One that is no proper Application is a problem
// of its own; see Problems.
func (c *Client) List(ctx context.Context) ([]argo.Application, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*c.options.Timeout)
	defer cancel()
	q := question{what: "list applications", path: []string{"api", "v1", "applications"}, query: url.Values{}, right: "get"}
	if c.options.Label != "" {
		q.query.Set("selector", c.options.Label)
	}
	if len(c.options.Namespaces) == 1 {
		q.query.Set("appNamespace", c.options.Namespaces[0])
	}
	resp, err := c.open(ctx, q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	l := list{admits: c.admits, projects: map[argo.Key]string{}}
	if err := l.read(resp.Body); err != nil {
		return nil, c.broken(q, err)
	}
	slices.SortFunc(l.apps, func(a, b argo.Application) int { return a.Key.Compare(b.Key) })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems, c.projects = l.problems, l.projects
	return l.apps, nil
}

// Problems are the Applications of the last List that are none, each a
// *argo.MalformedError.
func (c *Client) Problems() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.problems)
}

// list is what a list is read into, one Application after the other.
type list struct {
	admits   func(argo.Application) bool
	apps     []argo.Application
	projects map[argo.Key]string
	problems []error
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
		if name == "items" {
			whole = true
			err = l.items(from, m)
		} else {
			err = from.Decode(new(struct{}))
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

func (l *list) items(from *json.Decoder, m *meter) error {
	start, err := from.Token()
	if err != nil || start == nil { // null is no items
		return err
	}
	if start != json.Delim('[') {
		return fmt.Errorf("items: %v instead of a list", start)
	}
	for n := 0; from.More(); n++ {
		if n == maxListed {
			return fmt.Errorf("more than %d Applications", maxListed)
		}
		m.one = maxApplication
		app, err := argo.DecodeNext(from)
		var malformed *argo.MalformedError
		switch {
		case errors.As(err, &malformed):
			l.problems = append(l.problems, err)
		case err != nil:
			return err
		case l.admits(app):
			l.projects[app.Key] = project(app)
			l.apps = append(l.apps, trim(app))
		}
	}
	return expect(from, json.Delim(']'))
}

// project of an Application; Argo CD takes "default" where none is named.
func project(app argo.Application) string {
	if app.Project == "" {
		return "default"
	}
	return app.Project
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
