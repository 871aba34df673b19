package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"argocd-image-updater/internal/fault"
)

// maxWords is how many characters of the server's own words are told.
const maxWords = 500

// failure is why a question has no usable answer.
type failure struct {
	text   string
	fact   error // of package fault
	status int   // 0 if no answer came
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.fact }

func (c *Client) failure(q question, fact error, format string, args ...any) *failure {
	text := fmt.Sprintf("%s at %s: %s", q.what, c.base.Host, fmt.Sprintf(format, args...))
	return &failure{text: text, fact: fact}
}

// unanswered describes a question without an answer. The error of net/http
// quotes the whole URL, of which the host is enough.
func (c *Client) unanswered(ctx context.Context, q question, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s at %s: %w", q.what, c.base.Host, ctx.Err())
	case ctx.Err() != nil:
		return c.failure(q, fault.ErrUnavailable, "no answer in time")
	case errors.As(err, &certificate):
		return c.failure(q, fault.ErrUnavailable, "%v: name its authority with --argocd-ca-file, or set argocd.insecure: \"true\"", err)
	case errors.Is(err, http.ErrSchemeMismatch):
		return c.failure(q, fault.ErrUnavailable, "the server does not speak TLS: set argocd.plaintext: \"true\" if that is intended")
	}
	return c.failure(q, fault.ErrUnavailable, "%v", err)
}

// broken describes an answer that could not be read to its end, or not
// understood.
func (c *Client) broken(q question, err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s at %s: %w", q.what, c.base.Host, err)
	case errors.Is(err, context.DeadlineExceeded):
		return c.failure(q, fault.ErrUnavailable, "the answer did not come in time")
	case errors.As(err, &tooLarge):
		return c.failure(q, fault.ErrUnavailable, "the answer is larger than %d MiB", tooLarge.Limit>>20)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return c.failure(q, fault.ErrUnavailable, "the answer breaks off")
	}
	return c.failure(q, fault.ErrUnavailable, "the answer does not parse: %v", err)
}

// refusal describes an answer that is no success.
func (c *Client) refusal(q question, resp *http.Response) error {
	said := http.StatusText(resp.StatusCode)
	words, spoken := c.words(resp)
	if words != "" {
		said = words
	}
	f := c.failure(q, fault.ErrRefused, "%d %s", resp.StatusCode, said)
	f.status = resp.StatusCode
	if remedy := c.classify(f, q, resp, spoken); remedy != "" {
		f.text += ": " + remedy
	}
	return f
}

// classify sets the fact of a failure and gives what to do about it.
func (c *Client) classify(f *failure, q question, resp *http.Response, spoken bool) (remedy string) {
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		f.fact = fault.ErrDenied
		return c.unauthenticated(time.Now())
	case code == http.StatusForbidden:
		f.fact = fault.ErrDenied
		return q.forbidden()
	case code < http.StatusBadRequest, code == http.StatusNotFound && !spoken:
		f.fact = fault.ErrUnavailable
		return c.elsewhere(resp)
	case code == http.StatusNotFound:
		f.fact = fault.ErrNotFound
		return "it was deleted, or moved to another project"
	case code == http.StatusConflict:
		f.fact = fault.ErrLostRace
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= http.StatusInternalServerError:
		f.fact = fault.ErrUnavailable
	}
	return ""
}

// unauthenticated is what to do about a token that is not accepted.
func (c *Client) unauthenticated(now time.Time) string {
	claims := c.options.Token.claims()
	command := "argocd account generate-token --account " + claims.account()
	end, expired := claims.expired(now)
	switch {
	case c.options.Token == "":
		return "no token is set: make one with " + command + " and put it into argocd.token (ARGOCD_TOKEN)"
	case expired:
		return "the token expired at " + end.Format(time.RFC3339) + ": make a new one with " + command
	}
	return "the token is not accepted: make a new one with " + command
}

// forbidden is what the account lacks.
func (q question) forbidden() string {
	remedy := "grant it in argocd-rbac-cm: p, role:image-updater, applications, " + q.right + ", */*, allow"
	if q.hides() {
		remedy = "it does not exist, or the account may not see it; " + remedy
	}
	return remedy
}

// elsewhere is what to do about an answer that is not the gateway's.
func (c *Client) elsewhere(resp *http.Response) string {
	if to, err := resp.Location(); err == nil {
		if to.Scheme == "https" && c.base.Scheme == "http" && to.Hostname() == c.base.Hostname() {
			return "the server wants TLS: leave argocd.plaintext unset"
		}
		return "it redirects to " + to.Host + ", where the token is not sent: let requests to /api pass, or name the server itself"
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return fmt.Sprintf("the answer is %q and none of an Argo CD API server: is the address right, with its root path, and does no login page stand before it?", kind)
}

// words are what the server says of its refusal, in one line; spoken is set if
// the gateway said it.
func (c *Client) words(resp *http.Response) (text string, spoken bool) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return "", false
	}
	var said struct {
		Message string
		Error   any // the message again, or in a stream an object that holds it
	}
	text = strings.TrimPrefix(string(body), "data: ")
	if json.NewDecoder(strings.NewReader(text)).Decode(&said) != nil {
		return "", false
	}
	if object, ok := said.Error.(map[string]any); ok {
		said.Message, _ = object["message"].(string)
	}
	return c.clean(said.Message), said.Message != ""
}

// clean makes one line of text from outside and keeps the token out of it.
func (c *Client) clean(text string) string {
	if c.options.Token != "" {
		text = strings.ReplaceAll(text, string(c.options.Token), redacted)
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxWords {
		text = string(runes[:maxWords]) + "…"
	}
	return text
}
