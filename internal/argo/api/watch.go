package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
)

// longestPause is the most time between two tries to reach the server.
const longestPause = 30 * time.Second

// Watch keeps the Applications in memory until ctx ends, and goes on through
// every error; see Problems. Only one Watch may run at a time.
//
// A list, once in Options.Resync, says what there is, and a stream of changes
// what happens in between. The stream alone would not do: the server drops
// events for a slow reader, and sends none again that were missed.
func (c *Client) Watch(ctx context.Context) error {
	s := newShelf()
	c.keep(s)
	defer c.keep(nil)
	reopened := make(chan struct{}, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.keepListing(ctx, s, reopened) })
	group.Go(func() error { return c.keepStreaming(ctx, s, reopened) })
	return group.Wait()
}

// Synced reports whether Watch has read all there is, or the server refuses to
// show it.
func (c *Client) Synced() bool {
	s := c.kept()
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full || errors.Is(s.listing, fault.ErrDenied)
}

func (c *Client) keep(s *shelf) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shelf = s
}

// kept is the shelf of the Watch that runs; nil if none does.
func (c *Client) kept() *shelf {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shelf
}

func (c *Client) tell(keys ...argo.Key) {
	if c.options.OnChange == nil {
		return
	}
	for _, key := range keys {
		c.options.OnChange(key)
	}
}

// keepListing lists at the start, once in a while, and when the stream had been
// interrupted.
func (c *Client) keepListing(ctx context.Context, s *shelf, reopened <-chan struct{}) error {
	failed := 0
	for {
		entries, at, err := c.list(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait, again := c.options.Resync, reopened
		if err != nil {
			failed++
			wait, again = c.pause(failed), nil
			s.trouble(&s.listing, err)
		} else {
			failed = 0
			c.tell(s.replace(entries, at)...)
		}
		if err := sleep(ctx, wait, again); err != nil {
			return err
		}
	}
}

// keepStreaming keeps a stream open.
func (c *Client) keepStreaming(ctx context.Context, s *shelf, reopened chan<- struct{}) error {
	failed, interrupted := 0, false
	for {
		var opened time.Time
		err := c.stream(ctx, s, func() {
			opened = time.Now()
			if interrupted {
				select {
				case reopened <- struct{}{}:
				default: // a list is due already
				}
			}
		})
		interrupted = true
		failed++
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case opened.IsZero():
			s.trouble(&s.streaming, fmt.Errorf("%w: changes are seen every %s only", err, c.options.Resync))
		case time.Since(opened) > longestPause:
			failed = 1
		}
		if err := sleep(ctx, c.pause(failed), nil); err != nil {
			return err
		}
	}
}

// sleep waits, or less if somebody wakes it.
func sleep(ctx context.Context, wait time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-wake:
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// pause is the time before another try.
func (c *Client) pause(failed int) time.Duration {
	longest := min(c.options.Backoff<<min(failed-1, 10), longestPause)
	return longest/2 + rand.N(longest/2+1)
}

// leftOut are fields that are large or change often and that nobody here reads.
func leftOut() string {
	var fields []string
	for _, field := range []string{
		"metadata.managedFields", "metadata.annotations.kubectl.kubernetes.io/last-applied-configuration", "operation",
		"status.resources", "status.history", "status.operationState", "status.conditions", "status.sync", "status.health", "status.reconciledAt",
	} {
		fields = append(fields, "result.application."+field)
	}
	return "-" + strings.Join(fields, ",")
}

// stream reads one stream to its end, which is always an error. opened is
// called when the server has begun to answer.
func (c *Client) stream(ctx context.Context, s *shelf, opened func()) error {
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(c.options.Timeout, cancel)
	defer silence.Stop()
	q := changes()
	err := c.follow(alive, q, func(text []byte) error {
		silence.Reset(c.options.Timeout)
		if text == nil {
			opened()
			s.trouble(&s.streaming, nil)
			return nil
		}
		if len(text) == 0 {
			return nil
		}
		return c.event(s, q, text)
	})
	if alive.Err() != nil && ctx.Err() == nil {
		return c.failure(q, fault.ErrUnavailable, "no sign of life in %s", c.options.Timeout)
	}
	return err
}

// changes asks for the stream as server-sent events, as Argo CD's own page does,
// because only those have a sign of life every 15 seconds. The version "0"
// keeps the server from sending first what the list has.
func changes() question {
	return question{
		what:   "stream applications",
		path:   []string{"api", "v1", "stream", "applications"},
		query:  url.Values{"resourceVersion": {"0"}, "fields": {leftOut()}},
		accept: "text/event-stream",
		right:  "get",
	}
}

// follow reads server-sent events, and gives line after line to take: nil at
// the start, the text of an event, or an empty text for a sign of life.
func (c *Client) follow(ctx context.Context, q question, take func(text []byte) error) error {
	resp, err := c.open(ctx, q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := take(nil); err != nil {
		return err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxApplication)
	for lines.Scan() {
		text, isEvent := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
		if !isEvent {
			text = []byte{}
		}
		if err := take(text); err != nil {
			return err
		}
	}
	return c.broken(q, cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
}

// event takes in one event of a stream.
func (c *Client) event(s *shelf, q question, text []byte) error {
	var message struct {
		Result struct {
			Type        string          `json:"type"`
			Application json.RawMessage `json:"application"`
		} `json:"result"`
		Error *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(text, &message); err != nil {
		return c.broken(q, err)
	}
	if message.Error != nil {
		return c.failure(q, fault.ErrUnavailable, "%s", c.clean(message.Error.Message))
	}
	app, err := argo.DecodeObject(message.Result.Application)
	var malformed *argo.MalformedError
	if err != nil && !errors.As(err, &malformed) {
		return c.broken(q, err)
	}
	if c.admitsKey(app.Key) && c.shelve(s, message.Result.Type, entry{app: trim(app), err: err}) {
		c.tell(app.Key)
	}
	return nil
}

// shelve takes in what a stream told of an Application, and reports whether that
// is a change.
func (c *Client) shelve(s *shelf, event string, e entry) (changed bool) {
	if event == "DELETED" || e.err == nil && !c.admits(e.app) {
		return s.drop(e)
	}
	if e.err == nil {
		c.remember(e.app)
	}
	return s.put(e)
}
