package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"argocd-image-updater/internal/itest"
	"argocd-image-updater/test/cluster/fleet"
	"argocd-image-updater/test/cluster/kubeapi"
)

// site is a fleet in a namespace of its own, with the updater installed as it is
// shipped.
type site struct {
	fleet      fleet.Fleet
	namespace  string
	registry   *itest.Registry
	kubeconfig string
	conf       string // registries.conf
}

const project = `
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default}
spec: {sourceRepos: ["*"], destinations: [{server: "*", namespace: "*"}]}
`

func (b *bench) site(ctx context.Context, c trial) (*site, error) {
	namespace, err := b.plane.Namespace(ctx, "bench-")
	if err != nil {
		return nil, err
	}
	install, err := os.ReadFile("../../manifests/install.yaml")
	if err != nil {
		return nil, fmt.Errorf("run this in test/cluster: %w", err)
	}
	if _, err := b.plane.Apply(ctx, namespace, string(install), project); err != nil {
		return nil, err
	}
	s := &site{fleet: c.fleet, namespace: namespace, kubeconfig: filepath.Join(b.dir, c.name+".kubeconfig"), conf: filepath.Join(b.dir, c.name+".conf")}
	account, err := b.plane.ServiceAccountConfig(ctx, namespace, "argocd-image-updater")
	if err != nil {
		return nil, err
	}
	if err := kubeapi.WriteKubeconfig(s.kubeconfig, account, namespace); err != nil {
		return nil, err
	}
	if err := c.fleet.Create(ctx, b.plane.Config(), namespace); err != nil {
		return nil, err
	}
	if s.registry, err = c.fleet.Registry(); err != nil {
		return nil, err
	}
	return s, os.WriteFile(s.conf, []byte(fleet.Conf(s.registry)), 0o600)
}
