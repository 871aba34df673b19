package git

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/file"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/plan"
)

// endpoint is a remote with the way to reach it.
type endpoint struct {
	endpoint  *transport.Endpoint
	transport transport.Transport  // nil: SSH
	auth      transport.AuthMethod // of HTTP; nil: none
	key       keyAuth              // of SSH
	// stateless: each request stands alone, so that one look can be followed by
	// several fetches.
	stateless bool
}

// uploader is a git-upload-pack that answers us.
type uploader interface {
	AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error)
	UploadPack(context.Context, *packp.UploadPackRequest) (*packp.UploadPackResponse, error)
	io.Closer
}

// receiver is a git-receive-pack that answers us.
type receiver interface {
	AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error)
	ReceivePack(context.Context, *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error)
	io.Closer
}

// upload starts a fetch.
func (e endpoint) upload(ctx context.Context) (uploader, error) {
	at := *e.endpoint // a session changes its own when it is redirected
	if e.transport == nil {
		return openShell(ctx, &at, e.key, transport.UploadPackServiceName)
	}
	return e.transport.NewUploadPackSession(&at, e.auth)
}

// receive starts a push.
func (e endpoint) receive(ctx context.Context) (receiver, error) {
	at := *e.endpoint
	if e.transport == nil {
		return openShell(ctx, &at, e.key, transport.ReceivePackServiceName)
	}
	return e.transport.NewReceivePackSession(&at, e.auth)
}

// identity tells remotes apart for which something is kept: what one credential
// has read is not shown to another.
func identity(at plan.Remote) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, part := range [][]byte{
		[]byte(at.URL), []byte(at.Auth.Username), []byte(at.Auth.Password), []byte(at.Auth.Bearer),
		at.Auth.ClientCert, at.Auth.ClientKey, at.Auth.SSHKey, []byte(at.Auth.Passphrase),
		at.Auth.KnownHosts, at.Auth.CA, fmt.Append(nil, at.Auth.Insecure), []byte(at.Auth.Proxy), []byte(at.Auth.NoProxy),
	} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	h.Sum(sum[:0])
	return sum
}

// dialled finds the way to a remote; nothing is connected yet.
func (c *Client) dialled(at plan.Remote) (endpoint, error) {
	ep, err := transport.NewEndpoint(at.URL)
	if err != nil {
		return endpoint{}, fmt.Errorf("%w: the URL does not parse", errInvalid)
	}
	switch ep.Protocol {
	case "http", "https":
		return c.web(ep, at)
	case "ssh":
		key, err := c.sshAuth(ep, at.Auth)
		return endpoint{endpoint: ep, key: key}, err
	case "file":
		return endpoint{endpoint: ep, transport: file.NewClient(transport.UploadPackServiceName, transport.ReceivePackServiceName)}, nil
	}
	return endpoint{}, fmt.Errorf("%w: protocol %q: https, ssh, file or a local path expected", errInvalid, ep.Protocol)
}

func (c *Client) web(ep *transport.Endpoint, at plan.Remote) (endpoint, error) {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return endpoint{}, errors.New("the standard transport was replaced")
	}
	wire := standard.Clone()
	wire.ResponseHeaderTimeout = c.options.Timeout
	if at.Auth.Proxy != "" {
		find := proxied(at.Auth)
		wire.Proxy = func(r *http.Request) (*url.URL, error) { return find(r.URL) }
	}
	var err error
	if wire.TLSClientConfig, err = trusting(at.Auth); err != nil {
		return endpoint{}, err
	}
	client := githttp.NewClient(&http.Client{Transport: lean{wire, c.options.MaxPack, at.Auth.TrustFrom}})
	e := endpoint{endpoint: ep, transport: client, stateless: true}
	user, password := at.Auth.Username, at.Auth.Password
	if password == "" {
		user, password = ep.User, ep.Password
	}
	ep.User, ep.Password = "", ""
	switch {
	case at.Auth.Bearer != "":
		e.auth = &githttp.TokenAuth{Token: at.Auth.Bearer}
		return e, nil
	case password == "" && user == "":
		return e, nil
	case user == "":
		user = "x-access-token" // what forges take beside a token; any name will do
	}
	e.auth = &githttp.BasicAuth{Username: strings.TrimSpace(user), Password: password}
	return e, nil
}

// trusting says which servers are trusted, and what they are shown.
func trusting(login credential.Git) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: login.Insecure} //nolint:gosec // only where the Secret itself says so
	if len(login.ClientCert) > 0 {
		shown, err := tls.X509KeyPair(login.ClientCert, login.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("%w: the client certificate of %s and its key do not parse, or do not belong together: PEM expected", errInvalid, login.From)
		}
		config.Certificates = []tls.Certificate{shown}
	}
	if len(login.CA) == 0 {
		return config, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(login.CA) {
		return nil, fmt.Errorf("%w: %s holds no PEM certificate", errInvalid, cmp.Or(login.TrustFrom, "the CA of "+login.From))
	}
	config.RootCAs = pool
	return config, nil
}

// lean bounds what is read of an answer: of an error no more than is shown of
// it, of others no more than of a pack.
type lean struct {
	next  *http.Transport
	max   int64
	trust string // where certificates are trusted; "" is the system alone
}

// RoundTrip implements http.RoundTripper.
func (l lean) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(req)
	if stranger := (x509.UnknownAuthorityError{}); errors.As(err, &stranger) {
		return nil, fmt.Errorf("%w: put its authority into %s", err, cmp.Or(l.trust, "a folder that SSL_CERT_DIR names"))
	}
	if err != nil {
		return nil, err
	}
	body := struct {
		io.Reader
		io.Closer
	}{&bounded{r: res.Body, left: l.max}, res.Body}
	if res.StatusCode != http.StatusOK {
		body.Reader = io.LimitReader(res.Body, maxWords)
	}
	res.Body = body
	return res, nil
}
