package kube

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
)

// Argo CD's ConfigMaps of whom to trust (declarative setup, Repositories using
// self-signed TLS certificates, and SSH known host public keys).
const (
	hostsMap = "argocd-ssh-known-hosts-cm"
	hostsKey = "ssh_known_hosts"
	certsMap = "argocd-tls-certs-cm" // by host, without port
)

// trust adds to a login whom to trust.
func (s *Source) trust(ctx context.Context, url string, login credential.Git) (credential.Git, error) {
	if login.Insecure {
		return login, nil
	}
	switch at := argo.ParseAddress(url); at.Protocol {
	case "ssh":
		m, err := s.configMap(ctx, hostsMap)
		if err != nil {
			return credential.Git{}, fmt.Errorf("known hosts: %w", err)
		}
		login.KnownHosts = []byte(m[hostsKey]) // never nil: files of the machine are not for us
		login.TrustFrom = fmt.Sprintf("key %s of ConfigMap %s/%s", hostsKey, s.options.ArgoCD, hostsMap)
	case "https":
		pem, from, err := s.authority(ctx, at.Host())
		if err != nil {
			return credential.Git{}, err
		}
		login.TrustFrom = from
		if pem != "" {
			login.CA = []byte(pem)
		}
	}
	return login, nil
}

// Authority gives the PEM certificates that Argo CD trusts for the host of a
// URL, besides the system's; "" if there are none, or if they may not be read.
func (s *Source) Authority(ctx context.Context, url string) (string, error) {
	pem, _, err := s.authority(ctx, argo.ParseAddress(url).Host())
	return pem, err
}

// authority tells as well where the certificates of the host belong. To trust
// nobody more where they may not be read is safe, and most servers have
// certificates of public authorities; who has not is told then.
func (s *Source) authority(ctx context.Context, host string) (pem, from string, err error) {
	m, err := s.configMap(ctx, certsMap)
	from = fmt.Sprintf("key %s of ConfigMap %s/%s", host, s.options.ArgoCD, certsMap)
	if errors.Is(err, fault.ErrDenied) {
		return "", fmt.Sprintf("%s, which may not be read: %s", from, s.certsTarget().grant()), nil
	}
	if err != nil {
		return "", "", fmt.Errorf("certificates of %s: %w", host, err)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !strings.EqualFold(key, host) {
			continue
		}
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(m[key])) {
			return "", "", fmt.Errorf("%s holds no PEM certificate", from)
		}
		return m[key], from, nil
	}
	return "", from, nil
}

func (s *Source) certsTarget() target {
	return target{verb: "get", resource: "configmaps", namespace: s.options.ArgoCD, name: certsMap}
}
