package registry

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

const maxHeader = 256 << 10 // bytes of the head of an answer

// trust is what decides whether a connection can be shared, besides its host.
type trust struct {
	insecure       bool
	caFile, caData string
	ofHost         string // what the credential brings
}

// pool is a transport with the certificates it was made with: a CA file may
// be written anew while the process runs.
type pool struct {
	transport *http.Transport
	authority [sha256.Size]byte
}

// transport gives the connections for registries with the same TLS options.
func (c *Client) transport(t Target) (*http.Transport, error) {
	r := t.Endpoint.Registry
	key := trust{insecure: r.Insecure, caFile: r.CAFile, caData: r.CAData, ofHost: t.Credential.CA}
	authority := []byte(r.CAData)
	if r.CAFile != "" {
		file, err := os.ReadFile(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		authority = append(append(authority, '\n'), file...)
	}
	sum := sha256.Sum256(authority)

	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.transports[key]
	if p != nil && p.authority == sum {
		return p.transport, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: r.Insecure} //nolint:gosec // the entry says insecure: true
	if len(authority) > 0 || t.Credential.CA != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if len(authority) > 0 && !roots.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("ca_file %q and ca_data hold no PEM certificate", r.CAFile)
		}
		roots.AppendCertsFromPEM([]byte(t.Credential.CA))
		config.RootCAs = roots
	}
	if p != nil {
		p.transport.CloseIdleConnections()
	}
	c.transports[key] = &pool{transport: c.newTransport(config), authority: sum}
	return c.transports[key].transport, nil
}

func (c *Client) newTransport(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            c.options.Dial,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    c.options.ConnectTimeout,
		ResponseHeaderTimeout:  c.options.HeaderTimeout,
		MaxResponseHeaderBytes: maxHeader,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
	}
}

// maxRedirects is more than the one hop to a blob store that is seen in the
// field.
const maxRedirects = 5

// checkRedirect follows a redirect without the credential unless it stays with
// the registry, and never to less security.
func (s *session) checkRedirect(to *http.Request, via []*http.Request) error {
	if err := checkRedirect(to, via); err != nil {
		return err
	}
	if !sameServer(to.URL, s.base) {
		to.Header.Del("Authorization")
	}
	return nil
}

func checkRedirect(to *http.Request, via []*http.Request) error {
	last := via[len(via)-1].URL
	switch {
	case len(via) > maxRedirects:
		return broken("more than %d redirects", maxRedirects)
	case to.URL.Scheme != "https" && last.Scheme == "https":
		return broken("redirect from https to %s://%s refused", to.URL.Scheme, to.URL.Host)
	}
	return nil
}

// checkTokenRedirect keeps a credential with the token server: there, unlike
// for blobs, nothing is to be had elsewhere.
func checkTokenRedirect(to *http.Request, via []*http.Request) error {
	if first := via[0].URL; !sameServer(to.URL, first) {
		return broken("redirect from %s to %s refused", first.Host, to.URL.Host)
	}
	return checkRedirect(to, via)
}

// sameServer compares scheme, host and port.
func sameServer(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
