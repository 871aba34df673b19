package git_test

import (
	"errors"
	"slices"
	"testing"

	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/git"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/plan"
)

// What a server counts and what is told of are the same; what is kept is not
// told of.
func TestOperationsAreTold(t *testing.T) {
	s := serve(t, itest.GitOptions{}, itest.Commit{Files: map[string]string{"a.yaml": "tag: 1\n"}})
	s.server.Reset()
	var told []string
	s.client = git.New(git.Options{Observe: func(o git.Operation) {
		text := string(o.Kind)
		switch {
		case o.Elapsed <= 0:
			text += " took no time"
		case errors.Is(o.Err, fault.ErrLostRace):
			text += " lost"
		case o.Err != nil:
			text += " failed"
		}
		told = append(told, text)
	}})
	old := s.head("main")
	for range 2 {
		if _, err := s.client.Look(t.Context(), s.at); err != nil {
			t.Fatal(err)
		}
		s.read(old, "a.yaml")
	}
	for _, want := range []error{nil, fault.ErrLostRace} {
		_, err := s.client.Push(t.Context(), s.at, plan.Push{Branch: "main", Old: old, Parent: old, Commits: []plan.Commit{commit("bump", "a.yaml", "tag: 2\n")}})
		if !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	if got, want := s.counts(), [4]int{2, 2, 2, 1}; got != want {
		t.Errorf("the server counts %v, want %v", got, want)
	}
	s.at.URL += "-not"
	if _, err := s.client.Look(t.Context(), s.at); err == nil {
		t.Fatal("a repository that is not there was found")
	}
	want := []string{"look", "fetch", "fetch", "look", "push", "push lost", "look failed"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
