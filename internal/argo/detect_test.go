package argo

import "testing"

func TestDetectType(t *testing.T) {
	tests := []struct {
		name   string
		source Source
		files  []string
		want   Type
	}{
		{"nothing", Source{}, nil, TypeDirectory},
		{"manifests", Source{}, []string{"web.yaml", "values.yaml"}, TypeDirectory},
		{"a chart", Source{}, []string{"values.yaml", "Chart.yaml"}, TypeHelm},
		{"kustomization.yaml", Source{}, []string{"kustomization.yaml", "web.yaml"}, TypeKustomize},
		{"kustomization.yml", Source{}, []string{"kustomization.yml"}, TypeKustomize},
		{"Kustomization", Source{}, []string{"Kustomization"}, TypeKustomize},
		{"both", Source{}, []string{"kustomization.yaml", "Chart.yaml"}, TypeKustomize},
		{"in a folder below", Source{}, []string{"base/kustomization.yaml"}, TypeDirectory},
		{"the block wins", Source{Directory: &Directory{}}, []string{"Chart.yaml"}, TypeDirectory},
		{"a chart repository", Source{Chart: "web"}, nil, TypeHelm},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := DetectType(test.source, test.files); got != test.want {
				t.Errorf("DetectType = %q, want %q", got, test.want)
			}
		})
	}
}

func TestAdmits(t *testing.T) {
	recurse := func(include, exclude string) *Directory {
		return &Directory{Recurse: true, Include: include, Exclude: exclude}
	}
	tests := []struct {
		directory *Directory
		path      string
		want      bool
	}{
		{nil, "web.yaml", true},
		{nil, "web.yml", true},
		{nil, "web.json", true},
		{nil, "web.YAML", false},
		{nil, "README.md", false},
		{nil, ".argocd-source-web.yaml", false},
		{nil, ".argocd-source.yaml", false},
		{nil, ".argocd-allow-concurrency", false},
		{nil, ".hidden.yaml", true},
		{nil, "sub/web.yaml", false},
		{&Directory{}, "web.yaml", true},
		{&Directory{}, "sub/web.yaml", false},
		{recurse("", ""), "sub/deep/web.yaml", true},
		{recurse("", ""), "sub/.argocd-source-web.yaml", false},
		{recurse("*.yaml", ""), "sub/web.yaml", true}, // * crosses slashes
		{recurse("*.yaml", ""), "web.json", false},
		{recurse("web.yaml", ""), "sub/web.yaml", false}, // the whole path is meant
		{recurse("**/web.yaml", ""), "sub/web.yaml", true},
		{recurse("{web.yaml,sub/*}", ""), "web.yaml", true},
		{recurse("{web.yaml,sub/*}", ""), "sub/x.yaml", true},
		{recurse("{web.yaml,sub/*}", ""), "x.yaml", false},
		{recurse("{a{1,2},b}.yaml", ""), "a2.yaml", true},
		{recurse("web?.yaml", ""), "web1.yaml", true},
		{recurse("web?.yaml", ""), "web.yaml", false},
		{recurse("web[0-9].yaml", ""), "web1.yaml", true},
		{recurse("web[!0-9].yaml", ""), "web1.yaml", false},
		{recurse("web[ab-].yaml", ""), "web-.yaml", true},
		{recurse(`web\*.yaml`, ""), "web*.yaml", true},
		{recurse(`web\*.yaml`, ""), "web1.yaml", false},
		{recurse("", "*secret*"), "sub/secret.yaml", false},
		{recurse("", "*secret*"), "sub/web.yaml", true},
		{recurse("*.yaml", "*.yaml"), "web.yaml", false}, // exclude goes first
		{recurse("{web.yaml", ""), "web.yaml", true},     // the end closes what is open
		{recurse("{web.yaml", ""), "web.yml", false},
		{recurse("web[.yaml", ""), "web[.yaml", false}, // does not parse
		{recurse(`web.yaml\`, ""), "web.yaml", true},
		{recurse("[ä-ü].yaml", ""), "ö.yaml", true},
		{recurse("", "web[.yaml"), "web.yaml", true},
		{recurse("größe.yaml", ""), "größe.yaml", true},
	}
	for _, test := range tests {
		if got := test.directory.Admits(test.path); got != test.want {
			t.Errorf("%+v.Admits(%q) = %v", test.directory, test.path, got)
		}
	}
}

func TestSkips(t *testing.T) {
	if !Skips([]byte("kind: Pod\n# +argocd:skip-file-rendering\n")) || Skips([]byte("kind: Pod\n# rendered\n")) {
		t.Error("the marker is not what decides")
	}
}
