package kube

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
)

// object is a Secret or ConfigMap as the API server writes it.
type object struct {
	Metadata struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Type string `json:"type"`
}

type secret struct {
	object
	Data map[string][]byte `json:"data"`
}

func (s secret) credential() credential.Object {
	return credential.Object{
		Key:  argo.Key{Namespace: s.Metadata.Namespace, Name: s.Metadata.Name},
		Type: s.Type, Labels: s.Metadata.Labels, Data: s.Data,
	}
}

// secret reads one Secret.
func (s *Source) secret(ctx context.Context, key argo.Key) (credential.Object, error) {
	return s.memory().secrets.get(ctx, key, func(ctx context.Context) (credential.Object, error) {
		var found secret
		err := s.api.get(ctx, target{verb: "get", resource: "secrets", namespace: key.Namespace, name: key.Name}, nil, &found)
		if err != nil {
			return credential.Object{}, err
		}
		return found.credential(), nil
	})
}

// repositories reads all that Argo CD has for repositories.
func (s *Source) repositories(ctx context.Context) (credential.Repositories, error) {
	namespace := s.options.ArgoCD
	return s.memory().repositories.get(ctx, namespace, func(ctx context.Context) (credential.Repositories, error) {
		var list struct {
			Items []secret `json:"items"`
		}
		err := s.api.get(ctx, target{verb: "list", resource: "secrets", namespace: namespace}, url.Values{"labelSelector": {credential.RepositorySelector}}, &list)
		if errors.Is(err, fault.ErrDenied) {
			err = fmt.Errorf("%w; or name a Secret of the Application's namespace with write-back-method: git:secret:<name>", err)
		}
		if err != nil {
			return credential.Repositories{}, fmt.Errorf("credentials that Argo CD has for repositories: %w", err)
		}
		objects := make([]credential.Object, 0, len(list.Items))
		for _, item := range list.Items {
			objects = append(objects, item.credential())
		}
		return credential.NewRepositories(objects), nil
	})
}

// configMap reads a ConfigMap of Argo CD's; one that does not exist has no keys.
func (s *Source) configMap(ctx context.Context, name string) (map[string]string, error) {
	key := argo.Key{Namespace: s.options.ArgoCD, Name: name}
	return s.memory().configMaps.get(ctx, key, func(ctx context.Context) (map[string]string, error) {
		var found struct {
			object
			Data map[string]string `json:"data"`
		}
		err := s.api.get(ctx, target{verb: "get", resource: "configmaps", namespace: key.Namespace, name: key.Name}, nil, &found)
		if errors.Is(err, fault.ErrNotFound) {
			return nil, nil
		}
		return found.Data, err
	})
}
