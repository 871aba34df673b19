// Package server listens: for probes, and for scrapes of metrics.
//
// Ports are opened before anything is served, so that one that is taken ends
// the program at its start. Whatever a client does not send, or does not take,
// in time is broken off, and the end of the context ends every connection
// within a bounded time.
//
// There is nothing here that tells who asks: probes say little, and metrics
// are a handler that may be wrapped. There are no debugging pages.
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	defaultHeaderTimeout = 5 * time.Second
	defaultGrace         = 3 * time.Second

	readTimeout  = 10 * time.Second // for a whole request; they have no bodies
	writeTimeout = time.Minute      // for an answer; the metrics of a large fleet have some MB
	idleTimeout  = 2 * time.Minute  // between requests; Prometheus comes more often
	maxHeader    = 16 << 10         // bytes
)

// Options say what is served where.
type Options struct {
	Endpoints Endpoints
	Health    *Health
	// Metrics answers GET /metrics.
	Metrics http.Handler
	// Log is told of broken connections, at debug level; nil tells nobody.
	Log *slog.Logger
	// HeaderTimeout is how long a client may take for the TLS handshake, and for
	// the head of a request; 0 is 5 s.
	HeaderTimeout time.Duration
	// Grace is how long an answer may take after the end of the context; 0 is
	// 3 s.
	Grace time.Duration
}

// Server is a set of open ports.
type Server struct {
	options Options
	sockets []*socket
}

// socket is one open port.
type socket struct {
	name     string
	listener net.Listener
	handler  http.Handler
	tls      *tls.Config // nil is plain HTTP
	versions *http.Protocols
}

// Listen opens the ports that are not switched off. An error names the flag
// that would change it, and leaves nothing open.
func Listen(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.HeaderTimeout, o.Grace = cmp.Or(o.HeaderTimeout, defaultHeaderTimeout), cmp.Or(o.Grace, defaultGrace)
	s := &Server{options: o}
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", o.Metrics)
	for _, k := range []struct {
		name     string
		endpoint Endpoint
		handler  http.Handler
	}{
		{"health", o.Endpoints.Health, o.Health.Handler()},
		{"metrics", o.Endpoints.Metrics, metrics},
	} {
		if k.endpoint.Address == "" {
			continue
		}
		open, err := k.endpoint.listen(ctx)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		open.name, open.handler = k.name, k.handler
		s.sockets = append(s.sockets, open)
	}
	return s, nil
}

func (e Endpoint) listen(ctx context.Context) (*socket, error) {
	s := &socket{versions: new(http.Protocols)}
	s.versions.SetHTTP1(true)
	var err error
	if e.TLS != nil {
		s.versions.SetHTTP2(e.TLS.Protocols == HTTP1And2)
		if s.tls, err = e.TLS.config(); err != nil {
			return nil, err
		}
	}
	var config net.ListenConfig
	s.listener, err = config.Listen(ctx, "tcp", e.Address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%w: choose another port with %s", err, e.Flag)
	case err != nil:
		return nil, fmt.Errorf("%w: the address is that of %s", err, e.Flag)
	}
	return s, nil
}

// Addr is the address where "health" or "metrics" is served, "" if it is switched
// off.
func (s *Server) Addr(name string) string {
	for _, open := range s.sockets {
		if open.name == name {
			return open.listener.Addr().String()
		}
	}
	return ""
}

// Close closes the ports without having served.
func (s *Server) Close() {
	for _, open := range s.sockets {
		_ = open.listener.Close() // nobody was connected
	}
}

// Serve answers until the context ends, and what was asked by then within
// Grace. It returns at once if there is nothing to serve.
func (s *Server) Serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, open := range s.sockets {
		srv := s.server(open)
		g.Go(func() error {
			if err := open.serve(srv); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", open.name, err)
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Grace)
			defer cancel()
			if srv.Shutdown(last) != nil {
				_ = srv.Close() // what has not ended by now is broken off
			}
			return nil
		})
	}
	return g.Wait()
}

func (s *Server) server(open *socket) *http.Server {
	return &http.Server{
		Handler:           open.handler,
		TLSConfig:         open.tls,
		Protocols:         open.versions,
		ReadHeaderTimeout: s.options.HeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.options.Log.With("service", open.name).Handler(), slog.LevelDebug),
	}
}

func (s *socket) serve(srv *http.Server) error {
	if s.tls == nil {
		return srv.Serve(s.listener)
	}
	return srv.ServeTLS(s.listener, "", "")
}
