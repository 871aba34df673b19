package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/settings"
)

// refreshAnnotation asks Argo CD to compare an Application now; it takes the
// annotation away again (Argo CD documentation, "Annotations and Labels used
// by Argo CD").
const refreshAnnotation = "argocd.argoproj.io/refresh"

func argoResource(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: resource}
}

// applications are those that the options admit.
func applications(o Options) kind[argo.Application] {
	admits := func(key argo.Key) bool {
		return len(o.Names) == 0 || slices.ContainsFunc(o.Names, func(glob string) bool {
			ok, err := path.Match(glob, key.Name)
			return ok && err == nil
		})
	}
	return kind[argo.Application]{
		resource: argoResource("applications"),
		decode:   nextApplication,
		selector: o.Labels,
		admits:   admits,
		same:     sameApplication,
	}
}

func nextApplication(from *json.Decoder) (*object[argo.Application], error) {
	app, err := argo.DecodeNext(from)
	var malformed *argo.MalformedError
	if err != nil && !errors.As(err, &malformed) {
		return nil, err
	}
	return kept(trimmed(app), err), nil
}

// kept is an Application as it is kept in memory.
func kept(app argo.Application, err error) *object[argo.Application] {
	meta := metav1.ObjectMeta{Namespace: app.Namespace, Name: app.Name, ResourceVersion: app.ResourceVersion}
	return &object[argo.Application]{ObjectMeta: meta, value: app, err: err}
}

// trimmed leaves out the annotations of others: they can be long, and change
// often.
func trimmed(app argo.Application) argo.Application {
	maps.DeleteFunc(app.Annotations, func(key, _ string) bool { return !strings.HasPrefix(key, settings.Prefix) })
	return app
}

// sameApplication reports whether nothing that we read differs but the version.
func sameApplication(a, b *object[argo.Application]) bool {
	was, is := a.value, b.value
	was.ResourceVersion = is.ResourceVersion
	return reflect.DeepEqual(was, is)
}

func (c *Client) application(verb string, key argo.Key) target {
	return target{verb: verb, resource: c.applications.resource, namespace: key.Namespace, name: key.Name}
}

// Get reads one Application from the server.
func (c *Client) Get(ctx context.Context, key argo.Key) (argo.Application, error) {
	return c.callForApplication(ctx, c.application("get", key), nil)
}

// Patch applies all of a patch or nothing, and returns the Application as it
// then is. It wraps fault.ErrLostRace if the Application is not the version that
// the patch was made from, and fault.ErrRefused if the server does not want
// what came out.
func (c *Client) Patch(ctx context.Context, p argo.Patch) (argo.Application, error) {
	// An object that is written with another version than it has is refused with
	// a conflict (Kubernetes API conventions, "Concurrency Control and
	// Consistency").
	ops := append([]argo.Op{{Op: "replace", Path: "/metadata/resourceVersion", Value: p.ResourceVersion}}, p.Ops...)
	app, err := c.callForApplication(ctx, c.application("patch", p.App), &payload{string(types.JSONPatchType), ops})
	// A path that is no longer there is refused before the versions are compared.
	if code(err) == http.StatusUnprocessableEntity {
		now, again := c.Get(ctx, p.App)
		if again != nil {
			return argo.Application{}, again
		}
		if now.ResourceVersion != p.ResourceVersion {
			return argo.Application{}, fmt.Errorf("patch application %s: %w: it changed since it was read", p.App, fault.ErrLostRace)
		}
	}
	if err == nil {
		c.applications.wrote(p.ResourceVersion, kept(app, nil))
	}
	return app, err
}

// Refresh asks Argo CD to look at the Application's repositories now.
func (c *Client) Refresh(ctx context.Context, key argo.Key) error {
	annotation := map[string]any{"metadata": map[string]any{"annotations": map[string]string{refreshAnnotation: "normal"}}}
	_, err := c.api.call(ctx, c.application("patch", key), &payload{string(types.MergePatchType), annotation})
	return err
}

func (c *Client) callForApplication(ctx context.Context, t target, p *payload) (argo.Application, error) {
	text, err := c.api.call(ctx, t, p)
	if err != nil {
		return argo.Application{}, err
	}
	app, err := argo.DecodeObject(text)
	var malformed *argo.MalformedError
	switch {
	case errors.As(err, &malformed):
		return argo.Application{}, err
	case err != nil:
		return argo.Application{}, t.explain(err)
	}
	return trimmed(app), nil
}
