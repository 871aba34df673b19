package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"argocd-image-updater/internal/fault"
)

const (
	maxErrorBody = 64 << 10
	maxWords     = 200 // characters of a registry's own words
)

// failure is why a request has no usable answer.
type failure struct {
	text   string
	fact   error // of package fault; nil: the request itself is wrong
	status int   // 0 if no answer came
	again  bool  // the same request may succeed later
	after  time.Duration
	// challenges are set on a 401.
	challenges []challenge
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.fact }

// broken is an answer that cannot be used and would come again.
func broken(format string, args ...any) *failure {
	return &failure{text: fmt.Sprintf(format, args...), fact: fault.ErrUnavailable}
}

// breakage is an answer that could not be read to its end, or not understood.
func breakage(what string, err error) *failure {
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &tooLarge):
		return broken("%s is larger than %d bytes", what, tooLarge.Limit)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &failure{text: what + " breaks off", fact: fault.ErrUnavailable, again: true}
	case errors.As(err, &timeout):
		return &failure{text: what + " did not come in time", fact: fault.ErrUnavailable, again: true}
	}
	return broken("%s does not parse: %v", what, err)
}

// unanswered describes a request without an answer. The error of net/http
// quotes the whole URL, which after a redirect may be signed, so only its
// cause is used.
func (s *session) unanswered(ctx context.Context, err error) error {
	var own *failure
	if errors.As(err, &own) {
		return own
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("no answer in %s", s.client.options.RequestTimeout)
	case errors.As(err, &certificate), errors.As(err, &authority):
		return broken("%v: name the authority in ca_file or ca_data of its entry in registries.conf", err)
	case errors.As(err, &record), strings.Contains(err.Error(), http.ErrSchemeMismatch.Error()):
		return broken("the registry does not speak TLS: write http:// in its api_url if that is intended")
	}
	return &failure{text: err.Error(), fact: fault.ErrUnavailable, again: true}
}

// refusal describes an answer with a status that is no success, in the
// registry's own words if it has any.
func (s *session) refusal(resp *http.Response) *failure {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		body = nil
	}
	f := &failure{text: strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode), status: resp.StatusCode}
	if words := s.words(body); words != "" {
		f.text = strconv.Itoa(resp.StatusCode) + " " + words
	}
	f.text = strings.TrimSpace(f.text)
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized && s.isElsewhere(resp):
		// It does not get to say where the credential of the registry goes.
		f.fact, f.text = fault.ErrDenied, f.text+" from "+resp.Request.URL.Host+", where a redirect led"
	case code == http.StatusUnauthorized:
		f.fact, f.challenges = fault.ErrDenied, parseChallenges(resp.Header.Values("WWW-Authenticate"))
	case code == http.StatusForbidden:
		f.fact = fault.ErrDenied
	case code == http.StatusNotFound:
		f.fact = fault.ErrNotFound
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		f.fact, f.again = fault.ErrUnavailable, true
		f.after = retryAfter(resp.Header.Get("Retry-After"), s.client.options.Now())
	case code < 400:
		f.fact = fault.ErrUnavailable
	}
	return f
}

// isElsewhere reports whether a redirect led the request away from the registry.
func (s *session) isElsewhere(resp *http.Response) bool {
	return resp.Request.Response != nil && !sameServer(resp.Request.URL, s.base)
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 if it is neither.
func retryAfter(v string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(v); err == nil {
		return time.Duration(min(max(seconds, 0), 1<<30)) * time.Second
	}
	if date, err := http.ParseTime(v); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}

// words finds what the server has to say in an error's body: the first error
// of the OCI distribution specification's list, or what token servers write.
func (s *session) words(body []byte) string {
	var answer struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Details     string `json:"details"`
		Message     string `json:"message"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	var parts []string
	if len(answer.Errors) > 0 {
		parts = []string{answer.Errors[0].Code, answer.Errors[0].Message}
	} else {
		parts = []string{answer.Error, answer.Description, answer.Details, answer.Message}
	}
	var said []string
	for _, part := range parts {
		if part = s.quote(part); part != "" {
			said = append(said, part)
		}
	}
	return strings.Join(said, ": ")
}

// quote makes text from outside fit for a message: one line, short, printable,
// and without our secrets, should a server repeat them.
func (s *session) quote(text string) string {
	for _, secret := range s.secrets() {
		text = strings.ReplaceAll(text, secret, "(redacted)")
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > maxWords {
		return string(runes[:maxWords]) + "…"
	}
	return string(runes)
}

func (s *session) secrets() []string {
	login := s.target.Credential
	candidates := []string{login.Password, login.IdentityToken, strings.TrimPrefix(s.authorization(), "Bearer ")}
	if login.Password != "" {
		candidates = append(candidates, base64.StdEncoding.EncodeToString([]byte(login.Username+":"+login.Password)))
	}
	var secrets []string
	for _, secret := range candidates {
		if secret != "" {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}
