package git

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"argocd-image-updater/internal/credential"
)

// errHostKey marks a server whose key nobody vouched for.
var errHostKey = errors.New("host key")

// errLogin marks a server that did not accept the key.
var errLogin = errors.New("login")

// keyAuth logs in with a private key to servers that are known.
type keyAuth struct {
	host       string
	user       string
	signer     ssh.Signer
	credential credential.Git
	vouch      ssh.HostKeyCallback
	// algorithms of the host keys that are known; nil is any.
	algorithms []string
}

func (c *Client) sshAuth(ep *transport.Endpoint, login credential.Git) (keyAuth, error) {
	if len(login.SSHKey) == 0 {
		return keyAuth{}, fmt.Errorf("%w: no SSH key for %s: name a Secret with sshPrivateKey, or a key file", errInvalid, ep.Host)
	}
	signer, err := parseKey(login)
	if err != nil {
		return keyAuth{}, err
	}
	a := keyAuth{host: ep.Host, user: ep.User, signer: signer, credential: login}
	if a.user == "" {
		a.user = "git"
	}
	if login.Insecure {
		a.vouch = ssh.InsecureIgnoreHostKey() //nolint:gosec // only where the Secret itself says so
		return a, nil
	}
	db, err := c.knownHosts(login)
	if err != nil {
		return keyAuth{}, err
	}
	a.vouch = vouched(db.HostKeyCallback(), login.TrustFrom)
	a.algorithms = db.HostKeyAlgorithms(sshAddress(ep))
	return a, nil
}

// config is for one connection.
func (a keyAuth) config() *ssh.ClientConfig {
	offered := false
	// The library has no error value for a key that is not accepted. But it asks
	// for keys again only after the server has said no to the first, and passes on
	// what it is answered then.
	keys := ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
		if offered {
			return nil, fmt.Errorf("%w as %s with the SSH key %s of %s is not accepted: add its public key to the account or repository at %s",
				errLogin, a.user, ssh.FingerprintSHA256(a.signer.PublicKey()), a.credential.From, a.host)
		}
		offered = true
		return []ssh.Signer{a.signer}, nil
	})
	return &ssh.ClientConfig{
		User: a.user, Auth: []ssh.AuthMethod{ssh.RetryableAuthMethod(keys, 2)},
		HostKeyCallback: a.vouch, HostKeyAlgorithms: a.algorithms,
	}
}

// explain leaves out what the library puts before our own words, and tells of a
// server that has no host key of the kinds that are known.
func (a keyAuth) explain(err error) error {
	var none *ssh.AlgorithmNegotiationError
	if len(a.algorithms) > 0 && errors.As(err, &none) && none.What == "host key" {
		return fmt.Errorf("%w of %s is of another kind (%s) than known hosts say (%s): find out why before you replace it %s",
			errHostKey, a.host, strings.Join(none.RequestedAlgorithms, ", "), strings.Join(a.algorithms, ", "), in(a.credential.TrustFrom))
	}
	if inner := errors.Unwrap(err); errors.Is(inner, errLogin) || errors.Is(inner, errHostKey) {
		return inner
	}
	return err
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
	case errors.Is(err, x509.IncorrectPasswordError):
		return nil, fmt.Errorf("%w: the SSH key of %s does not open with its passphrase", errInvalid, login.From)
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
		return nil, fmt.Errorf("%w: known hosts of %s: %w", errInvalid, cmp.Or(login.TrustFrom, login.From), err)
	}
	return db, nil
}

// vouched tells a stranger from a server whose key has changed. Where the known
// hosts are kept is of interest to who has to put it right.
func vouched(check ssh.HostKeyCallback, kept string) ssh.HostKeyCallback {
	return func(host string, remote net.Addr, key ssh.PublicKey) error {
		err := check(host, remote, key)
		switch {
		case err == nil:
			return nil
		case knownhosts.IsHostKeyChanged(err):
			return fmt.Errorf("%w of %s is %s, and known hosts say another one: find out why before you replace it %s", errHostKey, host, ssh.FingerprintSHA256(key), in(kept))
		case knownhosts.IsHostUnknown(err) && kept == "":
			return fmt.Errorf("%w of %s is not known: it offers %s; add it to known hosts if that is right", errHostKey, host, ssh.FingerprintSHA256(key))
		case knownhosts.IsHostUnknown(err):
			return fmt.Errorf("%w of %s is not known: it offers %s; if that is right, add what %s prints to %s", errHostKey, host, ssh.FingerprintSHA256(key), keyscan(host), kept)
		}
		return fmt.Errorf("%w of %s: %w", errHostKey, host, err)
	}
}

func in(kept string) string {
	if kept == "" {
		return "there"
	}
	return "in " + kept
}

// keyscan is the command that prints the line for known hosts.
func keyscan(address string) string {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return "ssh-keyscan " + address
	case port == "22":
		return "ssh-keyscan " + host
	}
	return "ssh-keyscan -p " + port + " " + host
}
