package argo

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	chart      = Source{RepoURL: "https://charts.example.com", Chart: "web", TargetRevision: "1.2.3"}
	oci        = Source{RepoURL: "oci://ghcr.io/org/manifests", Path: ".", TargetRevision: "1.0"}
	values     = Source{RepoURL: "https://git.example.com/org/values.git", Ref: "values", TargetRevision: "prod"}
	plain      = Source{RepoURL: "https://git.example.com/org/plain", Path: "web", TargetRevision: "main"}
	overlays   = Source{RepoURL: "https://git.example.com/org/overlays", Path: "prod", TargetRevision: "main"}
	kustomized = Source{RepoURL: "https://git.example.com/org/base", Path: "base", TargetRevision: "v1", Kustomize: &Kustomize{}}
	plugged    = Source{RepoURL: "https://git.example.com/org/cue", Path: "cue", Plugin: &Plugin{}}
)

func TestChoose(t *testing.T) {
	tests := []struct {
		name    string
		sources []Source
		types   []Type
		choice  Choice
		index   int
		typ     Type
		folder  Folder
	}{
		{name: "single, by the status", sources: []Source{plain}, types: []Type{TypeKustomize}, choice: Choice{Files: true},
			typ: TypeKustomize, folder: Folder{plain.RepoURL, "main", "web"}},
		{name: "single, by the block", sources: []Source{kustomized}, choice: Choice{Files: true},
			typ: TypeKustomize, folder: Folder{kustomized.RepoURL, "v1", "base"}},
		{name: "single, not known yet", sources: []Source{plain}, choice: Choice{Files: true},
			typ: TypeUnknown, folder: Folder{plain.RepoURL, "main", "web"}},
		{name: "a target forces the type", sources: []Source{plain}, types: []Type{TypePlugin}, choice: Choice{Type: TypeHelm, Files: true},
			typ: TypeHelm, folder: Folder{plain.RepoURL, "main", "web"}},
		{name: "git-repository in another spelling", sources: []Source{plain}, choice: Choice{Repository: "git@git.example.com:org/plain.git", Files: true},
			folder: Folder{"git@git.example.com:org/plain.git", "main", "web"}},
		{name: "git-repository is another", sources: []Source{plain}, choice: Choice{Repository: "https://git.example.com/org/else", Files: true},
			folder: Folder{"https://git.example.com/org/else", "main", "web"}},

		{name: "several: the block of the type before its status", sources: []Source{plain, kustomized}, types: []Type{TypeKustomize, TypeKustomize}, choice: Choice{Files: true},
			index: 1, typ: TypeKustomize, folder: Folder{kustomized.RepoURL, "v1", "base"}},
		{name: "several: the status where no block tells", sources: []Source{plain, overlays}, types: []Type{TypeDirectory, TypeKustomize}, choice: Choice{Files: true},
			index: 1, typ: TypeKustomize, folder: Folder{overlays.RepoURL, "main", "prod"}},
		{name: "several: the target's type before the first one", sources: []Source{chart, kustomized}, types: []Type{TypeHelm, TypeKustomize}, choice: Choice{Type: TypeKustomize, Files: true},
			index: 1, typ: TypeKustomize, folder: Folder{kustomized.RepoURL, "v1", "base"}},
		{name: "several: no source of the target's type", sources: []Source{values, plain, overlays}, types: []Type{"", TypeDirectory, TypeDirectory}, choice: Choice{Type: TypeHelm, Files: true},
			index: 1, typ: TypeHelm, folder: Folder{plain.RepoURL, "main", "web"}},
		{name: "several: a status of other sources is not believed", sources: []Source{plain, overlays}, types: []Type{TypeHelm}, choice: Choice{Files: true},
			index: 0, typ: TypeUnknown, folder: Folder{plain.RepoURL, "main", "web"}},
		{name: "several: directories only", sources: []Source{values, plain}, types: []Type{"", TypeDirectory}, choice: Choice{Files: true},
			index: 1, typ: TypeDirectory, folder: Folder{plain.RepoURL, "main", "web"}},
		{name: "several: git-repository tells two of a type apart", sources: []Source{plain, overlays}, types: []Type{TypeKustomize, TypeKustomize}, choice: Choice{Repository: overlays.RepoURL, Files: true},
			index: 1, typ: TypeKustomize, folder: Folder{overlays.RepoURL, "main", "prod"}},
		{name: "several: a fitting type before git-repository", sources: []Source{plugged, plain}, types: []Type{TypePlugin, TypeDirectory}, choice: Choice{Repository: plain.RepoURL, Files: true},
			index: 0, typ: TypePlugin, folder: Folder{plain.RepoURL, "main", "web"}},

		{name: "a chart, patched", sources: []Source{chart}, choice: Choice{}, typ: TypeHelm},
		{name: "a chart and its value files", sources: []Source{chart, values}, choice: Choice{Type: TypeHelm, Repository: "https://git.example.com/org/values", Files: true},
			index: 0, typ: TypeHelm, folder: Folder{"https://git.example.com/org/values", "prod", ""}},
		{name: "a chart and an unrelated repository", sources: []Source{chart}, choice: Choice{Type: TypeHelm, Repository: plain.RepoURL, Files: true},
			typ: TypeHelm, folder: Folder{RepoURL: plain.RepoURL}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			app := Application{Key: Key{Name: "web"}, Sources: test.sources, Status: Status{Types: test.types}}
			got, err := app.Choose(test.choice)
			if err != nil {
				t.Fatal(err)
			}
			want := Chosen{Index: test.index, Source: test.sources[test.index], Type: test.typ, Folder: test.folder}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChooseRefuses(t *testing.T) {
	tests := []struct {
		name    string
		sources []Source
		choice  Choice
		want    string
	}{
		{"no source", nil, Choice{}, "application web: no source renders anything"},
		{"refs only", []Source{values}, Choice{}, "no source renders anything"},
		{"a chart", []Source{chart, values}, Choice{Files: true},
			"application web: chart web of https://charts.example.com is not in Git: set git-repository: https://git.example.com/org/values.git and write-back-target: helmvalues:/<file>, or write-back-method: argocd"},
		{"an OCI artifact", []Source{oci}, Choice{Files: true},
			"the source of oci://ghcr.io/org/manifests is not in Git: set git-repository: <url> "},
		{"an override file beside no chart", []Source{chart, values}, Choice{Repository: values.RepoURL, Files: true}, "write-back-target: helmvalues:/<file>"},
		{"an override file in a ref", []Source{plain, values}, Choice{Repository: values.RepoURL, Files: true},
			"git-repository https://git.example.com/org/values.git holds only value files (ref values): set write-back-target: helmvalues:/<file>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			app := Application{Key: Key{Name: "web"}, Sources: test.sources}
			_, err := app.Choose(test.choice)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v; want %q", err, test.want)
			}
		})
	}
}

func TestSameRepository(t *testing.T) {
	same := []string{
		"https://github.com/Org/App", "https://github.com/org/app.git", "https://github.com/org/app/",
		"https://user@github.com/org/app", "git@github.com:org/app.git", "ssh://git@github.com:22/org/app", "ssh://git@github.com/org/app.git",
	}
	for _, url := range same {
		if !SameRepository(url, same[0]) {
			t.Errorf("%s is not %s", url, same[0])
		}
	}
	for _, url := range []string{"https://github.com/org/app2", "https://gitlab.com/org/app", "https://github.com:8443/org/app", "/srv/git/app", ""} {
		if SameRepository(url, same[0]) {
			t.Errorf("%s is %s", url, same[0])
		}
	}
	if !SameRepository("/srv/git/app.git", "file:///srv/git/app") {
		t.Error("a path and its file URL differ")
	}
}

// An error that ends in a status or an event does not tell the login in a URL.
func TestChooseTellsNoLogin(t *testing.T) {
	app := Application{Key: Key{Name: "web"}, Sources: []Source{
		{RepoURL: "https://bot:hunter2@charts.example.com", Chart: "web"}, {RepoURL: "https://bot:hunter2@git.example.com/values", Ref: "values"},
	}}
	for _, repository := range []string{"", "https://hunter2@git.example.com/values"} {
		_, err := app.Choose(Choice{Files: true, Repository: repository})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("git-repository %q: %v", repository, err)
		}
	}
}
