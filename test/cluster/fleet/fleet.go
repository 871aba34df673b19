// Package fleet fills a namespace with Applications: as many as a test or a
// benchmark wants, each with a status as large as those of grown ones.
//
// What it makes depends on its fields alone, so that two runs measure the same.
// It makes no registry and no Git repository: [Fleet.Tags] says what a registry
// of the fleet has to know.
package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"argocd-image-updater/internal/itest"
)

// Host is the registry as the Applications call it.
const Host = "registry.example.com"

// Fleet is a number of Applications of one namespace. Each deploys a Helm chart
// with some images, is annotated so that the updater follows them, and keeps the
// default write-back method.
type Fleet struct {
	Namespace    string
	Applications int
	Images       int // of each Application
	Repositories int // of images, which the Applications share; 0 is one for each image
	// Version is the patch number of the tags that run: 1.0.<Version>.
	Version int
	// StatusBytes is how large the status is as JSON; it is never less than
	// what the updater reads of it, and short of this by one resource at most.
	StatusBytes int
}

// Name is the name of the nth Application, counted from 0.
func (Fleet) Name(n int) string { return fmt.Sprintf("app-%05d", n) }

// Repository is the image repository, without Host, of an image of the nth
// Application.
func (f Fleet) Repository(n, image int) string {
	i := n*f.Images + image
	if f.Repositories > 0 {
		i %= f.Repositories
	}
	return fmt.Sprintf("team/service-%05d", i)
}

// Tags answers for the registry: the tags 1.0.0 to 1.0.<tags-1> of every
// repository.
func (f Fleet) Tags(tags int) itest.TagServer {
	server := itest.TagServer{Tags: map[string][]string{}}
	var names []string
	for v := range tags {
		names = append(names, fmt.Sprintf("1.0.%d", v))
	}
	for n := range f.Applications {
		for i := range f.Images {
			server.Tags[f.Repository(n, i)] = names
		}
	}
	return server
}

// Create creates the Applications, several at the same time. The first that is
// refused ends it.
func (f Fleet) Create(ctx context.Context, config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.GroupVersion = &schema.GroupVersion{Group: "argoproj.io", Version: "v1alpha1"}
	config.APIPath = "/apis"
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for n := range f.Applications {
		group.Go(func() error {
			body, err := json.Marshal(f.application(n))
			if err != nil {
				return err
			}
			err = client.Post().Namespace(f.Namespace).Resource("applications").Body(body).Do(ctx).Error()
			if err != nil {
				return fmt.Errorf("create Application %s/%s: %w", f.Namespace, f.Name(n), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// object is a part of a manifest.
type object = map[string]any

func (f Fleet) application(n int) object {
	const prefix = "argocd-image-updater.argoproj.io/"
	annotations := object{}
	var list []string
	var parameters []object
	for i := range f.Images {
		list = append(list, fmt.Sprintf("i%d=%s/%s:1.x", i, Host, f.Repository(n, i)))
		name, tag := fmt.Sprintf("image%d.name", i), fmt.Sprintf("image%d.tag", i)
		annotations[fmt.Sprintf("%si%d.helm.image-name", prefix, i)] = name
		annotations[fmt.Sprintf("%si%d.helm.image-tag", prefix, i)] = tag
		parameters = append(parameters,
			object{"name": name, "value": Host + "/" + f.Repository(n, i)},
			object{"name": tag, "value": f.tag()})
	}
	annotations[prefix+"image-list"] = strings.Join(list, ", ")
	source := object{
		"repoURL":        "https://git.example.com/team/config.git",
		"targetRevision": "main",
		"path":           "charts/" + f.Name(n),
		"helm":           object{"parameters": parameters},
	}
	return object{
		"apiVersion": "argoproj.io/v1alpha1",
		"kind":       "Application",
		"metadata":   object{"name": f.Name(n), "namespace": f.Namespace, "annotations": annotations},
		"spec": object{
			"project":     "default",
			"destination": object{"server": "https://kubernetes.default.svc", "namespace": f.Name(n)},
			"source":      source,
			"syncPolicy":  object{"automated": object{"prune": true, "selfHeal": true}},
		},
		"status": f.status(n, source),
	}
}

func (f Fleet) tag() string { return fmt.Sprintf("1.0.%d", f.Version) }
