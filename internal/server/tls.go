package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"argocd-image-updater/internal/nearest"
)

// TLS is how HTTPS is spoken.
type TLS struct {
	// Certificate is a folder with tls.crt and tls.key, read again when they
	// change; "" is a certificate that is made at the start and that nobody has
	// a reason to trust.
	Certificate string
	Min, Max    uint16   // versions, as crypto/tls names them
	Ciphers     []uint16 // of TLS 1.2; nil is Go's choice
	Protocols   Protocols
}

// tls parses what the flags say of TLS.
func (f Flags) tls() (t TLS, warning string, err error) {
	t = TLS{Certificate: f.MetricsCertificate, Protocols: f.Protocols}
	if t.Min, err = version("--tlsminversion", f.MinVersion); err != nil {
		return TLS{}, "", err
	}
	if t.Max, err = version("--tlsmaxversion", f.MaxVersion); err != nil {
		return TLS{}, "", err
	}
	if t.Min > t.Max {
		return TLS{}, "", fmt.Errorf("--tlsmaxversion %s: not below --tlsminversion, which is 1.3 unless it is given, expected", f.MaxVersion)
	}
	if t.Ciphers, err = ciphers(f.Ciphers); err != nil {
		return TLS{}, "", err
	}
	if len(t.Ciphers) > 0 && t.Min > tls.VersionTLS12 {
		warning = "--tlsciphers does nothing: the ciphers of TLS 1.3 cannot be chosen; they count for --tlsminversion 1.2"
	}
	return t, warning, nil
}

func version(flag, value string) (uint16, error) {
	switch value {
	case "", "1.3":
		return tls.VersionTLS13, nil
	case "1.2":
		return tls.VersionTLS12, nil
	}
	return 0, fmt.Errorf("%s %q: 1.2 or 1.3 expected", flag, value)
}

func ciphers(list string) ([]uint16, error) {
	var ids []uint16
	known := map[string]uint16{}
	var names []string
	for _, suite := range tls.CipherSuites() {
		known[suite.Name] = suite.ID
		names = append(names, suite.Name)
	}
	for name := range strings.SplitSeq(list, ":") {
		if name == "" {
			continue
		}
		id, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("--tlsciphers: %q is not among the cipher suites that Go holds for secure; the closest is %s", name, nearest.Word(name, names, len(name)))
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: t.Min, MaxVersion: t.Max, CipherSuites: t.Ciphers}
	if t.Certificate == "" {
		own, err := selfSigned()
		c.Certificates = []tls.Certificate{own}
		return c, err
	}
	pair := &keyPair{dir: t.Certificate}
	if err := pair.read(); err != nil {
		return nil, fmt.Errorf("--metrics-cert-path %s: %w", t.Certificate, err)
	}
	c.GetCertificate = pair.get
	return c, nil
}

// keyPair is a certificate in files, which are written anew from time to time.
type keyPair struct {
	dir string

	mu      sync.Mutex
	changed time.Time
	loaded  *tls.Certificate
}

// get gives the certificate as it is in the files now. One that cannot be read
// leaves the old one in force.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.read()
	return k.loaded, nil
}

func (k *keyPair) read() error {
	crt, key := filepath.Join(k.dir, "tls.crt"), filepath.Join(k.dir, "tls.key")
	file, err := os.Stat(crt)
	if err != nil {
		return err
	}
	if k.loaded != nil && file.ModTime().Equal(k.changed) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(crt, key)
	if err != nil {
		return err
	}
	k.loaded, k.changed = &pair, file.ModTime()
	return nil
}

// selfSigned makes a certificate for one run of the program.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "argocd-image-updater"},
		DNSNames:     []string{"argocd-image-updater", "localhost"},
		NotBefore:    now.Add(-time.Hour), // clocks differ
		NotAfter:     now.AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
