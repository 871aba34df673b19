package api

import (
	"strings"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/itest/argoserver"
)

func TestProjectFaults(t *testing.T) {
	server, client := start(t, argoserver.Options{}, Options{})
	put(t, server, web)
	app := argo.Application{Key: webKey()}
	server.Break(itest.Fault{Kind: argoserver.KindWindows, Times: 1, Harm: itest.Truncate()})
	if p, err := client.Project(t.Context(), app); fact(err) != "unavailable" || p != nil {
		t.Error(p, err)
	}
	server.Break(itest.Fault{Kind: argoserver.KindWindows, Times: 1, Harm: argoserver.Refuse(argoserver.InvalidArgument, `app is not allowed in project "shop", or the project does not exist`)})
	if p, err := client.Project(t.Context(), app); fact(err) != "refused" || p != nil || !strings.HasPrefix(err.Error(), "read sync windows of application argocd/web at 127.0.0.1") {
		t.Error(p, err)
	}
	server.Delete("argocd", "web")
	if p, err := client.Project(t.Context(), app); fact(err) != "not found" || p != nil {
		t.Error(p, err)
	}
}
