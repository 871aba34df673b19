package api

import (
	"context"
	"encoding/json"
	"slices"

	"argocd-image-updater/internal/argo"
)

// Project gives what limits an Application, as far as the server tells it to an
// account that may get it: the sync windows that match it, and which of them
// are active now. It does not tell their time zones, so nobody can say when that
// changes. Which repositories its project allows is left to Argo CD, so all are.
func (c *Client) Project(ctx context.Context, app argo.Application) (*argo.Project, error) {
	q := c.about(app.Key, "read sync windows of", "syncwindows")
	text, err := c.read(ctx, q)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Active   []toldWindow `json:"activeWindows"`
		Assigned []toldWindow `json:"assignedWindows"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, c.broken(q, err)
	}
	spec := argo.ProjectSpec{SourceRepos: []string{"*"}, SourceNamespaces: []string{"*"}}
	for _, w := range answer.Assigned {
		i := slices.Index(answer.Active, w)
		active := i >= 0
		if active {
			answer.Active = slices.Delete(answer.Active, i, i+1) // the next that reads the same may be in another zone
		}
		spec.SyncWindows = append(spec.SyncWindows, argo.SyncWindow{
			Kind: w.Kind, Schedule: w.Schedule, Duration: w.Duration, Active: &active,
			Applications: []string{"*"}, // it matches already
		})
	}
	p := argo.CompileProject(argo.Key{Name: app.ProjectName()}, spec)
	return &p, nil
}

// toldWindow is a sync window as the server tells it.
type toldWindow struct {
	Kind       string `json:"kind"`
	Schedule   string `json:"schedule"`
	Duration   string `json:"duration"`
	ManualSync bool   `json:"manualSync"`
}
