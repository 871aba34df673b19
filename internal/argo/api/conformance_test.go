package api

import (
	"encoding/json"
	"slices"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/argo/argotest"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/itest/argoserver"
)

func TestConformance(t *testing.T) {
	argotest.Run(t, func(t *testing.T) argotest.World {
		server, client := start(t, argoserver.Options{Namespace: argotest.Namespace}, Options{})
		return argotest.World{
			Source: client,
			Seed: func(t testing.TB, manifest string) {
				t.Helper()
				if err := server.Put(manifest); err != nil {
					t.Fatal(err)
				}
			},
			Problems: client.Problems,
			Server: &argotest.Server{
				Writer: client,
				Raw: func(t testing.TB, key argo.Key) map[string]any {
					t.Helper()
					var object map[string]any
					if err := json.Unmarshal(server.Application(key.Namespace, key.Name), &object); err != nil {
						t.Fatal(err)
					}
					return object
				},
				Refreshed: func(_ testing.TB, key argo.Key) bool { return slices.Contains(server.Refreshed(), key.String()) },
				Break:     func(skip int, harm itest.Harm) { server.Break(itest.Fault{Skip: skip, Harm: harm}) },
				Mend:      server.Mend,
			},
		}
	})
}
