package git_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
)

// stranger is a server that knows no repository and remembers who asked.
func stranger(t *testing.T, tlsConfig *tls.Config) (at *httptest.Server, asked func() []*http.Request) {
	t.Helper()
	var mu sync.Mutex
	var all []*http.Request
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
		http.NotFound(w, r)
	}))
	if tlsConfig != nil {
		s.TLS = tlsConfig
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, func() []*http.Request {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// look looks at a stranger and gives what the error says.
func look(t *testing.T, at plan.Remote) string {
	t.Helper()
	_, err := git.New(git.Options{Timeout: 5 * time.Second}).Look(t.Context(), at)
	if err == nil {
		t.Fatal("a stranger has a repository")
	}
	return err.Error()
}

func TestBearer(t *testing.T) {
	s, asked := stranger(t, nil)
	look(t, plan.Remote{URL: s.URL + "/app.git", Auth: credential.Git{Bearer: "t0ken", Username: "u"}})
	if got := asked()[0].Header.Get("Authorization"); got != "Bearer t0ken" {
		t.Errorf("Authorization: %s", got)
	}
}

func TestClientCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	login := credential.Git{
		ClientCert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		ClientKey:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		Insecure:   true, From: "secret argocd/git",
	}
	s, asked := stranger(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert})
	look(t, plan.Remote{URL: s.URL + "/app.git", Auth: login})
	if got := asked(); len(got) != 1 || got[0].TLS.PeerCertificates[0].SerialNumber.Int64() != 7 {
		t.Error("the certificate was not shown")
	}

	login.ClientKey = []byte("s3cret")
	said := look(t, plan.Remote{URL: s.URL + "/other.git", Auth: login})
	if want := "invalid: the client certificate of secret argocd/git and its key do not parse, or do not belong together: PEM expected"; !strings.HasSuffix(said, want) || len(asked()) != 1 {
		t.Errorf("got %s, want %s", said, want)
	}
}

func TestProxy(t *testing.T) {
	proxy, asked := stranger(t, nil)
	to, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	to.User = url.UserPassword("u", "p")
	login := credential.Git{Proxy: to.String()}
	look(t, plan.Remote{URL: "http://git.invalid/app.git", Auth: login})
	if got := asked(); len(got) != 1 || got[0].URL.Host != "git.invalid" || got[0].Header.Get("Proxy-Authorization") != "Basic dTpw" {
		t.Fatalf("the proxy was asked %v", got)
	}
	look(t, plan.Remote{URL: "https://git.invalid/app.git", Auth: login})
	if got := asked(); len(got) != 2 || got[1].Method != http.MethodConnect || got[1].Host != "git.invalid:443" {
		t.Fatalf("the proxy was asked %v", got)
	}
	login.NoProxy = "git.invalid"
	look(t, plan.Remote{URL: "http://git.invalid/app.git", Auth: login})
	if got := asked(); len(got) != 2 {
		t.Errorf("the proxy was asked %v", got[2])
	}
}

// socks is a SOCKS5 proxy (RFC 1928, and 1929 for the login u:p) that leads
// everybody to one place.
func socks(t *testing.T, to string) (address string, asked func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var names []string
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				name, ok := greet(conn)
				if !ok {
					return
				}
				mu.Lock()
				names = append(names, name)
				mu.Unlock()
				onward, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer func() { _ = onward.Close() }()
				_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
				wg.Go(func() { _, _ = io.Copy(onward, conn); _ = onward.Close() })
				_, _ = io.Copy(conn, onward)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return names
	}
}

// greet reads the login and the name of the host that is asked for.
func greet(conn net.Conn) (name string, ok bool) {
	read := func(n int) []byte {
		b := make([]byte, n)
		_, _ = io.ReadFull(conn, b)
		return b
	}
	read(int(read(2)[1]))
	_, _ = conn.Write([]byte{5, 2})
	user := read(int(read(2)[1]))
	password := read(int(read(1)[0]))
	if !bytes.Equal(user, []byte("u")) || !bytes.Equal(password, []byte("p")) {
		_, _ = conn.Write([]byte{1, 1})
		return "", false
	}
	_, _ = conn.Write([]byte{1, 0})
	head := read(5)
	host := read(int(head[4]))
	read(2)
	return string(host), head[3] == 3
}

func TestSSHThroughAProxy(t *testing.T) {
	s := serveSSH(t)
	address, asked := socks(t, s.address())
	s.at.URL = "ssh://git@git.invalid" + s.repo.Dir
	s.at.Auth.KnownHosts = append([]byte("git.invalid "), []byte(strings.SplitN(string(s.at.Auth.KnownHosts), " ", 2)[1])...)
	s.at.Auth.Proxy = "socks5://u:p@" + address
	if _, err := s.client.Look(t.Context(), s.at); err != nil {
		t.Fatal(err)
	}
	if got := asked(); len(got) != 1 || got[0] != "git.invalid" {
		t.Errorf("the proxy was asked for %q", got)
	}
	s.at.Auth.Proxy = "socks5://u:wr0ng@" + address
	if _, err := s.client.Look(t.Context(), s.at); err == nil || strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "u:p") {
		t.Errorf("a proxy with another login: %v", err)
	}
}

// Who has to put it right is told where trust is kept.
func TestWhereTrustIsKept(t *testing.T) {
	hosts := "key ssh_known_hosts of ConfigMap argocd/argocd-ssh-known-hosts-cm"
	s := serveSSH(t)
	s.at.Auth.KnownHosts, s.at.Auth.TrustFrom = []byte{}, hosts
	host, port, _ := net.SplitHostPort(s.address())
	_, err := s.client.Look(t.Context(), s.at)
	if want := "; if that is right, add what ssh-keyscan -p " + port + " " + host + " prints to " + hosts; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	s.at.Auth.KnownHosts = s.knownAs(s.key.signer.PublicKey())
	_, err = s.client.Look(t.Context(), s.at)
	if want := ", and known hosts say another one: find out why before you replace it in " + hosts; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}

	certs := "key 127.0.0.1 of ConfigMap argocd/argocd-tls-certs-cm"
	web := serve(t, itest.GitOptions{TLS: true}, itest.Commit{Files: map[string]string{"a": "1\n"}})
	web.at.Auth.CA, web.at.Auth.TrustFrom = nil, certs
	_, err = web.client.Look(t.Context(), web.at)
	if want := "certificate signed by unknown authority: put its authority into " + certs; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	web.at.Auth.CA = []byte("no certificate")
	_, err = web.client.Look(t.Context(), web.at)
	if want := "invalid: " + certs + " holds no PEM certificate"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
