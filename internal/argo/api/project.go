package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
)

// window is a sync window as the server tells it, without its time zone
// (ApplicationSyncWindow of the gateway).
type window struct {
	Kind       string `json:"kind"`
	Schedule   string `json:"schedule"`
	Duration   string `json:"duration"`
	ManualSync bool   `json:"manualSync"`
}

// Project gives what limits an Application, as far as the server tells it to an
// account that may get it: the sync windows that match it. Which repositories
// its project allows is left to Argo CD, so all are permitted.
//
// The server does not tell the time zones of windows, and does tell which of
// them are active now. A window for which that is not so in UTC is put into the
// nearest whole-hour zone in which it is. So whether an Application is held
// back is answered as Argo CD answers it; the time at which that ends may be
// off where a window has a time zone.
func (c *Client) Project(ctx context.Context, app argo.Application) (*argo.Project, error) {
	q := c.about(app.Key, "read sync windows of", "syncwindows")
	text, err := c.read(ctx, q)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Assigned []window `json:"assignedWindows"`
		Active   []window `json:"activeWindows"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, c.broken(q, err)
	}
	active := map[window]int{}
	for _, w := range answer.Active {
		active[w]++
	}
	spec := argo.ProjectSpec{SourceRepos: []string{"*"}}
	now := c.options.Clock()
	for _, w := range answer.Assigned {
		placed, ok := w.place(now, active[w] > 0)
		if !ok {
			return nil, c.failure(q, fault.ErrUnavailable, "window %s %q for %s: active: %t is not so in any time zone", w.Kind, w.Schedule, w.Duration, active[w] > 0)
		}
		active[w]--
		spec.SyncWindows = append(spec.SyncWindows, placed)
	}
	p := argo.CompileProject(argo.Key{Name: project(app)}, spec)
	return &p, nil
}

// place puts a window into the first zone in which it is active, or not, at a
// time: UTC, else one that differs from it by as few hours as possible.
func (w window) place(at time.Time, active bool) (argo.SyncWindow, bool) { //nolint:revive // it is what to find and no switch
	placed := argo.SyncWindow{Kind: w.Kind, Schedule: w.Schedule, Duration: w.Duration, Applications: []string{"*"}} // it matches already
	for _, zone := range zones() {
		placed.TimeZone = zone
		if isActive(placed, at) == active {
			return placed, true
		}
	}
	return argo.SyncWindow{}, false
}

// zones are the whole-hour time zones, UTC first and the far ones last. A minus
// is east in these names.
func zones() []string {
	list := []string{""}
	for hours := 1; hours <= 14; hours++ {
		list = append(list, fmt.Sprintf("Etc/GMT-%d", hours))
		if hours <= 12 {
			list = append(list, fmt.Sprintf("Etc/GMT+%d", hours))
		}
	}
	return list
}

// isActive asks a project that has only this window: a deny window forbids when
// it is active, an allow window when it is not. One that does not compile
// forbids, as it does for Argo CD.
func isActive(w argo.SyncWindow, at time.Time) bool {
	one := argo.CompileProject(argo.Key{}, argo.ProjectSpec{SyncWindows: []argo.SyncWindow{w}})
	_, _, forbidden := one.Forbids(argo.Application{}, at)
	return forbidden == (w.Kind == "deny")
}
