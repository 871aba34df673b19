package git

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/file"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

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
		[]byte(at.URL), []byte(at.Auth.Username), []byte(at.Auth.Password), at.Auth.SSHKey, []byte(at.Auth.Passphrase),
		at.Auth.KnownHosts, at.Auth.CA, fmt.Append(nil, at.Auth.Insecure),
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
	wire.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: at.Auth.Insecure} //nolint:gosec // only where the Secret itself says so
	wire.ResponseHeaderTimeout = c.options.Timeout
	if len(at.Auth.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return endpoint{}, err
		}
		if !pool.AppendCertsFromPEM(at.Auth.CA) {
			return endpoint{}, fmt.Errorf("%w: the CA of %s holds no PEM certificate", errInvalid, at.Auth.From)
		}
		wire.TLSClientConfig.RootCAs = pool
	}
	e := endpoint{endpoint: ep, transport: githttp.NewClient(&http.Client{Transport: lean{wire, c.options.MaxPack}}), stateless: true}
	user, password := at.Auth.Username, at.Auth.Password
	if password == "" {
		user, password = ep.User, ep.Password
	}
	ep.User, ep.Password = "", ""
	switch {
	case password == "" && user == "":
		return e, nil
	case user == "":
		user = "x-access-token" // what forges take beside a token; any name will do
	}
	e.auth = &githttp.BasicAuth{Username: strings.TrimSpace(user), Password: password}
	return e, nil
}

// lean bounds what is read of an answer: of an error no more than is shown of
// it, of others no more than of a pack.
type lean struct {
	next *http.Transport
	max  int64
}

// RoundTrip implements http.RoundTripper.
func (l lean) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(req)
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
