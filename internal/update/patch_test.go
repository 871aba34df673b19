package update_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

// cluster keeps Applications as an API server does: whole, under a version that
// each change raises.
type cluster struct {
	t         *testing.T
	mu        sync.Mutex
	objects   map[argo.Key][]byte
	version   int
	patches   int
	refreshed []argo.Key
	// before is called before each patch is looked at.
	before func(argo.Patch)
	// admit changes what a patch made.
	admit func(map[string]any)
}

func newCluster(t *testing.T, manifests ...string) *cluster {
	c := &cluster{t: t, objects: map[argo.Key][]byte{}}
	for _, text := range manifests {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
		c.store(object)
	}
	return c
}

func (c *cluster) store(object map[string]any) {
	c.version++
	meta := object["metadata"].(map[string]any)
	meta["resourceVersion"], meta["namespace"] = strconv.Itoa(c.version), "argocd"
	text, err := json.Marshal(object)
	if err != nil {
		c.t.Fatal(err)
	}
	c.objects[argo.Key{Namespace: "argocd", Name: meta["name"].(string)}] = text
}

// edit changes the Application web as somebody else would.
func (c *cluster) edit(change func(object map[string]any)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	object := c.object("web")
	change(object)
	c.store(object)
}

func (c *cluster) object(name string) map[string]any {
	var object map[string]any
	if err := json.Unmarshal(c.objects[argo.Key{Namespace: "argocd", Name: name}], &object); err != nil {
		c.t.Fatal(err)
	}
	return object
}

func (c *cluster) List(context.Context) ([]argo.Application, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []argo.Application
	for _, text := range c.objects {
		app, err := argo.Decode(text)
		if err != nil {
			return nil, err
		}
		out = append(out, app)
	}
	return out, nil
}

func (c *cluster) Get(_ context.Context, key argo.Key) (argo.Application, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, ok := c.objects[key]
	if !ok {
		return argo.Application{}, fmt.Errorf("application %s: %w", key, fault.ErrNotFound)
	}
	return argo.Decode(text)
}

func (c *cluster) Patch(_ context.Context, p argo.Patch) (argo.Application, error) {
	if c.before != nil {
		c.before(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.patches++
	text, ok := c.objects[p.App]
	if !ok {
		return argo.Application{}, fmt.Errorf("application %s: %w", p.App, fault.ErrNotFound)
	}
	if app, _ := argo.Decode(text); app.ResourceVersion != p.ResourceVersion {
		return argo.Application{}, fmt.Errorf("application %s: %w", p.App, fault.ErrLostRace)
	}
	ops, err := json.Marshal(p.Ops)
	if err != nil {
		return argo.Application{}, err
	}
	patch, err := jsonpatch.DecodePatch(ops)
	if err != nil {
		return argo.Application{}, err
	}
	after, err := patch.Apply(text)
	if err != nil {
		return argo.Application{}, err
	}
	var object map[string]any
	if err := json.Unmarshal(after, &object); err != nil {
		return argo.Application{}, err
	}
	if c.admit != nil {
		c.admit(object)
	}
	c.store(object)
	return argo.Decode(c.objects[p.App])
}

func (c *cluster) Refresh(_ context.Context, key argo.Key) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refreshed = append(c.refreshed, key)
	return nil
}

// in puts the cluster into a world.
func (c *cluster) in(w *world) *cluster {
	w.Applications, w.Writer = c, c
	return c
}

// spec is the spec of the Application web as YAML.
func (c *cluster) spec() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := yaml.Marshal(c.object("web")["spec"])
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

const inCluster = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: web
  annotations:
    argocd-image-updater.argoproj.io/image-list: a=reg.example.com/a
%s
spec:
%s
status:
  sourceType: %s
  summary: {images: ["reg.example.com/a:1.0.0"]}
`

func manifest(annotations, spec, typ string) string {
	indent := func(s string, n int) string {
		lines := strings.Split(strings.Trim(s, "\n"), "\n")
		for i, line := range lines {
			if line != "" {
				lines[i] = strings.Repeat(" ", n) + line
			}
		}
		return strings.Join(lines, "\n")
	}
	var notes []string
	for line := range strings.Lines(annotations) {
		if line = strings.TrimSpace(line); line != "" {
			notes = append(notes, settings.Prefix+line)
		}
	}
	return fmt.Sprintf(inCluster, indent(strings.Join(notes, "\n"), 4), indent(spec, 2), typ)
}

// What an Application holds that we do not know is there after a patch as it was
// before, and its neighbours in the same list too.
func TestPatchesOfApplications(t *testing.T) {
	tests := []struct {
		name, annotations, spec, typ string
		want                         string // the spec afterwards, or why not
	}{
		{name: "helm without a block", typ: "Helm", spec: `
source: {repoURL: u, path: p, future: 1}
`, want: `
source:
  future: 1
  helm:
    parameters:
    - forceString: true
      name: image.name
      value: reg.example.com/a
    - forceString: true
      name: image.tag
      value: 1.1.0
  path: p
  repoURL: u
`},
		{name: "helm with parameters of others", typ: "Helm", annotations: "a.helm.image-tag: web.tag", spec: `
source:
  repoURL: u
  helm:
    future: {x: [1]}
    parameters:
    - {name: other, value: "1", future: why}
    - {name: web.tag, value: "1.0.0", future: z}
`, want: `
source:
  helm:
    future:
      x:
      - 1
    parameters:
    - future: why
      name: other
      value: "1"
    - forceString: true
      future: z
      name: web.tag
      value: 1.1.0
  repoURL: u
`},
		{name: "helm with an empty value", typ: "Helm", annotations: "a.helm.image-tag: tag", spec: `
source: {repoURL: u, helm: {parameters: [{name: tag}]}}
`, want: `
source:
  helm:
    parameters:
    - forceString: true
      name: tag
      value: 1.1.0
  repoURL: u
`},
		{name: "kustomize", typ: "Kustomize", spec: `
source: {repoURL: u, kustomize: {namePrefix: x-, images: ["other:1", "reg.example.com/a:1.0.0"]}}
`, want: `
source:
  kustomize:
    images:
    - other:1
    - reg.example.com/a:1.1.0
    namePrefix: x-
  repoURL: u
`},
		{name: "kustomize with another original name", typ: "Kustomize", annotations: "a.kustomize.image-name: placeholder", spec: `
source: {repoURL: u, kustomize: {images: ["other:1"]}}
`, want: `
source:
  kustomize:
    images:
    - other:1
    - placeholder=reg.example.com/a:1.1.0
  repoURL: u
`},
		{name: "plugin", typ: "Plugin", annotations: "a.plugin.image-tag: TAG", spec: `
source: {repoURL: u, plugin: {name: p, parameters: [{name: x, string: why}]}}
`, want: `
source:
  plugin:
    env:
    - name: TAG
      value: 1.1.0
    name: p
    parameters:
    - name: x
      string: why
  repoURL: u
`},
		{name: "the second of several sources", typ: "", spec: `
sources:
- {repoURL: values, ref: values}
- {repoURL: chart, chart: c, helm: {valueFiles: [$values/x.yaml]}}
`, want: `
sources:
- ref: values
  repoURL: values
- chart: c
  helm:
    parameters:
    - forceString: true
      name: image.name
      value: reg.example.com/a
    - forceString: true
      name: image.tag
      value: 1.1.0
    valueFiles:
    - $values/x.yaml
  repoURL: chart
`},
		{name: "a dry source", typ: "", spec: `
sourceHydrator:
  drySource: {repoURL: u, path: p, helm: {releaseName: r}}
  syncSource: {targetBranch: b, path: p}
`, annotations: "a.helm.image-spec: image", want: `
sourceHydrator:
  drySource:
    helm:
      parameters:
      - forceString: true
        name: image
        value: reg.example.com/a:1.1.0
      releaseName: r
    path: p
    repoURL: u
  syncSource:
    path: p
    targetBranch: b
`},
		{name: "what was left of another write-back method", typ: "Helm", annotations: `
a.helm.image-tag: tag
write-back-target: kustomization
git-repository: elsewhere
`, spec: `
source: {repoURL: u, helm: {parameters: [{name: tag, value: 1.0.0}]}}
`, want: `
source:
  helm:
    parameters:
    - forceString: true
      name: tag
      value: 1.1.0
  repoURL: u
`},
		{name: "a target that says which of several sources", typ: `""`, annotations: "write-back-target: kustomization", spec: `
sources:
- {repoURL: u, path: h, helm: {parameters: [{name: tag, value: 1.0.0}]}}
- {repoURL: u, path: k, kustomize: {namePrefix: x-}}
`, want: `
sources:
- helm:
    parameters:
    - name: tag
      value: 1.0.0
  path: h
  repoURL: u
- kustomize:
    images:
    - reg.example.com/a:1.1.0
    namePrefix: x-
  path: k
  repoURL: u
`},
		{name: "already declared, though not live yet", typ: "Helm", annotations: "a.helm.image-tag: tag", spec: `
source: {repoURL: u, helm: {parameters: [{name: tag, value: 1.1.0}]}}
`, want: "web a AlreadyDeclared"},
		{name: "a higher version is declared", typ: "Helm", annotations: "a.helm.image-tag: tag", spec: `
source: {repoURL: u, helm: {parameters: [{name: tag, value: 1.2.0}]}}
`, want: "web a Held"},
		{name: "plain manifests", typ: "Directory", spec: `
source: {repoURL: u, path: p}
`, want: "web a Failed… application argocd/web: plain manifests have no parameters to patch: set write-back-method to git to have the change committed"},
		{name: "not reconciled yet", typ: `""`, spec: `
source: {repoURL: u, path: p}
`, want: "web a Held… application argocd/web: its type is not known yet"},
		{name: "a plugin whose variables are not named", typ: "Plugin", spec: `
source: {repoURL: u, plugin: {}}
`, want: "web a Failed… application of type Plugin: no variable is named for this image: set argocd-image-updater.argoproj.io/a.plugin.image-tag"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
			c := newCluster(t, manifest(test.annotations, test.spec, test.typ)).in(w)
			before := c.spec()
			got := w.cycle()
			if strings.HasPrefix(test.want, "web") {
				w.want(got, test.want)
				if diff := cmp.Diff(before, c.spec()); diff != "" || c.patches > 0 {
					t.Errorf("patched %d times: %s", c.patches, diff)
				}
				return
			}
			w.want(got, "web a Updated")
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), c.spec()); diff != "" {
				t.Error(diff)
			}
			w.want(w.cycle(), "web a AlreadyDeclared")
			if c.patches != 1 {
				t.Errorf("%d patches, 1 expected", c.patches)
			}
		})
	}
}

const helmApp = "source: {repoURL: u, helm: {parameters: [{name: image.tag, value: 1.0.0}]}}"

// Somebody else changes the Application between the read and the patch: both
// changes are there in the end, each in its place.
func TestPatchKeepsAConcurrentEdit(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	c := newCluster(t, manifest("a.helm.image-tag: image.tag", helmApp, "Helm")).in(w)
	edits := 0
	c.before = func(argo.Patch) {
		if edits++; edits > 2 {
			return
		}
		c.edit(func(object map[string]any) {
			helm := object["spec"].(map[string]any)["source"].(map[string]any)["helm"].(map[string]any)
			first := map[string]any{"name": fmt.Sprint("human", edits), "value": "x"}
			helm["parameters"] = append([]any{first}, helm["parameters"].([]any)...)
		})
	}
	w.want(w.cycle(), "web a Updated")
	want := `source:
  helm:
    parameters:
    - name: human2
      value: x
    - name: human1
      value: x
    - forceString: true
      name: image.tag
      value: 1.1.0
  repoURL: u
`
	if diff := cmp.Diff(want, c.spec()); diff != "" {
		t.Error(diff)
	}
}

// What a patch must not do: write against changed wishes, bring back the dead,
// go on without end, or claim what an admission webhook took out.
func TestPatchGivesUp(t *testing.T) {
	tests := []struct {
		name string
		harm func(c *cluster)
		want string
	}{
		{"annotations changed", func(c *cluster) {
			c.edit(func(object map[string]any) {
				delete(object["metadata"].(map[string]any)["annotations"].(map[string]any), settings.Prefix+"image-list")
			})
		}, "annotations or labels were changed meanwhile"},
		{"labels changed", func(c *cluster) {
			c.edit(func(object map[string]any) {
				object["metadata"].(map[string]any)["labels"] = map[string]any{"updates": "off"}
			})
		}, "annotations or labels were changed meanwhile"},
		{"made anew", func(c *cluster) {
			c.edit(func(object map[string]any) { object["metadata"].(map[string]any)["uid"] = "another" })
		}, "another application of this name was made meanwhile"},
		{"deleted", func(c *cluster) { delete(c.objects, argo.Key{Namespace: "argocd", Name: "web"}) }, "was deleted meanwhile, and nothing was written"},
		{"moves again and again", func(c *cluster) {
			c.edit(func(object map[string]any) { object["metadata"].(map[string]any)["generation"] = c.version })
		}, "5 tries, and each time somebody else changed the application first"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
			c := newCluster(t, manifest("a.helm.image-tag: image.tag", helmApp, "Helm")).in(w)
			c.before = func(argo.Patch) { test.harm(c) }
			w.want(w.cycle(), "web a Failed…"+test.want)
			if spec, ok := c.objects[argo.Key{Namespace: "argocd", Name: "web"}]; ok && strings.Contains(string(spec), "1.1.0") {
				t.Error("it was written all the same")
			}
		})
	}
	t.Run("no place is left", func(t *testing.T) {
		w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
		c := newCluster(t, strings.Replace(manifest("a.helm.image-tag: image.tag", helmApp, "Helm"), "image-list: a=", "image-list: b=:, a=", 1)).in(w)
		c.before = func(argo.Patch) {
			c.edit(func(object map[string]any) {
				object["spec"] = map[string]any{"sources": []any{map[string]any{"repoURL": "u", "ref": "x"}}}
			})
		}
		w.want(w.cycle(), "web b Failed", "web a Failed…no source renders anything")
	})
	t.Run("changed by an admission webhook", func(t *testing.T) {
		w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
		c := newCluster(t, manifest("a.helm.image-tag: image.tag", helmApp, "Helm")).in(w)
		c.admit = func(object map[string]any) {
			object["spec"].(map[string]any)["source"].(map[string]any)["helm"] = map[string]any{"parameters": []any{map[string]any{"name": "image.tag", "value": "2.0.0"}}}
		}
		w.want(w.cycle(), "web a Failed…look for an admission webhook")
	})
	t.Run("taken out by an admission webhook", func(t *testing.T) {
		w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
		c := newCluster(t, manifest("a.helm.image-tag: image.tag", helmApp, "Helm")).in(w)
		c.admit = func(object map[string]any) {
			object["spec"].(map[string]any)["source"].(map[string]any)["helm"] = map[string]any{}
		}
		w.want(w.cycle(), "web a Failed…look for an admission webhook")
	})
}

// Nothing is written from the moment that writing is not allowed any more.
func TestMayWriteIsAskedBeforeEachWrite(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	c := newCluster(t, manifest("a.helm.image-tag: image.tag", helmApp, "Helm")).in(w)
	plans, err := w.Plan(t.Context(), update.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	lost := errors.New("another replica is the leader")
	w.MayWrite = func(context.Context) error { return lost }
	outcomes := w.Apply(t.Context(), plans)
	if len(outcomes) != 1 || !errors.Is(outcomes[0].Err, lost) || c.patches != 0 {
		t.Errorf("%d patches, outcomes %+v", c.patches, outcomes)
	}
}

// After a push Argo CD is asked to look, once for each Application, unless it is
// not wanted; a head that waits for its merge is nothing to look at.
func TestRefreshAfterAPush(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
	w.seed("main", "p/pod.yaml", pod("reg.example.com/a:1.0.0"), "q/pod.yaml", pod("reg.example.com/a:1.0.0"), "r/pod.yaml", pod("reg.example.com/a:1.0.0"))
	var manifests []string
	for path, extra := range map[string]string{"p": "write-back-method: git", "q": "write-back-method: git:branch", "r": "write-back-method: git\nrefresh-after-write: \"false\""} {
		text := manifest(extra, fmt.Sprintf("source: {repoURL: %q, path: %s, targetRevision: main}", w.git.URL("deploy"), path), "Directory")
		manifests = append(manifests, strings.Replace(text, "name: web", "name: "+path, 1))
	}
	c := newCluster(t, manifests...).in(w)
	w.want(w.cycle(), "p a Updated", "q a Updated", "r a Updated")
	if len(c.refreshed) != 1 || c.refreshed[0].Name != "p" {
		t.Errorf("refreshed %v", c.refreshed)
	}
}
