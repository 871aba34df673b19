// Package fleet makes large fleets in a control plane, for benchmarks and for
// tests that count: many Applications with a status as long as those of real
// ones, and a registry that knows their images.
//
// Its registry answers tag lists alone; nothing can be pushed to it.
package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"argocd-image-updater/internal/itest"
)

// Host is the registry as the Applications call it.
const Host = "reg.example.com"

// Fleet is how large a fleet is, and what it needs.
type Fleet struct {
	Applications int
	Images       int // of each Application
	Repositories int // of images; each is used by many Applications
	Tags         int // of each repository: 1.0.0 to 1.0.<n-1>
	Status       int // about how many bytes the status of each has
	Outdated     int // so many of the Applications have the tag before the last
	// Latency is how long the registry takes to answer.
	Latency time.Duration
}

// Registry starts a registry that knows the images of a fleet.
func (f Fleet) Registry() (*itest.Registry, error) {
	tags := itest.TagServer{Tags: map[string][]string{}}
	for r := range f.Repositories {
		name := fmt.Sprintf("team/service-%03d", r)
		for t := range f.Tags {
			tags.Tags[name] = append(tags.Tags[name], fmt.Sprintf("1.0.%d", t))
		}
	}
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(f.Latency)
		tags.ServeHTTP(w, r)
	})
	return itest.StartRegistry(itest.RegistryOptions{Handler: slow})
}

// Conf is the registries.conf that leads to a registry, without a limit of
// requests in a second.
func Conf(registry *itest.Registry) string {
	return fmt.Sprintf("registries:\n- {name: fleet, prefix: %s, api_url: %q, limit: 0}\n", Host, registry.URL())
}

// Name is the name of an Application of a fleet.
func Name(i int) string { return fmt.Sprintf("app-%05d", i) }

// Create creates the Applications in a namespace.
func (f Fleet) Create(ctx context.Context, config *rest.Config, namespace string) error {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	url := fmt.Sprintf("%s/apis/argoproj.io/v1alpha1/namespaces/%s/applications", config.Host, namespace)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range f.Applications {
		g.Go(func() error { return post(ctx, client, url, f.application(i)) })
	}
	return g.Wait()
}

func post(ctx context.Context, client *http.Client, url string, object any) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("POST %s: %s: %s", url, resp.Status, answer)
	}
	return err
}

type object = map[string]any

// application is a Helm Application that follows its images.
func (f Fleet) application(i int) object {
	const prefix = "argocd-image-updater.argoproj.io/"
	tag := f.Tags - 1
	if i < f.Outdated {
		tag--
	}
	annotations := object{}
	var list, live []string
	var parameters []object
	for img := range f.Images {
		name := fmt.Sprintf("%s/team/service-%03d", Host, (i*f.Images+img)%f.Repositories)
		alias := fmt.Sprintf("i%d", img)
		list = append(list, fmt.Sprintf("%s=%s:1.x", alias, name))
		live = append(live, fmt.Sprintf("%s:1.0.%d", name, tag))
		annotations[prefix+alias+".helm.image-name"] = alias + ".name"
		annotations[prefix+alias+".helm.image-tag"] = alias + ".tag"
		parameters = append(parameters,
			object{"name": alias + ".name", "value": name, "forceString": true},
			object{"name": alias + ".tag", "value": fmt.Sprintf("1.0.%d", tag), "forceString": true})
	}
	annotations[prefix+"image-list"] = strings.Join(list, ", ")
	status := object{"sourceType": "Helm", "summary": object{"images": live}, "sync": object{"status": "Synced"}}
	if resources := f.resources(); len(resources) > 0 {
		status["resources"] = resources
	}
	return object{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": object{"name": Name(i), "annotations": annotations},
		"spec": object{
			"project":     "default",
			"destination": object{"server": "https://kubernetes.default.svc", "namespace": "web"},
			"source": object{
				"repoURL": "https://git.example.com/team/config.git", "path": "chart", "targetRevision": "main",
				"helm": object{"parameters": parameters},
			},
		},
		"status": status,
	}
}

// resources fill a status up, as those that Argo CD has deployed do.
func (f Fleet) resources() []object {
	var out []object
	for size := 0; size < f.Status; size += 190 {
		out = append(out, object{
			"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "production", "status": "Synced",
			"name":   fmt.Sprintf("a-deployment-with-a-name-as-long-as-they-are-in-the-field-%03d", size/190),
			"health": object{"status": "Healthy"},
		})
	}
	return out
}
