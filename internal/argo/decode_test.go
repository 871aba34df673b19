package argo

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecode(t *testing.T) {
	tests := []struct {
		name string
		doc  string
		want Application
	}{
		{
			name: "single source",
			doc: `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: web
  namespace: team
  uid: 2d1f
  resourceVersion: "77"
  labels: {tier: front}
  annotations:
    argocd-image-updater.argoproj.io/image-list: nginx
spec:
  project: default
  source:
    repoURL: https://git.example.com/apps.git
    path: web
    targetRevision: main
    helm:
      valueFiles: [values.yaml]
      parameters:
      - {name: image.tag, value: "1.20", forceString: true}
  destination: {server: https://kubernetes.default.svc}
status:
  sourceType: Helm
  summary:
    images: [nginx:1.20]
`,
			want: Application{
				Key:         Key{"team", "web"},
				Labels:      map[string]string{"tier": "front"},
				Annotations: map[string]string{"argocd-image-updater.argoproj.io/image-list": "nginx"},
				Project:     "default",
				Destination: Destination{Server: "https://kubernetes.default.svc"},
				Sources: []Source{{
					RepoURL: "https://git.example.com/apps.git", Path: "web", TargetRevision: "main",
					Helm: &Helm{
						ValueFiles: []string{"values.yaml"},
						Parameters: []HelmParameter{{Name: "image.tag", Value: "1.20", ForceString: true}},
					},
				}},
				Status:          Status{Reported: true, Images: []string{"nginx:1.20"}, Types: []Type{TypeHelm}},
				UID:             "2d1f",
				ResourceVersion: "77",
			},
		},
		{
			name: "several sources win over one",
			doc: `
metadata: {name: web}
spec:
  source: {repoURL: old}
  sources:
  - {repoURL: https://charts.example.com, chart: web, targetRevision: 1.2.3}
  - {repoURL: https://git.example.com/values, ref: values}
  - repoURL: https://git.example.com/apps
    kustomize: {images: [nginx=nginx:1]}
  - repoURL: https://git.example.com/plugin
    plugin: {name: cue, env: [{name: TAG, value: v1}]}
  - repoURL: https://git.example.com/plain
    directory: {recurse: true, include: '*.yaml', exclude: 'x/*'}
status:
  sourceTypes: [Helm, "", Kustomize, Plugin, Directory]
`,
			want: Application{
				Key:   Key{Name: "web"},
				Multi: true,
				Sources: []Source{
					{RepoURL: "https://charts.example.com", Chart: "web", TargetRevision: "1.2.3"},
					{RepoURL: "https://git.example.com/values", Ref: "values"},
					{RepoURL: "https://git.example.com/apps", Kustomize: &Kustomize{Images: []string{"nginx=nginx:1"}}},
					{RepoURL: "https://git.example.com/plugin", Plugin: &Plugin{Name: "cue", Env: []EnvVar{{"TAG", "v1"}}}},
					{RepoURL: "https://git.example.com/plain", Directory: &Directory{Recurse: true, Include: "*.yaml", Exclude: "x/*"}},
				},
				Status: Status{Types: []Type{TypeHelm, TypeUnknown, TypeKustomize, TypePlugin, TypeDirectory}},
			},
		},
		{
			name: "the dry source of a hydrator, without the type of the hydrated one",
			doc: `
metadata: {name: web}
spec:
  sourceHydrator:
    drySource: {repoURL: https://git.example.com/apps, path: web, targetRevision: HEAD}
    syncSource: {targetBranch: env/dev, path: web}
status: {sourceType: Directory, summary: {images: []}}
`,
			want: Application{
				Key:      Key{Name: "web"},
				Sources:  []Source{{RepoURL: "https://git.example.com/apps", Path: "web", TargetRevision: "HEAD"}},
				Hydrated: true,
				Status:   Status{Reported: true, Images: []string{}},
			},
		},
		{
			name: "JSON, an annotation without a value, a status without a summary",
			doc:  `{"kind":"Application","metadata":{"name":"web","annotations":{"a":null}},"status":{"sync":{}}}`,
			want: Application{Key: Key{Name: "web"}, Annotations: map[string]string{"a": ""}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Decode([]byte(test.doc))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct{ name, doc, want string }{
		{"no YAML", "a: b: c", "yaml: "},
		{"a key twice", "metadata: {name: web}\nmetadata: {name: web}", "already set"},
		{"another kind", "kind: AppProject\nmetadata: {name: web}", `kind "AppProject": an Application expected`},
		{"no name", "kind: Application", `application name ""`},
		{"a template", `metadata: {name: "{{ .Values.name }}"}`, "a template has to be rendered first"},
		{"a name that is a path", `metadata: {name: ../../x}`, `application name "../../x"`},
		{"a namespace that is a path", `metadata: {name: x, namespace: ../y}`, `namespace "../y"`},
		{"an annotation that is a number", "metadata: {name: web, annotations: {branch: 1.20}}", "metadata: branch: 1.2 is not a string: put it in quotes"},
		{"annotations that are a list", "metadata: {name: web, annotations: [a]}", "metadata: labels and annotations are maps of strings"},
		{"a revision that is a number", "metadata: {name: web}\nspec: {source: {targetRevision: 1.0}}", "spec.source.targetRevision: a number stands where a string belongs"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			app, err := Decode([]byte(test.doc))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Decode = %v, %v; want an error with %q", app, err, test.want)
			}
			if diff := cmp.Diff(Application{}, app); diff != "" {
				t.Error("an error and an Application:", diff)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("kind: Application\nmetadata: {name: web, annotations: {a: b}}\nspec: {source: {repoURL: x}}"))
	f.Add([]byte(`{"metadata":{"name":"web"},"spec":{"sources":[{"ref":"v"}]},"status":{"sourceTypes":["Helm"]}}`))
	f.Add([]byte("metadata: {name: web}\nspec: {sourceHydrator: {drySource: {path: x}}}"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		app, err := Decode(doc)
		if err != nil {
			return
		}
		if strings.ContainsAny(OverrideFile(app.Key, ""), "/\\\n ") {
			t.Errorf("%q gives the file name %q", doc, OverrideFile(app.Key, ""))
		}
		_, _ = app.Choose(Choice{Files: true, Repository: "https://git.example.com/x"})
		app.LiveImages()
	})
}
