package kubeapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"argocd-image-updater/test/cluster/process"
)

// server is a program that serves at an address, and can be started again.
type server struct {
	program string
	args    []string
	env     []string // more variables, as NAME=value
	log     string   // file to which it says what it says
	ready   probe
	process *process.Process
}

// startOnFreePort starts the server that is made for a port. Between the
// choice of a port and its use somebody else may take it; then another is tried.
func startOnFreePort(ctx context.Context, make func(port int) *server) (*server, int, error) {
	var errs []error
	for range 3 {
		port, err := FreePort(ctx)
		if err != nil {
			return nil, 0, err
		}
		s := make(port)
		if err = s.start(ctx); err == nil {
			return s, port, nil
		}
		errs = append(errs, err, s.kill())
	}
	return nil, 0, errors.Join(errs...)
}

// FreePort is a port of the loopback interface that nobody listens at. It is
// below the ports that the system gives to connections, so that it stays free
// while a server is down.
func FreePort(ctx context.Context) (int, error) {
	var err error
	for range 100 {
		port := 20_000 + rand.IntN(10_000)
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port: %w", err)
}

// start starts the server and waits until it is ready.
func (s *server) start(ctx context.Context) error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	cmd := process.Command(s.program, s.args...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	s.process, err = process.Start(cmd)
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := s.ready.try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.process.Done():
			return fmt.Errorf("%s ended: %w; it said last:\n%s", filepath.Base(s.program), s.process.Wait(), s.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; it said last:\n%s", filepath.Base(s.program), err, s.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop lets the server end what it is doing.
func (s *server) stop() error {
	if err := s.process.Stop(patience); err != nil {
		return fmt.Errorf("%w; it said last:\n%s", err, s.lastWords())
	}
	return nil
}

// kill ends the server at once, if it was ever started.
func (s *server) kill() error {
	if s == nil || s.process == nil {
		return nil
	}
	var killed *exec.ExitError
	if err := s.process.Kill(); err != nil && !errors.As(err, &killed) {
		return err
	}
	return nil
}

func (s *server) lastWords() []byte {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], nil)
}

// probe is a request that a server answers with 200 when it is ready.
type probe struct {
	url   string
	ca    string // file; the server writes it
	token string
}

func (p probe) try(ctx context.Context) error {
	transport := &http.Transport{DisableKeepAlives: true}
	if p.ca != "" {
		pem, err := os.ReadFile(p.ca)
		if err != nil {
			return err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", p.url, res.Status)
	}
	return nil
}
