package argotest

import (
	"fmt"

	"argocd-image-updater/internal/argo"
)

// ours begins the annotations that every source has to give.
const ours = "argocd-image-updater.argoproj.io/"

// sample is an Application as somebody writes it, and what is to be read of it.
type sample struct {
	manifest string
	want     argo.Application
}

func samples() []sample { return []sample{rich(), several(), hydrated(), fresh()} }

// shop is where the samples are deployed to.
func shop() argo.Destination {
	return argo.Destination{Server: "https://kubernetes.default.svc", Namespace: "shop"}
}

// rich has labels, annotations of others, Helm parameters and a full status.
func rich() sample {
	return sample{
		manifest: `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: helm
  namespace: argocd
  labels: {tier: front}
  annotations:
    argocd-image-updater.argoproj.io/image-list: app=ghcr.io/org/app
    argocd-image-updater.argoproj.io/app.allow-tags: 'regexp:^v\d+$'
    notified.notifications.argoproj.io: '{"a":1}'
spec:
  project: shop
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  source:
    repoURL: https://git.example.com/apps.git
    path: charts/app
    targetRevision: main
    helm:
      releaseName: app
      valueFiles: [values.yaml, ../prod.yaml]
      parameters:
      - {name: image.name, value: ghcr.io/org/app}
      - {name: image.tag, value: "1.10", forceString: true}
  syncPolicy: {automated: {prune: true}}
status:
  sync: {status: Synced}
  health: {status: Healthy}
  sourceType: Helm
  resources:
  - {kind: Deployment, name: app, namespace: shop, group: apps, version: v1, status: Synced}
  operationState: {phase: Succeeded, startedAt: "2026-01-01T00:00:00Z", operation: {sync: {revision: abc}}}
  summary:
    images: ['ghcr.io/org/app:1.10', 'redis:7']
    externalURLs: [https://shop.example.com]
`,
		want: argo.Application{
			Key:    argo.Key{Namespace: "argocd", Name: "helm"},
			Labels: map[string]string{"tier": "front"},
			Annotations: map[string]string{
				"argocd-image-updater.argoproj.io/image-list":     "app=ghcr.io/org/app",
				"argocd-image-updater.argoproj.io/app.allow-tags": `regexp:^v\d+$`,
			},
			Project: "shop", Destination: shop(),
			Sources: []argo.Source{{
				RepoURL: "https://git.example.com/apps.git", Path: "charts/app", TargetRevision: "main",
				Helm: &argo.Helm{
					ValueFiles: []string{"values.yaml", "../prod.yaml"},
					Parameters: []argo.HelmParameter{
						{Name: "image.name", Value: "ghcr.io/org/app"},
						{Name: "image.tag", Value: "1.10", ForceString: true},
					},
				},
			}},
			Status: argo.Status{Reported: true, Images: []string{"ghcr.io/org/app:1.10", "redis:7"}, Types: []argo.Type{argo.TypeHelm}},
		},
	}
}

// several has sources of every type.
func several() sample {
	return sample{
		manifest: `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: several, namespace: argocd}
spec:
  project: default
  destination: {name: production, namespace: shop}
  sources:
  - {repoURL: https://charts.example.com, chart: app, targetRevision: 1.2.3}
  - {repoURL: https://git.example.com/values.git, targetRevision: main, ref: values}
  - {repoURL: https://git.example.com/apps.git, path: k, targetRevision: main, kustomize: {images: ['app=ghcr.io/org/app:1', 'redis:7']}}
  - {repoURL: https://git.example.com/apps.git, path: p, targetRevision: main, plugin: {name: cue, env: [{name: TAG, value: v1}]}}
  - {repoURL: https://git.example.com/apps.git, path: d, targetRevision: main, directory: {recurse: true, include: '*.yaml', exclude: 'test/*'}}
status:
  sync: {status: OutOfSync}
  sourceTypes: [Helm, "", Kustomize, Plugin, Directory]
  summary: {}
`,
		want: argo.Application{
			Key: argo.Key{Namespace: "argocd", Name: "several"}, Project: "default",
			Destination: argo.Destination{Name: "production", Namespace: "shop"},
			Multi:       true,
			Sources: []argo.Source{
				{RepoURL: "https://charts.example.com", Chart: "app", TargetRevision: "1.2.3"},
				{RepoURL: "https://git.example.com/values.git", TargetRevision: "main", Ref: "values"},
				{RepoURL: "https://git.example.com/apps.git", Path: "k", TargetRevision: "main", Kustomize: &argo.Kustomize{Images: []string{"app=ghcr.io/org/app:1", "redis:7"}}},
				{RepoURL: "https://git.example.com/apps.git", Path: "p", TargetRevision: "main", Plugin: &argo.Plugin{Name: "cue", Env: []argo.EnvVar{{Name: "TAG", Value: "v1"}}}},
				{RepoURL: "https://git.example.com/apps.git", Path: "d", TargetRevision: "main", Directory: &argo.Directory{Recurse: true, Include: "*.yaml", Exclude: "test/*"}},
			},
			Status: argo.Status{Reported: true, Types: []argo.Type{argo.TypeHelm, argo.TypeUnknown, argo.TypeKustomize, argo.TypePlugin, argo.TypeDirectory}},
		},
	}
}

// hydrated has a source hydrator, and is in another namespace than Argo CD.
func hydrated() sample {
	return sample{
		manifest: `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: hydrated, namespace: team}
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  sourceHydrator:
    drySource: {repoURL: https://git.example.com/apps.git, path: app, targetRevision: HEAD}
    syncSource: {targetBranch: env/dev, path: app}
status:
  sync: {status: Synced}
  sourceType: Directory
  summary: {images: ['ghcr.io/org/app:1']}
`,
		want: argo.Application{
			Key: argo.Key{Namespace: "team", Name: "hydrated"}, Project: "default", Destination: shop(),
			Hydrated: true,
			Sources:  []argo.Source{{RepoURL: "https://git.example.com/apps.git", Path: "app", TargetRevision: "HEAD"}},
			Status:   argo.Status{Reported: true, Images: []string{"ghcr.io/org/app:1"}},
		},
	}
}

// fresh was never looked at by Argo CD.
func fresh() sample {
	return sample{
		manifest: `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: fresh, namespace: team}
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  source: {repoURL: https://git.example.com/apps.git, path: fresh, targetRevision: ""}
`,
		want: argo.Application{
			Key: argo.Key{Namespace: "team", Name: "fresh"}, Project: "default", Destination: shop(),
			Sources: []argo.Source{{RepoURL: "https://git.example.com/apps.git", Path: "fresh"}},
		},
	}
}

// helmApplication is one with a Helm parameter app.tag, and much that is
// unknown to us.
func helmApplication(name, tag string) string {
	return fmt.Sprintf(`apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: %s
  namespace: argocd
  finalizers: [resources-finalizer.argocd.argoproj.io]
  annotations: {argocd-image-updater.argoproj.io/image-list: app=ghcr.io/org/app, other.example.com/note: 'ä "b" \ c'}
spec:
  project: default
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  revisionHistoryLimit: 5
  info: [{name: url, value: https://example.com}]
  ignoreDifferences: [{group: apps, kind: Deployment, jsonPointers: [/spec/replicas]}]
  source:
    repoURL: https://git.example.com/apps.git
    path: app
    targetRevision: main
    helm:
      releaseName: app
      skipCrds: true
      valuesObject: {replicas: 2, nested: {list: [1, two, {three: 3.5}], big: 9007199254740993}}
      parameters:
      - {name: app.tag, value: %q}
      - {name: other, value: keep}
  syncPolicy: {automated: {prune: true, selfHeal: false}, syncOptions: [CreateNamespace=true], retry: {limit: 3}}
status:
  sync: {status: Synced, revision: 0123456789abcdef}
  sourceType: Helm
  summary: {images: ['ghcr.io/org/app:%s']}
`, name, tag, tag)
}

// tag is the value of the parameter app.tag.
func tag(app argo.Application) string { return app.Sources[0].Helm.Parameters[0].Value }
