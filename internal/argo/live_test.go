package argo

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/image"
)

func TestLiveImages(t *testing.T) {
	app := Application{Status: Status{Images: []string{"nginx:1.20", "UPPER:1", "ghcr.io/org/app@sha256:short", "localhost:5000/x"}}}
	live, unparsable := app.LiveImages()
	var names []string
	for _, ref := range live {
		names = append(names, ref.String())
	}
	if diff := cmp.Diff([]string{"nginx:1.20", "localhost:5000/x"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"UPPER:1", "ghcr.io/org/app@sha256:short"}, unparsable); diff != "" {
		t.Error(diff)
	}
}

func TestOverrideFile(t *testing.T) {
	tests := []struct {
		app  Key
		want string
	}{
		{Key{"", "web"}, ".argocd-source-web.yaml"},
		{Key{"argocd", "web"}, ".argocd-source-web.yaml"},
		{Key{"team", "web"}, ".argocd-source-team_web.yaml"},
	}
	for _, test := range tests {
		if got := OverrideFile(test.app, "argocd"); got != test.want {
			t.Errorf("OverrideFile(%s) = %s, want %s", test.app, got, test.want)
		}
	}
}

func TestCloseNames(t *testing.T) {
	tests := []struct {
		name, asked string
		live, want  []string
	}{
		{"nothing alike", "org/app", []string{"redis:7", "postgres:16"}, nil},
		{"the image itself", "nginx", []string{"docker.io/library/nginx:1"}, nil},
		{"another registry", "org/app", []string{"mirror.example.com/org/app:1"}, []string{"mirror.example.com/org/app"}},
		{"one letter less", "ghcr.io/org/webapp", []string{"ghcr.io/org/webap:1"}, []string{"ghcr.io/org/webap"}},
		{"two letters swapped", "ngnix", []string{"nginx:1.20"}, []string{"nginx"}},
		{"two typing errors", "ngnixx", []string{"nginx:1.20"}, nil},
		{"the same last element", "org/app", []string{"other/app:1"}, []string{"other/app"}},
		{"the best first, once, at most three", "org/app",
			[]string{"d/app:1", "c/app:1", "c/app:2", "orgs/app", "quay.io/org/app"},
			[]string{"quay.io/org/app", "orgs/app", "c/app"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			asked, err := image.ParseRepo(test.asked)
			if err != nil {
				t.Fatal(err)
			}
			live, _ := Application{Status: Status{Images: test.live}}.LiveImages()
			if diff := cmp.Diff(test.want, CloseNames(asked, live)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
