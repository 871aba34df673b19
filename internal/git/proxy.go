package git

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"

	"argocd-image-updater/internal/credential"
)

// proxied finds the proxy that a credential names for a URL; nil is none, for
// URLs that it is not for.
func proxied(login credential.Git) func(*url.URL) (*url.URL, error) {
	return (&httpproxy.Config{HTTPProxy: login.Proxy, HTTPSProxy: login.Proxy, NoProxy: login.NoProxy}).ProxyFunc()
}

// dial connects to an SSH server, through a SOCKS5 proxy if the credential
// names one. What the environment says of proxies is for HTTP.
func dial(ctx context.Context, address string, login credential.Git) (net.Conn, error) {
	direct := &net.Dialer{}
	by, err := proxied(login)(&url.URL{Scheme: "https", Host: address})
	if err != nil {
		return nil, fmt.Errorf("%w: the proxy of %s does not parse", errInvalid, login.From)
	}
	if by == nil {
		return direct.DialContext(ctx, "tcp", address)
	}
	through, err := proxy.FromURL(by, direct)
	socks, ok := through.(proxy.ContextDialer)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: the proxy of %s: socks5://host:port expected", errInvalid, login.From)
	}
	return socks.DialContext(ctx, "tcp", address)
}
