package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
)

// Get reads an Application afresh: the server asks Kubernetes, and nothing on
// the way keeps copies.
func (c *Client) Get(ctx context.Context, key argo.Key) (argo.Application, error) {
	return c.application(ctx, c.about(key, "get"))
}

// patchBody is ApplicationPatchRequest of the gateway.
type patchBody struct {
	Name         string `json:"name"`
	Patch        string `json:"patch"` // the operations, in JSON
	PatchType    string `json:"patchType"`
	AppNamespace string `json:"appNamespace,omitempty"`
	Project      string `json:"project,omitempty"`
}

// Patch applies a patch if the Application is still the version that it was
// made from, which the patch itself tests. The account needs get and update.
//
// The server works on a patch for a while: it reads the Application, applies
// the patch, asks its repository server whether the result is valid, and then
// writes spec, labels, annotations and finalizers anew over whatever is there.
// So, unlike a patch through Kubernetes, fields that the server's version of
// Argo CD does not know are lost, and so is what somebody else changes in the
// spec within that while.
func (c *Client) Patch(ctx context.Context, p argo.Patch) (argo.Application, error) {
	ops := append([]argo.Op{{Op: "test", Path: "/metadata/resourceVersion", Value: p.ResourceVersion}}, p.Ops...)
	text, err := json.Marshal(ops)
	if err != nil {
		return argo.Application{}, fmt.Errorf("patch application %s: %w", p.App, err)
	}
	q := c.about(p.App, "patch")
	q.method, q.right = http.MethodPatch, "update"
	q.body = patchBody{
		Name: p.App.Name, Patch: string(text), PatchType: "json",
		AppNamespace: p.App.Namespace, Project: q.project,
	}
	q.query = nil
	app, err := c.application(ctx, q)
	if err != nil {
		return argo.Application{}, c.whyRefused(ctx, p, err)
	}
	return app, nil
}

// whyRefused finds out whether a patch was refused because the Application is
// another version, or does not exist. The server has no word of its own for a
// test that fails: it is the same 500 as an accident, so the version is looked
// at; and what does not exist may be a 403.
func (c *Client) whyRefused(ctx context.Context, p argo.Patch, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	switch f.status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusInternalServerError:
	default:
		return err
	}
	now, getErr := c.Get(ctx, p.App)
	switch {
	case errors.Is(getErr, fault.ErrNotFound):
		return getErr
	case getErr != nil, now.ResourceVersion == p.ResourceVersion, f.status == http.StatusForbidden:
		return err
	}
	return &failure{
		text: fmt.Sprintf("patch application %s at %s: it was changed meanwhile: version %s is wanted and %s is there", p.App, c.base.Host, p.ResourceVersion, now.ResourceVersion),
		fact: fault.ErrLostRace,
	}
}

// refreshMark is the annotation by which the server asks Argo CD to look; it is
// gone when Argo CD has looked.
const refreshMark = "argocd.argoproj.io/refresh"

// Refresh asks Argo CD to look at the Application's repositories now. The server
// answers when that is done; a look that takes longer than Options.RefreshWait
// is left to itself once its mark is seen. The account needs get.
func (c *Client) Refresh(ctx context.Context, key argo.Key) error {
	wait, cancel := context.WithTimeout(ctx, c.options.RefreshWait)
	defer cancel()
	q := c.about(key, "refresh")
	q.query.Set("refresh", "normal")
	_, err := c.application(wait, q)
	if err == nil || wait.Err() == nil || ctx.Err() != nil {
		return err
	}
	text, getErr := c.read(ctx, c.about(key, "refresh"))
	if getErr != nil {
		return getErr
	}
	var app struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(text, &app); err != nil {
		return c.broken(q, err)
	}
	if _, marked := app.Metadata.Annotations[refreshMark]; marked {
		return nil
	}
	return err
}
