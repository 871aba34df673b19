package plan

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/edit"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/settings"
)

// The parameters of an Application are planned as if they were a file of their
// own, written as an override file is: the same rules say what is declared,
// what is a downgrade, and what may not be written twice.

// parameters are what an update may change in a source.
type parameters struct {
	Helm      *helmParameters  `yaml:",omitempty"`
	Kustomize *kustomizeImages `yaml:",omitempty"`
	Plugin    *pluginEnv       `yaml:",omitempty"`
}

type helmParameters struct {
	Parameters []argo.HelmParameter `json:"parameters"`
}

// MarshalYAML writes them as the API server shows them.
func (h helmParameters) MarshalYAML() (any, error) {
	type parameter struct {
		ForceString bool `yaml:"forceString"`
		Name, Value string
	}
	shown := make([]parameter, 0, len(h.Parameters))
	for _, p := range h.Parameters {
		shown = append(shown, parameter{p.ForceString, p.Name, p.Value})
	}
	return map[string]any{"parameters": shown}, nil
}

type kustomizeImages struct {
	Images []string `json:"images"`
}

type pluginEnv struct {
	Env []argo.EnvVar `json:"env"`
}

// text is the YAML of parameters. It is made without a detour over JSON, which
// for a large fleet would be most of the work of a cycle.
func (p parameters) text() ([]byte, error) {
	var b bytes.Buffer
	e := yamlv3.NewEncoder(&b)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if err := e.Encode(p); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

func parametersOf(s argo.Source) parameters {
	var p parameters
	if s.Helm != nil && len(s.Helm.Parameters) > 0 {
		p.Helm = &helmParameters{s.Helm.Parameters}
	}
	if s.Kustomize != nil && len(s.Kustomize.Images) > 0 {
		p.Kustomize = &kustomizeImages{s.Kustomize.Images}
	}
	if s.Plugin != nil && len(s.Plugin.Env) > 0 {
		p.Plugin = &pluginEnv{s.Plugin.Env}
	}
	return p
}

// ErrUntyped tells of an Application that Argo CD has not looked at yet. Time
// helps, and somebody has to do something only if it does not.
var ErrUntyped = errors.New("its type is not known yet, nor which parameters to patch")

// Parameters is the place of the updates that are written to the Application
// itself. An Application whose type has no parameters, or that did not tell its
// type yet, is an error that says what to do.
func Parameters(app argo.Application, chosen argo.Chosen) (Resolved, error) {
	const instead = "set write-back-method to git to have the change committed"
	switch chosen.Type {
	case argo.TypeDirectory:
		return Resolved{}, fmt.Errorf("application %s: plain manifests have no parameters to patch: %s", app.Key, instead)
	case argo.TypeUnknown:
		return Resolved{}, fmt.Errorf("application %s: %w: wait until Argo CD has looked at it, give the source a helm or kustomize block, or %s", app.Key, ErrUntyped, instead)
	}
	return Resolved{
		Site:   Site{App: app.Key, Source: chosen.Source, SourceIndex: chosen.Index, Type: chosen.Type},
		Format: edit.Override, Files: []string{"spec" + dotted(app.SourcePath(chosen.Index))},
	}, nil
}

// ParametersFile is what stands at the place that Parameters gave.
func (r Resolved) ParametersFile() File {
	f := File{Path: r.Files[0]}
	p := parametersOf(r.Source)
	if p == (parameters{}) {
		return f
	}
	f.Exists = true
	f.Bytes, f.Err = p.text()
	return f
}

// Declared settles the open items of which the Application's own parameters say
// already, to the letter, what they should: a fleet at rest is nearly all of
// that, and needs no file to be made of it. It reports whether none is left
// open; what says the same in other words is left to Build.
func (in Intent) Declared() bool {
	done := true
	for i := range in.Items {
		it := &in.Items[i]
		if it.State != Pending {
			continue
		}
		if !in.says(in.Update.Tracks[i], it.New) {
			done = false
			continue
		}
		it.State, it.Declared = AlreadyDeclared, it.New
	}
	return done
}

// says reports whether the parameters hold a version to the letter, once.
func (in Intent) says(t settings.Track, version image.Ref) bool {
	src, values := in.Site.Source, [][2]string(nil)
	keys := t.Helm
	switch {
	case in.Site.Type == argo.TypeKustomize:
		own := OfTrack(inSource(src, t), t)
		return t.KustomizeName == "" && len(own) == 1 && slices.Contains(src.Kustomize.Images, version.String())
	case in.Site.Type == argo.TypeHelm && src.Helm != nil:
		for _, p := range src.Helm.Parameters {
			values = append(values, [2]string{p.Name, p.Value})
		}
	case in.Site.Type == argo.TypePlugin && src.Plugin != nil:
		keys = t.Plugin
		for _, v := range src.Plugin.Env {
			values = append(values, [2]string{v.Name, v.Value})
		}
	}
	for _, want := range [][2]string{{keys.Name, version.Name}, {keys.Tag, version.Version()}, {keys.Spec, version.String()}} {
		if want[0] != "" && !once(values, want) {
			return false
		}
	}
	return version.Tag != "" && keys.Tag+keys.Spec != ""
}

// once reports whether a value stands under its name, and no other does.
func once(values [][2]string, want [2]string) bool {
	n, found := 0, false
	for _, v := range values {
		if v[0] == want[0] {
			n, found = n+1, v == want
		}
	}
	return n == 1 && found
}

// dotted is a JSON Pointer below /spec as people write it: sources[1].
func dotted(pointer string) string {
	var index int
	if n, _ := fmt.Sscanf(pointer, "/spec/sources/%d", &index); n == 1 {
		return fmt.Sprintf(".sources[%d]", index)
	}
	if pointer == "/spec/source" {
		return ".source"
	}
	return ".sourceHydrator.drySource"
}

// Patch is what makes the Application's parameters what the plan says. It is
// nil if nothing is to be changed.
func (p Plan) Patch() (*argo.Patch, error) {
	if p.Method.InGit() || len(p.Files) == 0 {
		return nil, nil
	}
	app, site := p.Intent.Application, p.Intent.Site
	var after parameters
	if err := yaml.Unmarshal(p.Files[0].After, &after); err != nil {
		return nil, fmt.Errorf("application %s: the new parameters: %w", app.Key, err)
	}
	return &argo.Patch{
		App: app.Key, ResourceVersion: app.ResourceVersion,
		Ops: patchSource(app.SourcePath(site.SourceIndex), site.Source, after),
	}, nil
}
