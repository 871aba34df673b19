package git_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/plan"
)

func TestSSH(t *testing.T) {
	s := serveSSH(t)
	if err := s.repo.Hook("post-receive", "sleep 0.2; touch ran\n"); err != nil {
		t.Fatal(err)
	}
	refs, err := s.client.Look(t.Context(), s.at)
	if err != nil || refs.Default != "main" || refs.Branches["main"] != s.head("main") {
		t.Fatalf("%+v, %v", refs, err)
	}
	old := refs.Branches["main"]
	list, err := s.client.List(t.Context(), s.at, old, []plan.Dir{{Path: "", Recurse: true}})
	if err != nil || !cmp.Equal(list[""].Entries, []plan.Entry{{Path: "a"}, {Path: "b", Kind: plan.EntryDir}, {Path: "b/c"}, {Path: "l", Kind: plan.EntryLink}}) {
		t.Fatalf("%+v, %v", list, err)
	}
	if f := s.read(old, "l/c")["l/c"]; string(f.Bytes) != "2\n" || f.Path != "b/c" {
		t.Errorf("got %+v", f)
	}
	ids, err := s.client.Push(t.Context(), s.at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("c", "b/c", "3\n")}})
	if err != nil || ids[0] != s.head("main") {
		t.Fatalf("pushed %s, %v", ids, err)
	}
	if _, err := s.repo.Git("cat-file", "-e", "main:b/c"); err != nil {
		t.Error(err)
	}
	if err := s.repo.Check(); err != nil {
		t.Error(err)
	}
	var programs []string
	for _, c := range s.ran() {
		name, _, _ := strings.Cut(c, " ")
		programs = append(programs, name)
	}
	if want := []string{"git-upload-pack", "git-upload-pack", "git-upload-pack", "git-upload-pack", "git-receive-pack"}; !cmp.Equal(programs, want) {
		t.Errorf("ran %v: one look, the trees, the link, the file and the push expected", programs)
	}
}

// The ways to name a login that work.
func TestSSHLogins(t *testing.T) {
	for name, change := range map[string]func(*shelled){
		"as it is": func(*shelled) {},
		"known hosts files": func(s *shelled) {
			s.client = git.New(git.Options{KnownHostsFiles: []string{write(t, s.at.Auth.KnownHosts)}})
			s.at.Auth.KnownHosts = nil
		},
		"key with a passphrase": func(s *shelled) {
			locked := newKey(t, "hunter2")
			s.admitBy(only(locked.signer.PublicKey()))
			s.at.Auth.SSHKey, s.at.Auth.Passphrase = locked.pem, "hunter2"
		},
		"insecure": func(s *shelled) { s.at.Auth.KnownHosts, s.at.Auth.Insecure = []byte{}, true },
		"no user":  func(s *shelled) { s.at.URL = "ssh://" + s.address() + s.repo.Dir },
	} {
		s := serveSSH(t)
		change(&s)
		if _, err := s.client.Look(t.Context(), s.at); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What somebody who has to repair a login is told. Nothing is run at the other
// side, and no key is shown.
func TestSSHRefusals(t *testing.T) {
	other := newKey(t, "")
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ssh.NewSignerFromKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*shelled)
		denied bool
		text   string // HOST, OFFERED and KEY stand for the server and the fingerprints
	}{
		"unknown host": {func(s *shelled) { s.at.Auth.KnownHosts = []byte{} }, true,
			"host key of HOST is not known: it offers OFFERED; add it to known hosts if that is right"},
		"unknown host, no files": {func(s *shelled) { s.at.Auth.KnownHosts = nil }, true,
			"host key of HOST is not known: it offers OFFERED; add it to known hosts if that is right"},
		"changed host key": {func(s *shelled) { s.at.Auth.KnownHosts = s.knownAs(other.signer.PublicKey()) }, true,
			"host key of HOST is OFFERED, and known hosts say another one: find out why before you replace it there"},
		"host key of another kind": {func(s *shelled) { s.at.Auth.KnownHosts = s.knownAs(ecKey.PublicKey()) }, true,
			"host key of HOST is of another kind (ssh-ed25519) than known hosts say (ecdsa-sha2-nistp256): find out why before you replace it there"},
		"wrong key": {func(s *shelled) { s.at.Auth.SSHKey = other.pem }, true,
			"login as git with the SSH key KEY of secret argocd/deploy is not accepted: add its public key to the account or repository at HOST"},
		"no key": {func(s *shelled) { s.at.Auth.SSHKey = nil }, false,
			"no SSH key for HOST: name a Secret with sshPrivateKey, or a key file"},
		"no key at all": {func(s *shelled) { s.at.Auth.SSHKey = []byte("s3cret, but no key") }, false,
			"the SSH key of secret argocd/deploy does not parse: a PEM or OpenSSH private key expected"},
		"locked key": {func(s *shelled) { s.at.Auth.SSHKey = newKey(t, "hunter2").pem }, false,
			"the SSH key of secret argocd/deploy needs a passphrase"},
		"wrong passphrase": {func(s *shelled) { s.at.Auth.SSHKey, s.at.Auth.Passphrase = newKey(t, "hunter2").pem, "s3cret" }, false,
			"the SSH key of secret argocd/deploy does not open with its passphrase"},
		"known hosts of nonsense": {func(s *shelled) { s.at.Auth.KnownHosts = []byte("nonsense\n") }, false,
			"known hosts of secret argocd/deploy: …"},
	} {
		s := serveSSH(t)
		c.change(&s)
		text := strings.NewReplacer("OFFERED", ssh.FingerprintSHA256(s.host.signer.PublicKey()), "KEY", ssh.FingerprintSHA256(other.signer.PublicKey())).Replace(c.text)
		_, err := s.client.Look(t.Context(), s.at)
		if err == nil || errors.Is(err, fault.ErrDenied) != c.denied || errors.Is(err, fault.ErrUnavailable) {
			t.Errorf("%s: denied should be %t: %v", name, c.denied, err)
			continue
		}
		host, _, _ := net.SplitHostPort(s.address())
		fact := map[bool]string{true: "denied: ", false: "invalid: "}[c.denied]
		got := strings.ReplaceAll(strings.ReplaceAll(err.Error(), s.address(), "HOST"), host, "HOST")
		_, got, _ = strings.Cut(got, ".git: ")
		if beginning, more := strings.CutSuffix(fact+text, "…"); got != fact+text && (!more || !strings.HasPrefix(got, beginning)) {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, fact+text)
		}
		for _, line := range strings.Split(string(s.at.Auth.SSHKey), "\n") {
			if len(line) > 8 && !strings.HasPrefix(line, "-----") && strings.Contains(err.Error(), line) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: the error shows the key: %v", name, err)
			}
		}
		if ran := s.ran(); len(ran) > 0 {
			t.Errorf("%s: %v was run", name, ran)
		}
	}
}

// A connection that breaks while we log in is no refusal.
func TestSSHThatBreaksOff(t *testing.T) {
	s := serveSSH(t)
	s.admitBy(func(ssh.PublicKey) error { return s.conns[len(s.conns)-1].Close() })
	if _, err := s.client.Look(t.Context(), s.at); !errors.Is(err, fault.ErrUnavailable) || errors.Is(err, fault.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestSSHWithoutRepository(t *testing.T) {
	s := serveSSH(t)
	s.at.URL = "ssh://git@" + s.address() + "/none.git"
	_, err := s.client.Look(t.Context(), s.at)
	if !errors.Is(err, fault.ErrNotFound) || !strings.Contains(err.Error(), "does not appear to be a git repository") {
		t.Errorf("got %v", err)
	}
}

// A server that takes the connection and says nothing costs the time-out and no
// more; somebody who gives up does not wait for it either.
func TestSSHThatIsSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := serveSSH(t)
	s.at.URL = "ssh://git@" + l.Addr().String() + "/x.git"
	s.client = git.New(git.Options{Timeout: 50 * time.Millisecond})
	if _, err := s.client.Look(t.Context(), s.at); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := git.New(git.Options{}).Look(ctx, s.at); !errors.Is(err, fault.ErrUnavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
}

// What the user's ssh_config says is not for us.
func TestSSHGoesWhereTheURLSays(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("ALL_PROXY", "socks5://127.0.0.1:1")
	t.Setenv("SSH_AUTH_SOCK", home+"/agent")
	writeFile(t, home+"/.ssh/config", "Host *\n  HostName 127.0.0.2\n  Port 1\n  User mallory\n")
	s := serveSSH(t)
	if _, err := s.client.Look(t.Context(), s.at); err != nil {
		t.Error(err)
	}
}

func TestSSHURLs(t *testing.T) {
	s := serveSSH(t)
	for url, want := range map[string]string{
		"git@127.0.0.1:1/org/app.git":       "127.0.0.1:22", // 1 is a folder
		"git@127.0.0.1:org/app.git":         "127.0.0.1:22",
		"ssh://git@127.0.0.1/org/app.git":   "127.0.0.1:22",
		"ssh://git@[::1]:1/org/app.git":     "[::1]:1",
		"ssh://git@127.0.0.1:1/org/app.git": "127.0.0.1:1",
	} {
		at := s.at
		at.URL = url
		at.Auth.KnownHosts = []byte{}
		_, err := s.client.Look(t.Context(), at)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want to be told of %s", url, err, want)
		}
	}
}
