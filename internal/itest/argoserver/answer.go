package argoserver

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"argocd-image-updater/internal/itest"
)

// Code is a gRPC status code.
type Code int

// The codes that are used here.
const (
	Unknown           Code = 2
	InvalidArgument   Code = 3
	NotFound          Code = 5
	PermissionDenied  Code = 7
	ResourceExhausted Code = 8
	Aborted           Code = 10
	Unavailable       Code = 14
	Unauthenticated   Code = 16
)

// status is the HTTP status that the gateway makes of a code.
func (c Code) status() int {
	switch c {
	case InvalidArgument:
		return http.StatusBadRequest
	case NotFound:
		return http.StatusNotFound
	case PermissionDenied:
		return http.StatusForbidden
	case ResourceExhausted:
		return http.StatusTooManyRequests
	case Aborted:
		return http.StatusConflict
	case Unavailable:
		return http.StatusServiceUnavailable
	case Unauthenticated:
		return http.StatusUnauthorized
	}
	return http.StatusInternalServerError
}

// refusal is an error of the gateway.
type refusal struct {
	code    Code
	message string
}

func (r *refusal) send(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.code.status())
	_ = json.NewEncoder(w).Encode(map[string]any{"error": r.message, "code": r.code, "message": r.message})
}

// Refuse answers with an error of the gateway.
func Refuse(c Code, message string) itest.Harm {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			(&refusal{c, message}).send(w)
		})
	}
}

// LoginPage answers with a page in HTML and the given status, as a proxy does
// that wants a person to sign in.
func LoginPage(status int) itest.Harm {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `<!doctype html><title>Sign in</title><form action="/login"></form>`)
		})
	}
}

// RedirectTo sends the client elsewhere.
func RedirectTo(url string) itest.Harm {
	return func(http.Handler) http.Handler { return http.RedirectHandler(url, http.StatusTemporaryRedirect) }
}

// denied is the answer to who may not even know what exists.
func denied() *refusal { return &refusal{PermissionDenied, "permission denied"} }

// account is who asks.
func (s *Server) account(r *http.Request) (string, *refusal) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return "", &refusal{Unauthenticated, "no session information"}
	}
	account, ok := s.options.Accounts[token]
	if !ok {
		return "", &refusal{Unauthenticated, "invalid session: token signature is invalid: signature is invalid"}
	}
	return account, nil
}

// known refuses query parameters that are not among the given ones.
func known(r *http.Request, names ...string) *refusal {
	for name := range r.URL.Query() {
		if !slices.Contains(names, name) {
			return &refusal{InvalidArgument, "unknown query parameter " + name}
		}
	}
	return nil
}
