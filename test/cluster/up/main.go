// Command up starts a control plane to play with: the API server of the tests
// with the shipped manifests and some Applications in the namespace argocd, and
// beside it a registry and a Git server. It goes on until it is interrupted, and
// leaves nothing behind. No Pod runs there; the updater is started by hand.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster/kubeapi"
)

const (
	namespace = "argocd"
	account   = "argocd-image-updater"
	password  = "not-a-secret" // of the Git server
)

// sample is what stands in the namespace besides the shipped manifests.
//
//go:embed sample.yaml
var sample string

// images are the tags that the registry has.
var images = map[string][]string{
	"team/api":    {"2.3.0", "2.4.0", "latest"},
	"team/web":    {"1.2.0", "1.3.0", "1.4.0-rc1", "2.0.0"},
	"team/worker": {"v5.0.0", "v5.1.0"},
}

// files are what the repository deploy holds.
var files = map[string]string{
	"api/kustomization.yaml": "resources: [deployment.yaml]\nimages:\n- name: registry.example.com/team/api\n  newTag: 2.3.0   # what runs\n",
	"web/Chart.yaml":         "apiVersion: v2\nname: web\nversion: 0.1.0\n",
	"worker/Chart.yaml":      "apiVersion: v2\nname: worker\nversion: 0.1.0\n",
	"worker/values.yaml":     "# What the workers run.\nimage:\n  name: registry.example.com/team/worker\n  tag: v5.0.0\nreplicas: 3\n",
}

const usage = `A control plane is running, with the shipped manifests and three Applications in the namespace argocd:

  export KUBECONFIG=%[1]s/admin
  kubectl get applications,imageupdaters

No Pod runs there. In its place, as its ServiceAccount (the token is good for an hour):

  export AS_UPDATER="--kubeconfig %[1]s/updater --registries-conf-path %[1]s/registries.conf"
  bin/argocd-image-updater plan $AS_UPDATER
  bin/argocd-image-updater run $AS_UPDATER

What it pushed, and a new tag for it:

  git -C %[1]s/git/deploy.git log -p main
  bin/argocd-image-updater demo push %[2]s/team/api:2.5.0

Interrupt this one to end it.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "argocd-image-updater-up-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	registry, err := startRegistry(ctx, filepath.Join(dir, "registries.conf"))
	if err != nil {
		return err
	}
	defer registry.Close()
	git, err := startGit(filepath.Join(dir, "git"))
	if err != nil {
		return err
	}
	defer git.Close()
	programs, err := kubeapi.Build(ctx, os.Stderr)
	if err != nil {
		return err
	}
	plane, err := kubeapi.Start(ctx, programs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plane.Close()) }()
	if err := install(ctx, plane, git); err != nil {
		return err
	}
	if err := writeKubeconfigs(ctx, plane, dir); err != nil {
		return err
	}
	fmt.Printf(usage, dir, registry.Host())
	<-ctx.Done()
	return nil
}

// startRegistry starts a registry that serves the images of
// registry.example.com, if the registries.conf that it writes says so.
func startRegistry(ctx context.Context, conf string) (*itest.Registry, error) {
	registry, err := itest.StartRegistry(itest.RegistryOptions{})
	if err != nil {
		return nil, err
	}
	pusher := itest.Pusher{Transport: registry.Transport()}
	for repository, tags := range images {
		for _, tag := range tags {
			if _, err := pusher.Push(ctx, registry.Host()+"/"+repository+":"+tag, itest.Image{}); err != nil {
				return nil, err
			}
		}
	}
	text := "registries:\n- name: Example\n  prefix: registry.example.com\n  api_url: " + registry.URL() + "\n"
	return registry, os.WriteFile(conf, []byte(text), 0o600)
}

// startGit starts a Git server over HTTPS that asks for a login, with one
// repository.
func startGit(root string) (*itest.GitServer, error) {
	git, err := itest.StartGit(itest.GitOptions{Root: root, TLS: true, Username: "bot", Password: password})
	if err != nil {
		return nil, err
	}
	repo, err := git.Init("deploy")
	if err != nil {
		return nil, err
	}
	return git, repo.Commit(itest.Commit{Files: files})
}

// install applies the shipped manifests and the sample.
func install(ctx context.Context, plane *kubeapi.Plane, git *itest.GitServer) error {
	shipped, err := os.ReadFile("../../manifests/install.yaml")
	if err != nil {
		return fmt.Errorf("run it in test/cluster: %w", err)
	}
	values := map[string]string{
		"GIT_URL":  strings.TrimSuffix(git.URL(""), "/.git"),
		"PASSWORD": password,
		"CA":       strconv.Quote(string(git.CA())), // which YAML reads, too
	}
	expanded := os.Expand(sample, func(name string) string { return values[name] })
	own := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + "}\n"
	_, err = plane.Apply(ctx, namespace, own, string(shipped), expanded)
	return err
}

// writeKubeconfigs writes admin, and updater, which acts as the ServiceAccount
// of the shipped manifests.
func writeKubeconfigs(ctx context.Context, plane *kubeapi.Plane, dir string) error {
	updater, err := plane.ServiceAccountConfig(ctx, namespace, account)
	if err != nil {
		return err
	}
	return errors.Join(
		kubeapi.WriteKubeconfig(filepath.Join(dir, "admin"), plane.Config(), namespace),
		kubeapi.WriteKubeconfig(filepath.Join(dir, "updater"), updater, namespace),
	)
}
