package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-logr/logr"
	kubelog "sigs.k8s.io/controller-runtime/pkg/log"

	"argocd-image-updater/test/cluster/kubeapi"
)

// Suite is what the tests of a binary share.
type Suite struct {
	Plane *kubeapi.Plane

	servers kubeapi.Binaries
	program func() (string, error) // builds it once
}

// Main runs the tests of a binary, a [testing.M], and returns the code to exit
// with. Before, it puts a suite where the tests look for it. The suite ends with
// the tests, or when the binary is interrupted.
func Main(tests interface{ Run() int }, suite **Suite) int {
	kubelog.SetLogger(logr.Discard()) // else it writes a stack that nobody set one
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "argocd-image-updater-suite-")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(dir)
	servers, err := kubeapi.Build(ctx, os.Stderr)
	if err != nil {
		return failed(err)
	}
	plane, err := kubeapi.Start(ctx, servers)
	if err != nil {
		return failed(err)
	}
	*suite = &Suite{
		Plane:   plane,
		servers: servers,
		program: sync.OnceValues(func() (string, error) { return buildProgram(ctx, dir) }),
	}
	code := make(chan int, 1)
	go func() { code <- tests.Run() }()
	select {
	case c := <-code:
		if err = plane.Close(); err == nil {
			return c
		}
	case <-ctx.Done():
		err = errors.Join(errors.New("interrupted"), plane.Close())
	}
	return failed(err)
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// Alone is the suite with a control plane that no other test uses, for a test
// that stops the API server or looks at all namespaces. It takes some seconds.
func (s *Suite) Alone(t testing.TB) *Suite {
	t.Helper()
	plane, err := kubeapi.Start(t.Context(), s.servers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Close(); err != nil {
			t.Error(err)
		}
	})
	alone := *s
	alone.Plane = plane
	return &alone
}

// buildProgram builds the updater as its own module says, with the versions
// that it is shipped with.
func buildProgram(ctx context.Context, dir string) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "argocd-image-updater").Output()
	if err != nil {
		return "", fmt.Errorf("folder of the updater's module: %w", err)
	}
	path := filepath.Join(dir, "argocd-image-updater")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/argocd-image-updater")
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the updater: %w\n%s", err, out)
	}
	return path, nil
}
