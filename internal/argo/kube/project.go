package kube

import (
	"context"
	"encoding/json"
	"fmt"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
)

// cycle are the AppProjects, by name, or why they could not be read.
type cycle struct {
	projects map[string]*object[argo.Project]
	err      error
}

func projects() kind[argo.Project] {
	return kind[argo.Project]{
		resource: argoResource("appprojects"),
		decode:   nextProject,
		same:     sameGeneration[argo.Project],
	}
}

func nextProject(from *json.Decoder) (*object[argo.Project], error) {
	text, o, err := whole[argo.Project](from)
	if err != nil {
		return nil, err
	}
	o.value, o.err = argo.DecodeProject(text)
	return o, nil
}

// Project is the AppProject of an Application, from Argo CD's namespace. All
// AppProjects are read with the first question after a List, and hold until
// the next List; that they cannot be read is an answer, too.
func (c *Client) Project(ctx context.Context, app argo.Application) (*argo.Project, error) {
	name := app.ProjectName()
	known := c.known(ctx)
	o := known.projects[name]
	switch {
	case known.err != nil:
		return nil, fmt.Errorf("application %s: project %s: %w", app.Key, name, known.err)
	case o == nil:
		return nil, fmt.Errorf("application %s: project %s: %w: there is no AppProject of that name in namespace %s: correct spec.project, or create it", app.Key, name, fault.ErrNotFound, c.namespace)
	case o.err != nil:
		return nil, fmt.Errorf("application %s: project %s: %w", app.Key, name, o.err)
	}
	return &o.value, nil
}

func (c *Client) known(ctx context.Context) *cycle {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cycle != nil {
		return c.cycle
	}
	found := &cycle{projects: map[string]*object[argo.Project]{}}
	objects, _, err := c.projects.everything(ctx)
	found.err = err
	for _, o := range objects {
		found.projects[o.Name] = o
	}
	if ctx.Err() == nil { // else it is the question that was given up
		c.cycle = found
	}
	return found
}
