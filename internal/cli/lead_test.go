package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// Replicas that take Applications from an Argo CD API server compete for the
// Lease of the cluster that they run in, as others do.
func TestElectionWithArgoCD(t *testing.T) {
	argocd, err := argoserver.Start(argoserver.Options{Accounts: map[string]string{"t": "image-updater"}, Policy: argoserver.Policy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(argocd.Close)
	held := `{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "c21b75f2.argoproj.io", "namespace": "ours", "resourceVersion": "7"},
		"spec": {"holderIdentity": "another", "leaseDurationSeconds": 15, "acquireTime": "2026-11-22T00:00:00.000000Z", "renewTime": "2026-11-22T00:00:00.000000Z"}}`
	kubernetes := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/apis/coordination.k8s.io/v1/namespaces/ours/leases/c21b75f2.argoproj.io" {
			http.Error(w, "not expected", http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, held)
	}))
	t.Cleanup(kubernetes.Close)
	kubeconfig := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u, namespace: ours}}], clusters: [{name: c, cluster: {server: %q}}], users: [{name: u}]}", kubernetes.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(more ...string) (*buffer, func() int) {
		out := &buffer{}
		ctx, cancel := context.WithCancel(t.Context())
		code := make(chan int)
		sh := shell{out: out, err: out, env: func(string) string { return "" }}
		go func() {
			code <- sh.run(ctx, append([]string{
				"run", "--applications-api", "argocd", "--argocd-server-addr", argocd.Address(), "--argocd-auth-token", "t",
				"--health-port", "0", "--metrics-port", "0",
			}, more...))
		}()
		return out, func() int { cancel(); return <-code }
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"another replica holds the Lease", []string{"--kubeconfig", kubeconfig}, "Standing by: another replica holds the Lease"},
		{"none wanted", []string{"--kubeconfig", kubeconfig, "--leader-election=false"}, "Checking 0 applications"},
		{"no cluster", []string{"--disable-kubernetes"}, "Checking 0 applications"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, stop := run(test.args...)
			for range 500 {
				if out.has("Standing by") || out.has("Checking") {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if code := stop(); code != exitOK || !out.has(test.want) {
				t.Errorf("exit code %d, and told\n%s", code, out.text.String())
			}
		})
	}
}
