package plan

import (
	"math/rand/v2"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/settings"
)

// What is settled without a look at the parameters as a file is what would be
// settled with one: nothing is to be written. And it is not settled the other
// way without being so to the letter.
func TestDeclaredAgreesWithBuild(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	p, err := policy.Compile(policy.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	settled := 0
	for range 5000 {
		track := settings.Track{Name: "a", Alias: "a", Policy: p, Image: ref(t, "reg.example.com/team/a"), KustomizeName: pick("", "", "placeholder")}
		keys := settings.Keys{Name: pick("", "n", "t"), Tag: "t", Given: true}
		if r.IntN(4) == 0 {
			keys = settings.Keys{Spec: "s", Given: true}
		}
		track.Helm, track.Plugin = keys, keys
		src := argo.Source{}
		typ := []argo.Type{argo.TypeHelm, argo.TypeKustomize, argo.TypePlugin}[r.IntN(3)]
		for range r.IntN(4) {
			name := pick("n", "t", "s", "other")
			value := pick("reg.example.com/team/a", "team/a", "1.1.0", "1.0.0", "reg.example.com/team/a:1.1.0", "")
			switch typ {
			case argo.TypeHelm:
				if src.Helm == nil {
					src.Helm = &argo.Helm{}
				}
				src.Helm.Parameters = append(src.Helm.Parameters, argo.HelmParameter{Name: name, Value: value})
			case argo.TypePlugin:
				if src.Plugin == nil {
					src.Plugin = &argo.Plugin{}
				}
				src.Plugin.Env = append(src.Plugin.Env, argo.EnvVar{Name: name, Value: value})
			case argo.TypeKustomize:
				if src.Kustomize == nil {
					src.Kustomize = &argo.Kustomize{}
				}
				src.Kustomize.Images = append(src.Kustomize.Images,
					pick("reg.example.com/team/a:1.1.0", "reg.example.com/team/a:1.0.0", "placeholder=reg.example.com/team/a:1.1.0", "other:1", "reg.example.com/team/a"))
			}
		}
		app := argo.Application{Key: argo.Key{Name: "web"}, Sources: []argo.Source{src}, Status: argo.Status{Reported: true}}
		site, err := Parameters(app, argo.Chosen{Source: src, Type: typ})
		if err != nil {
			t.Fatal(err)
		}
		in := Intent{Application: app, Site: site, Update: settings.Update{Tracks: []settings.Track{track}}}
		in.Items = []Item{{Track: "a", Image: track.Image, New: ref(t, "reg.example.com/team/a:1.1.0"), Live: []image.Ref{ref(t, "reg.example.com/team/a:1.0.0")}}}
		f := site.ParametersFile()
		built := Build(in, NewTree("", map[string]File{f.Path: f}))
		if !in.Declared() {
			continue
		}
		settled++
		if len(built.Files) > 0 || built.Items[0].State != AlreadyDeclared || built.Items[0].Declared != in.Items[0].Declared {
			t.Fatalf("%s %+v with %+v: settled with %s, built %s with %s and %d files: %v", typ, src, keys, in.Items[0].Declared, built.Items[0].State, built.Items[0].Declared, len(built.Files), built.Items[0].Err)
		}
	}
	if settled < 50 {
		t.Errorf("only %d of the cases were settled", settled)
	}
}
