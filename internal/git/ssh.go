package git

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"argocd-image-updater/internal/credential"
)

// errHostKey marks a server whose key nobody vouched for.
var errHostKey = errors.New("host key")

// keyAuth logs in with a private key to servers that are known.
type keyAuth struct {
	config *ssh.ClientConfig
}

// Name is that of the method in RFC 4252, section 7.
func (a keyAuth) Name() string { return "publickey" }

// String is the user.
func (a keyAuth) String() string { return a.config.User }

// ClientConfig is asked for each connection.
func (a keyAuth) ClientConfig() (*ssh.ClientConfig, error) {
	config := *a.config
	return &config, nil
}

func (c *Client) sshAuth(ep *transport.Endpoint, login credential.Git) (transport.AuthMethod, error) {
	if len(login.SSHKey) == 0 {
		return nil, fmt.Errorf("%w: no SSH key for %s: name a Secret with sshPrivateKey, or a key file", errInvalid, ep.Host)
	}
	signer, err := parseKey(login)
	if err != nil {
		return nil, err
	}
	config := &ssh.ClientConfig{User: ep.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: c.options.Timeout}
	if config.User == "" {
		config.User = "git"
	}
	if login.Insecure {
		config.HostKeyCallback = ssh.InsecureIgnoreHostKey() //nolint:gosec // only where the Secret itself says so
		return keyAuth{config}, nil
	}
	db, err := c.knownHosts(login)
	if err != nil {
		return nil, err
	}
	port := ep.Port
	if port == 0 {
		port = 22
	}
	config.HostKeyCallback = vouched(db.HostKeyCallback())
	config.HostKeyAlgorithms = db.HostKeyAlgorithms(net.JoinHostPort(ep.Host, strconv.Itoa(port)))
	return keyAuth{config}, nil
}

func parseKey(login credential.Git) (ssh.Signer, error) {
	var signer ssh.Signer
	var err error
	if login.Passphrase != "" {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(login.SSHKey, []byte(login.Passphrase))
	} else {
		signer, err = ssh.ParsePrivateKey(login.SSHKey)
	}
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, fmt.Errorf("%w: the SSH key of %s needs a passphrase", errInvalid, login.From)
	case err != nil:
		return nil, fmt.Errorf("%w: the SSH key of %s does not parse: a PEM or OpenSSH private key expected", errInvalid, login.From)
	}
	return signer, nil
}

// knownHosts reads the hosts that the credential brings, or the user's.
func (c *Client) knownHosts(login credential.Git) (*knownhosts.HostKeyDB, error) {
	if login.KnownHosts == nil {
		db, err := knownhosts.NewDB(c.options.KnownHostsFiles...)
		if err != nil {
			return nil, fmt.Errorf("%w: known hosts: %w", errInvalid, err)
		}
		return db, nil
	}
	// The library reads files only.
	f, err := os.CreateTemp("", "known_hosts-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }() // public keys, in the folder for temporary files
	_, err = f.Write(login.KnownHosts)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	db, err := knownhosts.NewDB(f.Name())
	if err != nil {
		return nil, fmt.Errorf("%w: known hosts of %s: %w", errInvalid, login.From, err)
	}
	return db, nil
}

// vouched tells a stranger from a server whose key has changed.
func vouched(check ssh.HostKeyCallback) ssh.HostKeyCallback {
	return func(host string, remote net.Addr, key ssh.PublicKey) error {
		err := check(host, remote, key)
		switch {
		case err == nil:
			return nil
		case knownhosts.IsHostKeyChanged(err):
			return fmt.Errorf("%w of %s is %s, and known hosts say another one: find out why before you replace it there", errHostKey, host, ssh.FingerprintSHA256(key))
		case knownhosts.IsHostUnknown(err):
			return fmt.Errorf("%w of %s is not known: it offers %s; add it to known hosts if that is right", errHostKey, host, ssh.FingerprintSHA256(key))
		}
		return fmt.Errorf("%w of %s: %w", errHostKey, host, err)
	}
}

// isRefusedLogin reports whether an SSH server did not accept the key. The
// library has no error value for it.
func isRefusedLogin(err error) bool {
	return strings.Contains(err.Error(), "ssh: unable to authenticate") || strings.Contains(err.Error(), errHostKey.Error()+" of ")
}
