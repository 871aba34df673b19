package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"argocd-image-updater/internal/server"
)

// free listens wherever there is room on the loopback.
var free = server.Endpoint{Address: "127.0.0.1:0", Flag: "--metrics-port"}

// running is a server that serves until the test ends, or stop is called.
type running struct {
	*server.Server
	t    *testing.T
	stop func() error
}

func start(t *testing.T, o server.Options) running {
	t.Helper()
	if o.Health == nil {
		o.Health = server.NewHealth(server.HealthOptions{})
	}
	if o.Metrics == nil {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "some metrics over "+r.Proto+"\n")
		})
	}
	s, err := server.Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- s.Serve(ctx) }()
	stopped := false
	r := running{Server: s, t: t, stop: func() error {
		stopped = true
		cancel()
		return <-served
	}}
	t.Cleanup(func() {
		if stopped {
			return
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// get asks without trusting or keeping anything.
func (r running) get(url string) (status int, body string, state *tls.ConnectionState) {
	r.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.TLS
}

func TestServe(t *testing.T) {
	health := server.NewHealth(server.HealthOptions{})
	r := start(t, server.Options{Endpoints: server.Endpoints{Health: free, Metrics: free}, Health: health})
	for _, c := range []struct {
		url, body string
		status    int
	}{
		{r.Addr("health") + "/healthz", "OK\n", 200},
		{r.Addr("health") + "/readyz", "starting\n", 503},
		{r.Addr("health") + "/metrics", "404 page not found\n", 404},
		{r.Addr("metrics") + "/metrics", "some metrics over HTTP/1.1\n", 200},
		{r.Addr("metrics") + "/healthz", "404 page not found\n", 404},
		{r.Addr("metrics") + "/debug/pprof/", "404 page not found\n", 404},
	} {
		if status, body, _ := r.get("http://" + c.url); status != c.status || body != c.body {
			t.Errorf("%s: %d %q", c.url, status, body)
		}
	}
	health.End(nil)
	if status, body, _ := r.get("http://" + r.Addr("health") + "/readyz"); status != 200 || body != "OK\n" {
		t.Errorf("ready: %d %q", status, body)
	}
	address := r.Addr("health")
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	var d net.Dialer
	if conn, err := d.DialContext(t.Context(), "tcp", address); err == nil {
		_ = conn.Close()
		t.Error("the port is still open")
	}
}

func TestSwitchedOff(t *testing.T) {
	r := start(t, server.Options{})
	if r.Addr("health") != "" || r.Addr("metrics") != "" {
		t.Errorf("listens on %q and %q", r.Addr("health"), r.Addr("metrics"))
	}
}

// A port that is taken is told by the flag that chooses it, and the one that
// was opened before is closed again.
func TestPortIsTaken(t *testing.T) {
	taken := start(t, server.Options{Endpoints: server.Endpoints{Metrics: free}}).Addr("metrics")
	own := freePort(t)
	o := server.Options{
		Health: server.NewHealth(server.HealthOptions{}), Metrics: http.NotFoundHandler(),
		Endpoints: server.Endpoints{
			Health:  server.Endpoint{Address: own, Flag: "--health-port"},
			Metrics: server.Endpoint{Address: taken, Flag: "--metrics-port"},
		},
	}
	_, err := server.Listen(t.Context(), o)
	want := "metrics: listen tcp " + taken + ": bind: address already in use: choose another port with --metrics-port"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	o.Endpoints.Metrics.Address = ""
	s, err := server.Listen(t.Context(), o)
	if err != nil {
		t.Fatalf("the health port was left open: %v", err)
	}
	s.Close()
}

func freePort(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestAddressOfNobody(t *testing.T) {
	_, err := server.Listen(t.Context(), server.Options{
		Health: server.NewHealth(server.HealthOptions{}), Metrics: http.NotFoundHandler(),
		Endpoints: server.Endpoints{Metrics: server.Endpoint{Address: "192.0.2.1:8443", Flag: "--metrics-bind-address"}},
	})
	if err == nil || !strings.Contains(err.Error(), "the address is that of --metrics-bind-address") {
		t.Error(err)
	}
}

// A client that does not say what it wants is not waited for.
func TestSlowClients(t *testing.T) {
	r := start(t, server.Options{Endpoints: server.Endpoints{Health: free, Metrics: secure(server.TLS{})}, HeaderTimeout: 20 * time.Millisecond})
	for _, c := range []struct{ service, says string }{
		{"health", "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "},
		{"metrics", ""}, // not even the begin of a handshake
	} {
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", r.Addr(c.service))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, c.says); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); err != nil { // until the other side closes
			t.Errorf("%s: %v", c.service, err)
		}
		_ = conn.Close()
	}
}

// A long head is refused, not kept.
func TestLongHead(t *testing.T) {
	r := start(t, server.Options{Endpoints: server.Endpoints{Health: free}})
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", r.Addr("health"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() { // the other side may stop reading first
		_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error(resp.Status)
	}
}

// At the end an answer that has begun is let finish, if it does within Grace.
func TestEnd(t *testing.T) {
	for name, c := range map[string]struct {
		grace time.Duration
		want  string
	}{
		"in time":    {time.Minute, "first last"},
		"broken off": {time.Millisecond, "first "},
	} {
		t.Run(name, func(t *testing.T) {
			begun, finish := make(chan bool), make(chan bool)
			r := start(t, server.Options{
				Endpoints: server.Endpoints{Metrics: free}, Grace: c.grace,
				Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.WriteString(w, "first ")
					_ = http.NewResponseController(w).Flush()
					close(begun)
					select {
					case <-finish:
						_, _ = io.WriteString(w, "last")
					case <-r.Context().Done():
					}
				}),
			})
			answer := make(chan string)
			go func() {
				var text []byte
				resp, err := http.Get("http://" + r.Addr("metrics") + "/metrics")
				if err == nil {
					text, _ = io.ReadAll(resp.Body) // what came before it broke off
					_ = resp.Body.Close()
				}
				answer <- string(text)
			}()
			<-begun
			if c.grace == time.Minute {
				time.AfterFunc(10*time.Millisecond, func() { close(finish) })
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			if got := <-answer; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// When one port fails, the other does not serve on for a program that is no
// longer whole.
func TestOneFails(t *testing.T) {
	s, err := server.Listen(t.Context(), server.Options{
		Endpoints: server.Endpoints{Health: free, Metrics: free},
		Health:    server.NewHealth(server.HealthOptions{}), Metrics: http.NotFoundHandler(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := s.Serve(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "serve ") {
		t.Errorf("got %v", err)
	}
}

// secure is free, over HTTPS.
func secure(o server.TLS) server.Endpoint {
	if o.Min == 0 {
		o.Min, o.Max = tls.VersionTLS13, tls.VersionTLS13
	}
	e := free
	e.TLS = &o
	return e
}

func TestTLS(t *testing.T) {
	for name, c := range map[string]struct {
		tls     server.TLS
		version uint16
		cipher  uint16
		want    string
	}{
		"as it comes": {server.TLS{}, tls.VersionTLS13, 0, "some metrics over HTTP/1.1\n"},
		"HTTP/2":      {server.TLS{Protocols: server.HTTP1And2}, tls.VersionTLS13, 0, "some metrics over HTTP/2.0\n"},
		"an older version with one cipher": {
			server.TLS{Min: tls.VersionTLS12, Max: tls.VersionTLS12, Ciphers: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}},
			tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "some metrics over HTTP/1.1\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, server.Options{Endpoints: server.Endpoints{Metrics: secure(c.tls)}})
			_, body, state := r.get("https://" + r.Addr("metrics") + "/metrics")
			if body != c.want || state.Version != c.version || c.cipher != 0 && state.CipherSuite != c.cipher {
				t.Errorf("%q over %s with %s", body, tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
			}
			if name := state.PeerCertificates[0].Subject.CommonName; name != "argocd-image-updater" {
				t.Errorf("certificate of %q", name)
			}
		})
	}
}

// A certificate that is renewed is used without a restart; one that is broken
// leaves the old one in force.
func TestCertificateInFiles(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	r := start(t, server.Options{Endpoints: server.Endpoints{Metrics: secure(server.TLS{Certificate: dir})}})
	serial := func() int64 {
		_, _, state := r.get("https://" + r.Addr("metrics") + "/metrics")
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("certificate %d", got)
	}
	writeCertificate(t, dir, 2)
	if got := serial(); got != 2 {
		t.Errorf("certificate %d after it was renewed", got)
	}
	write(t, filepath.Join(dir, "tls.crt"), 3, []byte("broken"))
	if got := serial(); got != 2 {
		t.Errorf("certificate %d after a broken one was written", got)
	}
}

func TestNoCertificate(t *testing.T) {
	dir := t.TempDir()
	_, err := server.Listen(t.Context(), server.Options{
		Endpoints: server.Endpoints{Metrics: secure(server.TLS{Certificate: dir})},
		Health:    server.NewHealth(server.HealthOptions{}), Metrics: http.NotFoundHandler(),
	})
	want := "metrics: --metrics-cert-path " + dir + ": stat " + filepath.Join(dir, "tls.crt") + ": no such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func writeCertificate(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "tls.key"), serial, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	write(t, filepath.Join(dir, "tls.crt"), serial, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// write makes sure that the times of two writings differ.
func write(t *testing.T, path string, minute int64, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 1, 2, 3, int(minute), 0, 0, time.UTC)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}
