package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"

	"argocd-image-updater/internal/fault"
)

// shell is a program of git that runs at the other end of an SSH connection.
// The library has such a thing, too, but that one waits for a silent server for
// ever, reads the user's ssh_config for where to connect, and has no error
// value for a refused login.
type shell struct {
	client  *ssh.Client
	session *ssh.Session
	in      io.WriteCloser
	out     io.Reader
	words   *words // on its standard error
	unbind  func() bool
	refs    *packp.AdvRefs
	asked   bool
}

// openShell connects, logs in and starts the program. When ctx ends, so does
// the connection.
func openShell(ctx context.Context, at *transport.Endpoint, login keyAuth, program string) (*shell, error) {
	address := sshAddress(at)
	wire, err := dial(ctx, address, login.credential)
	if err != nil {
		return nil, err
	}
	s := &shell{words: &words{}, unbind: context.AfterFunc(ctx, func() { _ = wire.Close() })}
	conn, channels, requests, err := ssh.NewClientConn(wire, address, login.config())
	if err != nil {
		s.unbind()
		_ = wire.Close() // closed already, mostly
		return nil, login.explain(err)
	}
	s.client = ssh.NewClient(conn, channels, requests)
	if err := s.start(program + " " + quoted(at.Path)); err != nil {
		_ = s.Close() // the first error says more
		return nil, err
	}
	return s, nil
}

func (s *shell) start(command string) error {
	session, err := s.client.NewSession()
	if err != nil {
		return err
	}
	s.session = session
	session.Stderr = s.words
	if s.in, err = session.StdinPipe(); err != nil {
		return err
	}
	if s.out, err = session.StdoutPipe(); err != nil {
		return err
	}
	return session.Start(command)
}

func sshAddress(at *transport.Endpoint) string {
	port := at.Port
	if port == 0 {
		port = 22
	}
	return net.JoinHostPort(strings.Trim(at.Host, "[]"), strconv.Itoa(port))
}

// quoted is a path as one word for the shell of the other side, in the way that
// git itself quotes it (quote.c): servers that are no shell take it apart again.
func quoted(path string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(path) + "'"
}

// AdvertisedReferencesContext reads what the program shows first.
func (s *shell) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	if s.refs != nil {
		return s.refs, nil
	}
	refs := packp.NewAdvRefs()
	err := refs.Decode(s.out)
	switch {
	case errors.Is(err, packp.ErrEmptyInput):
		return nil, s.silence()
	case err != nil && !errors.Is(err, packp.ErrEmptyAdvRefs):
		return nil, err
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	s.refs = refs
	return refs, nil
}

// silence tells why the program ended without a word of the protocol. Servers
// do so where there is no repository, or none that we may see, and tell the
// reason to people only.
func (s *shell) silence() error {
	var exit *ssh.ExitError
	if err := s.session.Wait(); !errors.As(err, &exit) {
		return errors.Join(errors.New("the server ended the connection"), err)
	}
	return fmt.Errorf("%w: the server shows no repository%s", fault.ErrNotFound, tidy(s.words.String()))
}

// UploadPack asks for a pack, once.
func (s *shell) UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if _, err := s.AdvertisedReferencesContext(ctx); err != nil {
		return nil, err
	}
	s.asked = true
	var ask bytes.Buffer
	err := errors.Join(req.UploadRequest.Encode(&ask), req.UploadHaves.Encode(&ask, true), pktline.NewEncoder(&ask).EncodeString("done\n"))
	if err != nil {
		return nil, err
	}
	if _, err := ask.WriteTo(s.in); err != nil {
		return nil, err
	}
	res := packp.NewUploadPackResponse(req)
	return res, res.Decode(io.NopCloser(s.out))
}

// ReceivePack pushes and gives the server's report.
func (s *shell) ReceivePack(_ context.Context, req *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error) {
	s.asked = true
	if err := req.Encode(s.in); err != nil {
		return nil, err
	}
	if err := s.in.Close(); err != nil {
		return nil, err
	}
	said := s.out
	if req.Capabilities.Supports(capability.Sideband64k) {
		d := sideband.NewDemuxer(sideband.Sideband64k, s.out)
		d.Progress = req.Progress
		said = d
	}
	report := packp.NewReportStatus()
	if err := report.Decode(said); err != nil {
		return nil, err
	}
	// The post-receive hook runs after the report, and a closed connection would
	// end it.
	_, _ = io.Copy(io.Discard, s.out)
	return report, report.Error()
}

// Close ends the program and the connection.
func (s *shell) Close() error {
	defer s.unbind()
	if s.session != nil && !s.asked {
		_, _ = s.in.Write(pktline.FlushPkt) // says that nothing is wanted; the program ends without complaint
	}
	return s.client.Close()
}

// words keeps the beginning of what a server says to people.
type words struct{ strings.Builder }

func (w *words) Write(p []byte) (int, error) {
	if room := 2*maxWords - w.Len(); room > 0 {
		w.Builder.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
