// Package inside puts the rooms of the updater together in this process, as
// `run` does with a cluster, for what cannot be done to a program from outside:
// to poke it.
//
// It logs in nowhere and is told of changes by nobody.
package inside

import (
	"context"

	"argocd-image-updater/internal/argo/kube"
	"argocd-image-updater/internal/controller"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/registry"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

// Options are what a Controller needs.
type Options struct {
	Kubeconfig     string
	RegistriesConf string // its text
	Controller     controller.Options
	Report         controller.Report
	// Observe is told of each request to the API server.
	Observe func(kube.Request)
}

// Controller is one that works on the namespace of its kubeconfig; the Client is
// what it watches with, once somebody calls its Watch.
func Controller(o Options) (*controller.Controller, *kube.Client, error) {
	access, err := kube.Connect(kube.Access{Kubeconfig: o.Kubeconfig, Observe: o.Observe})
	if err != nil {
		return nil, nil, err
	}
	client, err := kube.New(access, kube.Options{Namespace: access.Namespace, Namespaces: []string{access.Namespace}})
	if err != nil {
		return nil, nil, err
	}
	registries, err := settings.ParseRegistries([]byte(o.RegistriesConf))
	if err != nil {
		return nil, nil, err
	}
	message, err := plan.CompileMessage(plan.DefaultMessage)
	if err != nil {
		return nil, nil, err
	}
	line := &update.Updater{
		Applications: client, Writer: client, Projects: client,
		Registry: port{registry.New(registry.Options{})}, Git: git.New(git.Options{}), Credentials: anonymous{},
		Options: update.Options{Namespace: access.Namespace, Registries: registries, Message: message},
	}
	return &controller.Controller{Updater: line, Cluster: cluster{client}, Report: o.Report, Options: o.Controller}, client, nil
}

// port speaks the words of update to the registry client.
type port struct{ client *registry.Client }

func (p port) Tags(ctx context.Context, at update.ImageSource) ([]string, error) {
	return p.client.Tags(ctx, registry.Target(at))
}

func (p port) Metadata(ctx context.Context, at update.ImageSource, q update.TagQuestion) (policy.Metadata, error) {
	return p.client.Metadata(ctx, registry.Target(at), registry.Question(q))
}

// anonymous logs in nowhere.
type anonymous struct{}

func (anonymous) Registry(context.Context, update.LoginQuestion) (credential.Registry, error) {
	return credential.Registry{}, nil
}

func (anonymous) Git(context.Context, plan.Location) (credential.Git, error) {
	return credential.Git{}, nil
}

// cluster keeps events to itself.
type cluster struct{ *kube.Client }

func (cluster) Event(context.Context, controller.Event) error { return nil }
