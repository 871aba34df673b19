package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"argocd-image-updater/internal/image"
)

const (
	// pageSize is the number of tags that a page is asked for. GHCR would send
	// 100 unasked; ECR and Distribution refuse to send more than 1,000.
	pageSize = 1000
	// maxPage bounds the bytes of one page: there are registries that know no
	// pages and send everything at once.
	maxPage = 64 << 20
	// maxJSONDepth is more than a list of tags has ever had.
	maxJSONDepth = 16
)

// Tags lists every tag of a repository, sorted, each once. The list is
// complete: a page that cannot be had makes it an error.
//
// The result is shared with others who ask at the same time and must not be
// changed.
func (c *Client) Tags(ctx context.Context, t Target) ([]string, error) {
	s, err := c.open(t)
	if err != nil {
		return nil, fmt.Errorf("list tags of %s: %w", t.Endpoint, err)
	}
	tags, err := share(ctx, &c.flights, "tags "+s.key, func() ([]string, error) {
		l := listing{session: s, seen: map[string]bool{}}
		return l.run(ctx)
	})
	if err != nil {
		return nil, s.explain("list tags of "+t.Endpoint.String(), err)
	}
	return tags, nil
}

// listing collects the pages of one repository.
type listing struct {
	session *session
	seen    map[string]bool // addresses of pages
	tags    []string
	last    []string // the page before
	// probing: the page was asked for though nothing was said of a next one.
	probing bool
}

func (l *listing) run(ctx context.Context) ([]string, error) {
	next, err := url.Parse(l.session.address("/tags/list"))
	if err != nil {
		return nil, err
	}
	next.RawQuery = url.Values{"n": {strconv.Itoa(pageSize)}}.Encode()
	for next != nil {
		options := l.session.client.options
		switch {
		case len(l.seen) >= options.MaxPages:
			return nil, broken("more than %d pages", options.MaxPages)
		case l.seen[next.String()]:
			return nil, broken("the pages go in a circle: one is asked for again after page %d", len(l.seen))
		}
		l.seen[next.String()] = true
		if next, err = l.page(ctx, next); err != nil {
			return nil, err
		}
		if len(l.tags) > options.MaxTags {
			return nil, broken("more than %d tags", options.MaxTags)
		}
	}
	slices.Sort(l.tags)
	return slices.Compact(l.tags), nil
}

// address is the URL of something of the repository.
func (s *session) address(rest string) string {
	return s.base.String() + "/v2/" + s.target.Endpoint.Path + rest
}

// page reads one page and gives the address of the next, or nil.
func (l *listing) page(ctx context.Context, at *url.URL) (*url.URL, error) {
	tags, link, err := l.fetch(ctx, at)
	if len(l.seen) == 1 && refusesPageSize(err) {
		at.RawQuery = ""
		tags, link, err = l.fetch(ctx, at)
	}
	if err != nil {
		return nil, l.onPage(err)
	}
	if len(tags) > 0 && slices.Equal(tags, l.last) {
		if l.probing && link == "" {
			return nil, nil // there was nothing more, and "last" is not known there
		}
		return nil, broken("page %d repeats the one before", len(l.seen))
	}
	l.tags, l.last = append(l.tags, tags...), tags
	l.probing = link == "" && len(tags) == pageSize && at.Query().Has("n")
	switch {
	case link != "":
		return l.session.follow(at, link)
	case l.probing:
		return after(at, tags[pageSize-1]), nil
	}
	return nil, nil
}

// refusesPageSize reports whether an error may be about n: then the registry's
// own number is taken.
func refusesPageSize(err error) bool {
	var f *failure
	return errors.As(err, &f) && (f.status == http.StatusBadRequest || f.status == http.StatusMethodNotAllowed)
}

// after is the page after a tag. It is asked for where a page is full and has
// no link: that is the whole list, or there are registries which do not tell
// of further pages.
func after(at *url.URL, tag string) *url.URL {
	next := *at
	next.RawQuery = url.Values{"n": {strconv.Itoa(pageSize)}, "last": {tag}}.Encode()
	return &next
}

// onPage tells on which page of several an error was met.
func (l *listing) onPage(err error) error {
	if len(l.seen) == 1 {
		return err
	}
	return fmt.Errorf("page %d: %w", len(l.seen), err)
}

func (l *listing) fetch(ctx context.Context, at *url.URL) (tags []string, link string, err error) {
	q := question{method: http.MethodGet, url: at.String(), accept: "application/json"}
	err = l.session.ask(ctx, q, func(resp *http.Response) (err error) {
		if !isJSON(resp.Header.Get("Content-Type")) {
			return broken("JSON expected, the answer is %s: is api_url the address of a registry?", l.session.quote(resp.Header.Get("Content-Type")))
		}
		tags, err = readTags(http.MaxBytesReader(nil, resp.Body, maxPage), l.session.client.options.MaxTags)
		link = nextLink(resp.Header.Values("Link"))
		return err
	})
	return tags, link, err
}

// isJSON reports whether a body of that type may be JSON. ECR says text/plain.
func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = contentType
	}
	switch kind {
	case "", "application/json", "text/plain", "application/octet-stream":
		return true
	}
	return strings.HasSuffix(kind, "+json")
}

// readTags reads {"name": …, "tags": […]} piece by piece, so that of a page no
// more than its tags is ever held. A null list is an empty one.
func readTags(body io.Reader, limit int) ([]string, error) {
	r := tagReader{json: json.NewDecoder(body), limit: limit}
	err := r.object()
	var own *failure
	if err == nil || errors.As(err, &own) {
		return r.tags, err
	}
	return nil, breakage("the list", err)
}

type tagReader struct {
	json  *json.Decoder
	limit int
	tags  []string
}

func (r *tagReader) object() error {
	if start, err := r.json.Token(); err != nil || start != json.Delim('{') {
		return orShape(err)
	}
	isList := false
	for r.json.More() {
		key, err := r.json.Token()
		if err != nil {
			return err
		}
		if key == "tags" {
			isList = true
			err = r.list()
		} else {
			err = r.skip()
		}
		if err != nil {
			return err
		}
	}
	if _, err := r.json.Token(); err != nil {
		return err
	}
	if !isList {
		return broken(`the answer has no "tags": is api_url the address of a registry?`)
	}
	if _, err := r.json.Token(); !errors.Is(err, io.EOF) {
		return broken("the list is followed by something else")
	}
	return nil
}

// orShape is err, or says that the JSON is not of the shape that was expected.
func orShape(err error) error {
	if err != nil {
		return err
	}
	return broken(`the answer is not of the form {"tags": ["…"]}`)
}

func (r *tagReader) list() error {
	switch start, err := r.json.Token(); {
	case err == nil && start == nil:
		return nil
	case err != nil || start != json.Delim('['):
		return orShape(err)
	}
	var tag string
	var mismatch *json.UnmarshalTypeError
	for r.json.More() {
		tag = "" // null would leave the last one
		switch err := r.json.Decode(&tag); {
		case errors.As(err, &mismatch):
			return orShape(nil)
		case err != nil:
			return err
		case !image.ValidTag(tag):
			return broken("the list holds %.40q, which is no tag", tag)
		case len(r.tags) >= r.limit:
			return broken("more than %d tags", r.limit)
		}
		r.tags = append(r.tags, tag)
	}
	_, err := r.json.Token()
	return err
}

// skip passes over a value that is of no interest.
func (r *tagReader) skip() error {
	for depth := 0; ; {
		token, err := r.json.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		if depth > maxJSONDepth {
			return broken("the answer is nested more than %d deep", maxJSONDepth)
		}
	}
}
