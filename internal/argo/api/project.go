package api

import (
	"context"
	"encoding/json"

	"argocd-image-updater/internal/argo"
)

// Project gives what limits an Application, as far as the server tells it to an
// account that may get it: the sync windows that match it. Which repositories
// its project allows is left to Argo CD, so SourceRepos allow all.
func (c *Client) Project(ctx context.Context, app argo.Application) (*argo.Project, error) {
	q := c.about(app.Key, "read sync windows of", "syncwindows")
	text, err := c.read(ctx, q)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Assigned []argo.SyncWindow `json:"assignedWindows"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, c.broken(q, err)
	}
	for i := range answer.Assigned {
		answer.Assigned[i].Applications = []string{"*"} // they match already
	}
	p := argo.CompileProject(argo.Key{Name: project(app)}, argo.ProjectSpec{SourceRepos: []string{"*"}, SyncWindows: answer.Assigned})
	return &p, nil
}
