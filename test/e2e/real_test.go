//go:build real

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"argocd-image-updater/internal/itest"
)

// TestReal runs scripts against programs of this machine: Debian's
// docker-registry, and an sshd with a deploy key and a known host.
func TestReal(t *testing.T) {
	runScripts(t, "testdata/real", map[string]command{"docker-registry": startDockerRegistry, "sshd": startSSH})
}

const registryConfig = `version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %s}
`

// startDockerRegistry: docker-registry
//
// It sets what registry sets, without a certificate.
func startDockerRegistry(w *world, ts *testscript.TestScript, _ []string) (string, error) {
	addr, err := freeAddress()
	if err != nil {
		return "", err
	}
	config := filepath.Join(w.dir, "registry.yml")
	text := fmt.Sprintf(registryConfig, filepath.Join(w.dir, "blobs"), addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", err
	}
	if err := w.start(ts, exec.CommandContext(w.ctx, "docker-registry", "serve", config)); err != nil {
		return "", err
	}
	w.pusher = itest.Pusher{}
	w.useRegistry(ts, addr, "http://"+addr)
	return "", until(func() error {
		res, err := http.Get("http://" + addr + "/v2/")
		if err == nil {
			res.Body.Close()
		}
		return err
	})
}

const sshdConfig = `ListenAddress %s
HostKey %s
AuthorizedKeysFile %s
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
`

// startSSH: sshd
//
// It sets $SSH_URL, below which repositories are, $SSH_KEY (the file of a
// deploy key) and $SSH_KNOWN_HOSTS (a file).
func startSSH(w *world, ts *testscript.TestScript, _ []string) (string, error) {
	addr, err := freeAddress()
	if err != nil {
		return "", err
	}
	me, err := user.Current()
	if err != nil {
		return "", err
	}
	hostKey, err := w.newKey("host")
	if err != nil {
		return "", err
	}
	if _, err := w.newKey("deploy"); err != nil {
		return "", err
	}
	config, knownHosts := filepath.Join(w.dir, "sshd_config"), filepath.Join(w.dir, "known_hosts")
	host, port, _ := net.SplitHostPort(addr)
	for path, text := range map[string]string{
		config:     fmt.Sprintf(sshdConfig, addr, filepath.Join(w.dir, "host"), filepath.Join(w.dir, "deploy.pub")),
		knownHosts: fmt.Sprintf("[%s]:%s %s\n", host, port, hostKey),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		return "", err
	}
	if os.Geteuid() == 0 { // the folder that the service's start makes, and sshd as root insists on
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return "", err
		}
	}
	if err := w.start(ts, exec.CommandContext(w.ctx, sshd, "-D", "-e", "-f", config)); err != nil { // sshd wants its full path
		return "", err
	}
	ts.Setenv("SSH_URL", "ssh://"+me.Username+"@"+addr+w.gitRoot())
	ts.Setenv("SSH_KEY", filepath.Join(w.dir, "deploy"))
	ts.Setenv("SSH_KNOWN_HOSTS", knownHosts)
	return "", until(func() error {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// newKey makes a key pair and returns the public key.
func (w *world) newKey(name string) (string, error) {
	path := filepath.Join(w.dir, name)
	if out, err := exec.CommandContext(w.ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput(); err != nil {
		return "", fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	public, err := os.ReadFile(path + ".pub")
	return strings.TrimSpace(string(public)), err
}

// start runs a server until the script ends; what it says stands in the log
// of the test.
func (w *world) start(ts *testscript.TestScript, cmd *exec.Cmd) error {
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		ts.Logf("%s said:\n%s", filepath.Base(cmd.Path), out.String())
	})
	return nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// until waits for something to work, for ten seconds at most.
func until(try func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("the server does not answer"), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
