package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"argocd-image-updater/internal/itest/argoserver"
)

// buffer is written by a program that runs.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.text.String(), text)
}

// standIn is a kubeconfig of a cluster where another replica holds the Lease, and
// where there is nothing else.
func standIn(t *testing.T) string {
	t.Helper()
	var renewed atomic.Int64
	kubernetes := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/apis/coordination.k8s.io/v1/namespaces/ours/leases/c21b75f2.argoproj.io" {
			http.Error(w, "not expected", http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "c21b75f2.argoproj.io", "namespace": "ours", "resourceVersion": "7"},
			"spec": {"holderIdentity": "another", "leaseDurationSeconds": 15, "acquireTime": "2026-11-22T00:00:00.000000Z", "renewTime": "2026-11-22T00:00:00.%06dZ"}}`, renewed.Add(1))
	}))
	t.Cleanup(kubernetes.Close)
	path := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u, namespace: ours}}], clusters: [{name: c, cluster: {server: %q}}], users: [{name: u}]}", kubernetes.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startRun runs with the Applications of an Argo CD API server until stop, which
// gives the exit code.
func startRun(t *testing.T, token string, args ...string) (out *buffer, stop func() int) {
	t.Helper()
	argocd, err := argoserver.Start(argoserver.Options{Accounts: map[string]string{"t": "image-updater"}, Policy: argoserver.Policy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(argocd.Close)
	out = &buffer{}
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	sh := shell{out: out, err: out, env: func(string) string { return "" }}
	go func() {
		code <- sh.run(ctx, append([]string{
			"run", "--applications-api", "argocd", "--argocd-server-addr", argocd.Address(), "--argocd-auth-token", token, "--metrics-port", "0",
		}, args...))
	}()
	return out, func() int { cancel(); return <-code }
}

// soon waits until something is so.
func soon(t *testing.T, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it never is so")
}

// Replicas that take Applications from an Argo CD API server compete for the
// Lease of the cluster that they run in, as others do.
func TestElectionWithArgoCD(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"another replica holds the Lease", []string{"--kubeconfig", standIn(t)}, "Standing by: another replica holds the Lease"},
		{"none wanted", []string{"--kubeconfig", standIn(t), "--leader-election=false"}, "Checking 0 applications"},
		{"no cluster", []string{"--disable-kubernetes"}, "Checking 0 applications"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, stop := startRun(t, "t", append(test.args, "--health-port", "0")...)
			soon(t, func() bool { return out.has("Standing by") || out.has("Checking") })
			if code := stop(); code != exitOK || !out.has(test.want) {
				t.Errorf("exit code %d, and told\n%s", code, out.text.String())
			}
		})
	}
}

// A replica that stands by is ready if it could do the work: a rollout has to
// stop at one that may not list the Applications.
func TestStandbyIsReadyIfItCouldWork(t *testing.T) {
	for token, want := range map[string]string{"t": "200 OK", "unknown": "401"} {
		t.Run(want, func(t *testing.T) {
			port, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := port.Addr().String()
			if err := port.Close(); err != nil {
				t.Fatal(err)
			}
			out, stop := startRun(t, token, "--kubeconfig", standIn(t), "--health-probe-bind-address", address)
			soon(t, func() bool { return out.has("Standing by") })
			soon(t, func() bool {
				resp, err := http.Get("http://" + address + "/readyz")
				if err != nil {
					return false
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				return err == nil && strings.Contains(resp.Status+" "+string(text), want)
			})
			stop()
		})
	}
}
