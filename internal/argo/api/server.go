package api

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// base is the URL of the server, parsed from Address and Plaintext.
func (o Options) base() (*url.URL, error) {
	text := o.Address
	if !strings.Contains(text, "://") {
		scheme := "https://"
		if o.Plaintext {
			scheme = "http://"
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("argo cd server %q: host:port or https://host:port expected", o.Address)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("argo cd server %q: neither user nor query belongs there; the token is argocd.token (ARGOCD_TOKEN)", u.Host)
	case u.Scheme == "https" && o.Plaintext:
		return nil, fmt.Errorf("argo cd server %q: https:// and argocd.plaintext exclude each other", o.Address)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

func (o Options) transport() (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure} //nolint:gosec // argocd.insecure says so
	if len(o.CA) > 0 {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(o.CA) {
			return nil, errors.New("argo cd server: its CA file holds no PEM certificate")
		}
		config.RootCAs = roots
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
	}, nil
}

// stay follows no redirect. The gateway has none to give; one comes from a
// login page, or from a server that wants TLS, and where it leads is no place
// for the token.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
