package cluster_test

import (
	"strings"
	"testing"

	"argocd-image-updater/test/cluster"
)

const bareApplication = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: tried
`

const goodSpec = `spec: {project: default, destination: {}, source: {repoURL: r}}`

// What an API server with Argo CD's own definitions refuses is refused here, and
// what it accepts is accepted. The table passes with those of Argo CD 3.6, before
// its release, too.
func TestApplicationFields(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	source := func(text string) string {
		return "spec: {project: default, destination: {}, source: {repoURL: r, " + text + "}}"
	}
	for text, refused := range map[string]string{ // "" is accepted
		goodSpec: "",
		"spec: {project: default, destination: {}}":                                    "",
		"spec: {project: default, destination: {}, sources: [{repoURL: r, chart: c}]}": "",
		"spec: {project: default, destination: {}, source: {path: p}}":                 "spec.source.repoURL: Required",
		"spec: {project: default, destination: {}, sources: {repoURL: r}}":             "spec.sources",
		"spec: {project: default, source: {repoURL: r}}":                               "spec.destination: Required",
		"spec: {destination: {}, source: {repoURL: r}}":                                "spec.project: Required",
		"status: {}":                                                                                                            "spec: Required",
		source(`targetRevision: 1.0`):                                                                                           "spec.source.targetRevision",
		source(`helm: {parameters: 5}`):                                                                                         "spec.source.helm.parameters",
		source(`helm: {parameters: [{name: a, value: 5}]}`):                                                                     "spec.source.helm.parameters[0].value",
		source(`helm: {parameters: [{value: b}]}`):                                                                              "",
		source(`helm: {parameters: [{name: a, value: b, forceString: "true"}]}`):                                                "spec.source.helm.parameters[0].forceString",
		source(`helm: {parameters: [{name: a, forceString: true}, {name: a, value: b}]}`):                                       "",
		source(`helm: {values: {image: {tag: a}}}`):                                                                             "spec.source.helm.values",
		source(`helm: {valuesObject: {image: {tag: 5}}}`):                                                                       "",
		source(`helm: {valuesObject: "image: {}"}`):                                                                             "spec.source.helm.valuesObject",
		source(`helm: null`):                                                                                                    "spec.source.helm",
		source(`kustomize: {images: [a=b:c, d]}`):                                                                               "",
		source(`kustomize: {images: [{name: a, newTag: b}]}`):                                                                   "spec.source.kustomize.images[0]",
		source(`kustomize: {replicas: [{name: a, count: 2}, {name: b, count: "2"}]}`):                                           "",
		source(`kustomize: {replicas: [{name: a}]}`):                                                                            "spec.source.kustomize.replicas[0].count: Required",
		source(`plugin: {env: [{name: A, value: b}]}`):                                                                          "",
		source(`plugin: {env: [{name: A}]}`):                                                                                    "spec.source.plugin.env[0].value: Required",
		source(`plugin: {env: {A: b}}`):                                                                                         "spec.source.plugin.env",
		source(`directory: {recurse: "true"}`):                                                                                  "spec.source.directory.recurse",
		"spec: {project: default, destination: {}, syncPolicy: {automated: true}}":                                              "spec.syncPolicy.automated",
		"spec: {project: default, destination: {}, syncPolicy: {syncOptions: [a=b]}}":                                           "",
		"spec: {project: default, destination: {}, sourceHydrator: {syncSource: {path: p, targetBranch: b}}}":                   "spec.sourceHydrator.drySource: Required",
		goodSpec + "\noperation: {sync: {revision: a, prune: true}, initiatedBy: {username: me}}":                               "",
		goodSpec + "\noperation: {sync: {prune: please}}":                                                                       "operation.sync.prune",
		goodSpec + "\nstatus: {summary: {images: [a:b]}, sourceType: Helm, sourceTypes: [Helm, Kustomize]}":                     "",
		goodSpec + "\nstatus: {summary: {images: a:b}}":                                                                         "status.summary.images",
		goodSpec + "\nstatus: {history: [{id: 1, deployedAt: '2026-01-02T03:04:05Z', source: {repoURL: r}}]}":                   "",
		goodSpec + "\nstatus: {history: [{id: one, deployedAt: '2026-01-02T03:04:05Z'}]}":                                       "status.history[0].id",
		goodSpec + "\nstatus: {reconciledAt: yesterday}":                                                                        "status.reconciledAt",
		goodSpec + "\nstatus: {operationState: {phase: Succeeded, startedAt: '2026-01-02T03:04:05Z', operation: {}}}":           "",
		goodSpec + "\nstatus: {operationState: {phase: Succeeded, startedAt: '2026-01-02T03:04:05Z'}}":                          "status.operationState.operation: Required",
		goodSpec + "\nstatus: {conditions: [{type: SyncError, message: m}], resources: [{kind: Service}]}":                      "",
		goodSpec + "\nstatus: {sync: {status: Synced, comparedTo: {destination: {}, source: {helm: {parameters: [5]}}}}}":       "status.sync.comparedTo.source",
		goodSpec + "\nstatus: {sync: {comparedTo: {destination: {}}}}":                                                          "status.sync.status: Required",
		strings.Replace(goodSpec, "repoURL: r", "repoURL: r, helm: {parameters: []}, kustomize: {}, plugin: {name: p}", 1):      "",
		strings.Replace(goodSpec, "repoURL: r", "repoURL: r, helm: {fileParameters: [{name: a, path: b}], skipCrds: never}", 1): "spec.source.helm.skipCrds",
	} {
		applied, err := w.TryApply(bareApplication + text)
		for _, app := range applied { // the next one is not a change of this one
			if err := w.Client().Delete(t.Context(), app); err != nil {
				t.Fatal(err)
			}
		}
		switch {
		case refused == "" && err != nil:
			t.Errorf("%s\nwas refused: %v", text, err)
		case refused != "" && err == nil:
			t.Errorf("%s\nwas accepted", text)
		case refused != "" && !strings.Contains(err.Error(), refused):
			t.Errorf("%s\nwas refused, but not for %s: %v", text, refused, err)
		}
	}
}

// What a later Argo CD may add to spec and sources is kept.
func TestUnknownFieldsAreKept(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	w.Apply(bareApplication + `spec: {project: default, destination: {}, later: {a: 1}, sources: [{repoURL: r, later: [b]}]}`)
	app := w.Application("tried")
	if got, want := cluster.Field(app, "spec.later")+cluster.Field(app, "spec.sources.0.later"), `{"a":1}["b"]`; got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
}

func TestAppProjectFields(t *testing.T) {
	t.Parallel()
	w := suite.World(t)
	for text, refused := range map[string]string{
		`{sourceRepos: ["*"], destinations: [{namespace: "*", server: "*"}], sourceNamespaces: [a]}`:                                       "",
		`{syncWindows: [{kind: deny, schedule: "0 22 * * *", duration: 1h, applications: ["*"], manualSync: true, timeZone: Asia/Tokyo}]}`: "",
		`{roles: [{name: ci, policies: [p], jwtTokens: [{iat: 5}]}]}`:                                                                      "",
		`{sourceRepos: "*"}`:                          "spec.sourceRepos",
		`{syncWindows: [{manualSync: "yes"}]}`:        "spec.syncWindows[0].manualSync",
		`{syncWindows: [{schedule: 5}]}`:              "spec.syncWindows[0].schedule",
		`{roles: [{policies: [p]}]}`:                  "spec.roles[0].name: Required",
		`{clusterResourceWhitelist: [{group: apps}]}`: "spec.clusterResourceWhitelist[0].kind: Required",
	} {
		_, err := w.TryApply("apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: tried}\nspec: " + text)
		if refused == "" && err != nil || refused != "" && (err == nil || !strings.Contains(err.Error(), refused)) {
			t.Errorf("%s: %v, want %q", text, err, refused)
		}
	}
}
