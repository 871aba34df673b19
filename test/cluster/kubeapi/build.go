package kubeapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Binaries are the paths of the servers' programs.
type Binaries struct{ APIServer, Etcd string }

// The packages that the programs are built from. go build names a program
// after the last element of its package that is no version.
const (
	kubernetes    = "k8s.io/kubernetes"
	etcd          = "go.etcd.io/etcd/server/v3"
	apiServerFile = "kube-apiserver"
	etcdFile      = "server"
)

// Build builds the servers, or finds them as they were built before: they are
// kept in a folder of the user's cache that is named after their versions. A
// first build takes minutes; said tells where they are put, if they are not there.
func Build(ctx context.Context, said io.Writer) (Binaries, error) {
	source, err := sourceDir(ctx)
	if err != nil {
		return Binaries{}, err
	}
	versions, err := output(ctx, source, "list", "-m", "-f", "{{.Version}}", kubernetes, etcd)
	if err != nil {
		return Binaries{}, err
	}
	kubeVersion, etcdVersion, _ := strings.Cut(versions, "\n")
	cache, err := os.UserCacheDir()
	if err != nil {
		return Binaries{}, fmt.Errorf("folder for the API server's program: %w", err)
	}
	dir := filepath.Join(cache, "argocd-image-updater", fmt.Sprintf("kubernetes-%s-etcd-%s-%s-%s-%s",
		kubeVersion, etcdVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH))
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(said, "building kube-apiserver %s and etcd %s into %s; this takes a few minutes, once\n", kubeVersion, etcdVersion, dir)
		err = build(ctx, source, dir, kubeVersion)
		if err != nil {
			return Binaries{}, err
		}
	}
	return Binaries{APIServer: filepath.Join(dir, apiServerFile), Etcd: filepath.Join(dir, etcdFile)}, nil
}

// build builds into a folder beside dir first, so that dir is there whole or
// not at all, whoever else builds at the same time.
func build(ctx context.Context, source, dir, version string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "building-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	// The API server announces the version that its linker was told.
	major, minor, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	const told = "-X k8s.io/component-base/version."
	flags := strings.Join([]string{"-s -w", told + "gitVersion=" + version, told + "gitMajor=" + major, told + "gitMinor=" + minor}, " ")
	if _, err := output(ctx, source, "build", "-trimpath", "-ldflags", flags, "-o", tmp+"/", kubernetes+"/cmd/kube-apiserver", etcd); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep the API server's program: %w", err)
	}
	return nil
}

// sourceDir is the folder of the module that pins the servers.
func sourceDir(ctx context.Context) (string, error) {
	root, err := output(ctx, "", "list", "-m", "-f", "{{.Dir}}", "argocd-image-updater")
	return filepath.Join(root, "test", "cluster", "apiserver"), err
}

// output is what the go command prints when it is run in a folder; "" is the
// present one.
func output(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // one program for machines with a C compiler and without
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s in %s: %w\n%s", args[0], dir, err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}
