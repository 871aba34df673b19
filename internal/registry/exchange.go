package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"argocd-image-updater/internal/fault"
)

// firstPause is the pause before the second try; each further one is twice as
// long.
const firstPause = 500 * time.Millisecond

// question is a request to the registry.
type question struct {
	method string
	url    string
	accept string // "" is anything
}

// ask sends a question until read has understood the answer, an error says
// that trying again will not help, or the tries are used up. read sees answers
// of success only, each from its beginning.
func (s *session) ask(ctx context.Context, q question, read func(*http.Response) error) error {
	return s.client.persist(ctx, func() error {
		authorization := s.authorization()
		err := s.send(ctx, q, authorization, read)
		var f *failure
		if !errors.As(err, &f) || len(f.challenges) == 0 {
			return err
		}
		renewed, loginErr := s.login(ctx, f.challenges, authorization)
		if loginErr != nil {
			return loginErr
		}
		if renewed == "" {
			return err
		}
		return s.send(ctx, q, renewed, read)
	})
}

// persist tries again after a pause while that may help.
func (c *Client) persist(ctx context.Context, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var f *failure
		if !errors.As(err, &f) || !f.again {
			return err
		}
		pause := firstPause << (n - 1)
		pause = pause/2 + rand.N(pause/2)
		switch {
		case f.after > c.options.MaxWait:
			return settled("%w, and asks to be left alone for %s", err, f.after.Round(time.Second))
		case n >= c.options.Tries && n > 1:
			return settled("%w, %d times", err, n)
		case n >= c.options.Tries:
			return settled("%w", err)
		}
		if err := c.options.Sleep(ctx, min(max(f.after, pause), c.options.MaxWait)); err != nil {
			return err
		}
	}
}

// settled is a failure that was tried often enough, also where it is met
// inside another question, as a token's is.
func settled(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &failure{text: err.Error(), fact: fault.ErrUnavailable}
}

// send sends a question once.
func (s *session) send(ctx context.Context, q question, authorization string, read func(*http.Response) error) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.client.options.RequestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, nil)
	if err != nil {
		return err
	}
	if q.accept != "" {
		req.Header.Set("Accept", q.accept)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	return s.perform(s.http, req, read)
}

// perform sends a request and gives a good answer to read.
func (s *session) perform(client *http.Client, req *http.Request, read func(*http.Response) error) error {
	req.Header.Set("User-Agent", "argocd-image-updater")
	options := s.client.options
	start := options.Now()
	resp, err := client.Do(req) //nolint:bodyclose // discard closes it
	seen := Observation{Registry: s.target.Endpoint.Registry.Prefix, Host: req.URL.Host, Elapsed: options.Now().Sub(start)}
	if err != nil {
		options.Observe(seen)
		return s.unanswered(req.Context(), err)
	}
	defer discard(resp.Body)
	seen.Status = resp.StatusCode
	options.Observe(seen)
	if resp.StatusCode != http.StatusOK {
		return s.refusal(resp)
	}
	return read(resp)
}

// discard reads what is left of a short body, so that its connection can be
// used again.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxErrorBody)
	_ = body.Close()
}
