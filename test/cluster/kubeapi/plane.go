package kubeapi

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Plane is a control plane that runs. Its methods may be called side by side,
// but for Down, Up and Close.
type Plane struct {
	dir       string // certificates, keys, data and logs
	programs  Binaries
	port      int // of the API server
	etcdPort  int
	etcd, api *server
	admin     *rest.Config
	client    client.Client
}

// token is the administrator's, who is known on the loopback interface alone.
const token = "administrator-of-the-tests"

// Start starts a control plane with the programs of Build, and waits until it
// answers and serves Applications and AppProjects. Close ends it.
func Start(ctx context.Context, programs Binaries) (*Plane, error) {
	dir, err := os.MkdirTemp("", "argocd-image-updater-cluster-")
	if err != nil {
		return nil, fmt.Errorf("folder of a control plane: %w", err)
	}
	p := &Plane{dir: dir, programs: programs}
	if err := p.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start a control plane: %w", err), p.Close())
	}
	return p, nil
}

func (p *Plane) start(ctx context.Context) error {
	if err := p.writeKeys(); err != nil {
		return err
	}
	if err := p.startEtcd(ctx); err != nil {
		return err
	}
	if err := p.startAPIServer(ctx); err != nil {
		return err
	}
	if err := p.connect(); err != nil {
		return err
	}
	return p.applyCRDs(ctx)
}

// writeKeys writes what the API server knows its administrator by, and what it
// signs the tokens of ServiceAccounts with.
func (p *Plane) writeKeys() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("key for the tokens of ServiceAccounts: %w", err)
	}
	for name, content := range map[string][]byte{
		"service-accounts.pem": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"tokens.csv":           []byte(token + `,admin,admin,"system:masters"` + "\n"),
	} {
		if err := os.WriteFile(p.file(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plane) file(name string) string { return filepath.Join(p.dir, name) }

// startEtcd starts etcd. It does not wait for the disk: what is lost with the
// machine is nothing to a test.
func (p *Plane) startEtcd(ctx context.Context) error {
	var err error
	p.etcd, p.etcdPort, err = startOnFreePort(ctx, func(port int) *server {
		url := fmt.Sprintf("http://127.0.0.1:%d", port)
		return &server{
			program: p.programs.Etcd,
			log:     p.file("etcd.log"),
			ready:   probe{url: url + "/readyz"},
			args: []string{
				"--name=tests",
				"--data-dir=" + p.file("etcd"),
				"--unsafe-no-fsync",
				"--quota-backend-bytes=8000000000",
				"--listen-client-urls=" + url,
				"--advertise-client-urls=" + url,
				"--listen-peer-urls=http://127.0.0.1:0",
				"--initial-cluster=tests=http://localhost:2380", // nobody is asked at it
				"--log-level=warn",
			},
		}
	})
	return err
}

// startAPIServer starts the API server, with a certificate of its own making.
func (p *Plane) startAPIServer(ctx context.Context) error {
	var err error
	p.api, p.port, err = startOnFreePort(ctx, func(port int) *server {
		return &server{
			program: p.programs.APIServer,
			log:     p.file("kube-apiserver.log"),
			ready:   probe{url: fmt.Sprintf("https://127.0.0.1:%d/readyz", port), ca: p.caFile(), token: token},
			// A third of the work of filling it with Applications is collecting garbage.
			env: []string{"GOGC=400", "GOMEMLIMIT=3GiB"},
			args: []string{
				fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", p.etcdPort),
				"--bind-address=127.0.0.1",
				fmt.Sprintf("--secure-port=%d", port),
				"--cert-dir=" + p.file("certificates"),
				"--token-auth-file=" + p.file("tokens.csv"),
				"--authorization-mode=RBAC",
				"--service-account-issuer=https://kubernetes.default.svc",
				"--service-account-signing-key-file=" + p.file("service-accounts.pem"),
				"--service-account-key-file=" + p.file("service-accounts.pem"),
				"--service-cluster-ip-range=10.0.0.0/24",
				"--endpoint-reconciler-type=none",
				// A watch would keep it from ending for a minute.
				"--shutdown-watch-termination-grace-period=10s",
				// It would wait for a controller to make default ServiceAccounts.
				"--disable-admission-plugins=ServiceAccount",
			},
		}
	})
	return err
}

func (p *Plane) caFile() string { return p.file("certificates/apiserver.crt") }

// Down ends the API server as an update of a cluster does: with SIGTERM. What
// it has stored stays.
func (p *Plane) Down() error { return p.api.stop() }

// Up starts the API server again after Down, at the same address and with the
// same data, and waits until it answers.
func (p *Plane) Up(ctx context.Context) error { return p.api.start(ctx) }

// Restart is Down and Up.
func (p *Plane) Restart(ctx context.Context) error {
	if err := p.Down(); err != nil {
		return err
	}
	return p.Up(ctx)
}

// Close ends both servers and removes what they stored.
func (p *Plane) Close() error {
	return errors.Join(p.api.kill(), p.etcd.kill(), os.RemoveAll(p.dir))
}

// patience is how long a server may take to answer, or to end.
const patience = 60 * time.Second
