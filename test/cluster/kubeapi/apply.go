package kubeapi

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// crds are the definitions of Argo CD's kinds.
//
//go:embed crds
var crds embed.FS

func (p *Plane) applyCRDs(ctx context.Context) error {
	for _, name := range []string{"application", "appproject"} {
		text, err := crds.ReadFile("crds/" + name + ".yaml")
		if err != nil {
			return err
		}
		if _, err := p.Apply(ctx, "", string(text)); err != nil {
			return err
		}
	}
	return nil
}

// Namespace makes a namespace whose name begins with a prefix, and returns the
// whole name. It stays until Close.
func (p *Plane) Namespace(ctx context.Context, prefix string) (string, error) {
	ns := &core.Namespace{ObjectMeta: meta.ObjectMeta{GenerateName: prefix}}
	if err := p.client.Create(ctx, ns); err != nil {
		return "", fmt.Errorf("namespace %s: %w", prefix, err)
	}
	return ns.Name, nil
}

// Apply applies each document of YAML texts on the server's side, as FieldOwner
// and by force, and returns the objects as they are then. What belongs into a
// namespace and names none goes into the given one. Of a CustomResourceDefinition
// it waits until its kinds are served. The first document that is refused ends it.
func (p *Plane) Apply(ctx context.Context, namespace string, texts ...string) ([]*unstructured.Unstructured, error) {
	var applied []*unstructured.Unstructured
	for _, text := range texts {
		documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return applied, err
			}
			object := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict(document, &object.Object); err != nil {
				return applied, fmt.Errorf("manifest: %w:\n%s", err, document)
			}
			if len(object.Object) == 0 { // comments alone
				continue
			}
			if err := p.apply(ctx, namespace, object); err != nil {
				return applied, fmt.Errorf("apply %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
			}
			applied = append(applied, object)
		}
	}
	return applied, nil
}

func (p *Plane) apply(ctx context.Context, namespace string, object *unstructured.Unstructured) error {
	if object.GetNamespace() == "" {
		namespaced, err := p.client.IsObjectNamespaced(object)
		if err != nil {
			return err
		}
		if namespaced {
			object.SetNamespace(namespace)
		}
	}
	if err := p.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.ForceOwnership); err != nil {
		return err
	}
	if object.GetKind() == "CustomResourceDefinition" {
		return p.awaitServed(ctx, object)
	}
	return nil
}

// awaitServed waits until every version of a definition can be listed. The
// condition Established comes a moment before that.
func (p *Plane) awaitServed(ctx context.Context, crd *unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		version, _, _ := unstructured.NestedString(v.(map[string]any), "name")
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(group + "/" + version)
		list.SetKind(kind + "List")
		for {
			err := p.client.List(ctx, list, client.Limit(1))
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}
