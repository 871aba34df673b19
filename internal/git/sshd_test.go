package git_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
)

// keyPair is a private key as people keep it, and what is derived from it.
type keyPair struct {
	pem    []byte
	signer ssh.Signer
}

func newKey(t *testing.T, passphrase string) keyPair {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{pem.EncodeToMemory(block), signer}
}

// sshd serves the repositories of the local disk to who holds a key. What it
// runs is git's own.
type sshd struct {
	*testing.T
	listener net.Listener
	config   *ssh.ServerConfig
	programs string // the folder of git-upload-pack
	wg       sync.WaitGroup

	mu       sync.Mutex
	admit    func(ssh.PublicKey) error
	conns    []net.Conn
	commands []string
}

func startSSHD(t *testing.T, host ssh.Signer, may ssh.PublicKey) *sshd {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sshd{T: t, listener: l, programs: strings.TrimSpace(string(out)), admit: only(may), config: &ssh.ServerConfig{}}
	s.config.PublicKeyCallback = func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return nil, s.admit(key)
	}
	s.config.AddHostKey(host)
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

// only admits one key.
func only(may ssh.PublicKey) func(ssh.PublicKey) error {
	return func(key ssh.PublicKey) error {
		if string(key.Marshal()) != string(may.Marshal()) {
			return errors.New("not this key")
		}
		return nil
	}
}

// admitBy changes who is let in.
func (s *sshd) admitBy(admit func(ssh.PublicKey) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admit = admit
}

func (s *sshd) serve(wire net.Conn) {
	defer func() { _ = wire.Close() }()
	conn, channels, requests, err := ssh.NewServerConn(wire, s.config)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	s.wg.Go(func() { ssh.DiscardRequests(requests) })
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.session(channel, requests) })
	}
}

func (s *sshd) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	for r := range requests {
		if r.Type != "exec" {
			_ = r.Reply(false, nil)
			continue
		}
		_ = r.Reply(true, nil)
		command := string(r.Payload[4:])
		s.mu.Lock()
		s.commands = append(s.commands, command)
		s.mu.Unlock()
		cmd := exec.Command("sh", "-c", command)
		cmd.Env = []string{
			"PATH=" + s.programs + ":/usr/bin:/bin", "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C", "GIT_CONFIG_COUNT=2",
			"GIT_CONFIG_KEY_0=uploadpack.allowFilter", "GIT_CONFIG_VALUE_0=true",
			"GIT_CONFIG_KEY_1=uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_1=true",
		}
		cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
		in, err := cmd.StdinPipe()
		if err != nil {
			return
		}
		s.wg.Go(func() { _, _ = io.Copy(in, channel); _ = in.Close() })
		status := struct{ Code uint32 }{}
		if err := cmd.Run(); err != nil {
			status.Code = uint32(cmd.ProcessState.ExitCode())
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
		return
	}
}

func (s *sshd) ran() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

func (s *sshd) address() string { return s.listener.Addr().String() }

func (s *sshd) knownAs(key ssh.PublicKey) []byte {
	host, port, _ := net.SplitHostPort(s.address())
	return []byte("[" + host + "]:" + port + " " + string(ssh.MarshalAuthorizedKey(key)))
}

// served over SSH: a repository, a key that may, and a client.
type shelled struct {
	served
	*sshd
	key, host keyPair
}

func serveSSH(t *testing.T) shelled {
	t.Helper()
	host, key := newKey(t, ""), newKey(t, "")
	d := startSSHD(t, host.signer, key.signer.PublicKey())
	repo, err := itest.InitRepo(filepath.Join(t.TempDir(), "it's mine.git"))
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Commit(itest.Commit{Files: map[string]string{"a": "1\n", "b/c": "2\n"}, Links: map[string]string{"l": "b"}}); err != nil {
		t.Fatal(err)
	}
	at := plan.Remote{URL: "ssh://git@" + d.address() + repo.Dir, Auth: credential.Git{
		SSHKey: key.pem, KnownHosts: d.knownAs(host.signer.PublicKey()), From: "secret argocd/deploy",
	}}
	return shelled{served{T: t, repo: repo, client: git.New(git.Options{}), at: at}, d, key, host}
}

func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "known_hosts")
	writeFile(t, path, string(content))
	return path
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
