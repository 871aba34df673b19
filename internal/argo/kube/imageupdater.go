package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
)

func imageUpdaters() kind[v1alpha1.ImageUpdater] {
	return kind[v1alpha1.ImageUpdater]{
		resource: v1alpha1.GroupVersion().WithResource(v1alpha1.Resource),
		decode:   nextImageUpdater,
		same: func(a, b *object[v1alpha1.ImageUpdater]) bool {
			return sameGeneration(a, b) && maps.Equal(a.Labels, b.Labels)
		},
		optional: true,
	}
}

func nextImageUpdater(from *json.Decoder) (*object[v1alpha1.ImageUpdater], error) {
	text, o, err := whole[v1alpha1.ImageUpdater](from)
	if err != nil {
		return nil, err
	}
	var wrong *json.UnmarshalTypeError
	switch err := json.Unmarshal(text, &o.value); {
	case errors.As(err, &wrong):
		o.err = fmt.Errorf("imageupdater %s: %s: a %s does not belong there: correct it", o.key(), wrong.Field, wrong.Value)
	case err != nil:
		o.err = fmt.Errorf("imageupdater %s: %w", o.key(), err)
	}
	o.value.ManagedFields = nil
	return o, nil
}

// WriteStatus replaces the status of an ImageUpdater, and nothing else of it, in
// one request. It wraps fault.ErrNotFound if the object is gone.
func (c *Client) WriteStatus(ctx context.Context, u v1alpha1.ImageUpdater) error {
	t := target{verb: "patch", resource: c.updaters.resource, namespace: u.Namespace, name: u.Name, sub: "status"}
	// A merge patch would leave what is no longer there.
	ops := []argo.Op{{Op: "add", Path: "/status", Value: u.Status}}
	_, err := c.api.call(ctx, t, &payload{string(types.JSONPatchType), ops})
	return err
}

// Release takes v1alpha1.Finalizer off an ImageUpdater, so that it can be
// deleted; other finalizers stay. It is refused if the finalizers are no longer
// those of u. That the object is gone, or has no such finalizer, is no error.
func (c *Client) Release(ctx context.Context, u v1alpha1.ImageUpdater) error {
	if !slices.Contains(u.Finalizers, v1alpha1.Finalizer) {
		return nil
	}
	const path = "/metadata/finalizers"
	rest := slices.DeleteFunc(slices.Clone(u.Finalizers), func(name string) bool { return name == v1alpha1.Finalizer })
	t := target{verb: "patch", resource: c.updaters.resource, namespace: u.Namespace, name: u.Name}
	ops := []argo.Op{{Op: "test", Path: path, Value: u.Finalizers}, {Op: "replace", Path: path, Value: rest}}
	_, err := c.api.call(ctx, t, &payload{string(types.JSONPatchType), ops})
	if errors.Is(err, fault.ErrNotFound) {
		return nil
	}
	return err
}
