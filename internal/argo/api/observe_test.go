package api

import (
	"slices"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/itest/argoserver"
)

func TestObserve(t *testing.T) {
	var codes []int
	server, client := start(t, argoserver.Options{}, Options{Observe: func(r Request) {
		if r.Took <= 0 {
			t.Errorf("%+v took no time", r)
		}
		codes = append(codes, r.Code)
	}})
	put(t, server, web)
	if _, err := client.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), argo.Key{Namespace: "argocd", Name: "web"}); err != nil {
		t.Fatal(err)
	}
	client.options.Token = "of nobody"
	if _, err := client.List(t.Context()); err == nil {
		t.Fatal("nobody was let in")
	}
	server.Close()
	if _, err := client.List(t.Context()); err == nil {
		t.Fatal("a server that is gone answered")
	}
	if want := []int{200, 200, 401, 0}; !slices.Equal(codes, want) {
		t.Errorf("told %v, want %v", codes, want)
	}
}
