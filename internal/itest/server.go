package itest

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
)

// server is an HTTP or HTTPS server on the loopback interface.
type server struct {
	*Front
	http *httptest.Server
	ca   []byte
}

// ServerOptions are how a Server is started.
type ServerOptions struct {
	Handler http.Handler
	// Kind tells the kinds of requests apart that the Front counts and harms.
	Kind func(*http.Request) string
	TLS  bool
}

// Server is a handler of the caller's own behind a Front.
type Server struct{ *server }

// StartServer starts a server for a handler.
func StartServer(o ServerOptions) (*Server, error) {
	s, err := serve(newFront(o.Handler, o.Kind), o.TLS)
	if err != nil {
		return nil, err
	}
	return &Server{s}, nil
}

// URL is the base address, without a slash at its end.
func (s *Server) URL() string { return s.http.URL }

// serve starts a server behind its front.
func serve(front *Front, secure bool) (*server, error) { //nolint:revive // the options ask for TLS or not
	s := &server{Front: front, http: httptest.NewUnstartedServer(front)}
	// A client that hangs up in the middle is what many tests are about.
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	if !secure {
		s.http.Start()
		return s, nil
	}
	ca, leaf, err := authority()
	if err != nil {
		s.http.Close()
		return nil, fmt.Errorf("certificate of a test server: %w", err)
	}
	s.ca = ca
	s.http.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}}
	s.http.StartTLS()
	return s, nil
}

// Close drops all connections and ends the server.
func (s *server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Host is address and port: "127.0.0.1:40123".
func (s *server) Host() string { return s.http.Listener.Addr().String() }

// CA is the certificate of the authority to trust, in PEM; nil without TLS.
// Each server has an authority of its own.
func (s *server) CA() []byte { return s.ca }

// Transport trusts the server's certificate.
func (s *server) Transport() http.RoundTripper { return s.http.Client().Transport }

// basicAuth lets pass who knows the password; without a user everybody passes.
func basicAuth(next http.Handler, user, password string) http.Handler {
	if user == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u == user && p == password {
			next.ServeHTTP(w, r)
			return
		}
		Status(http.StatusUnauthorized, "WWW-Authenticate", `Basic realm="itest"`)(nil).ServeHTTP(w, r)
	})
}

// lastElements reports whether a path ends in the given elements.
func lastElements(path string, elements ...string) bool {
	return strings.HasSuffix(path, "/"+strings.Join(elements, "/"))
}
