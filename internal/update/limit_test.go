package update_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/itest"
	"argocd-image-updater/internal/update"
)

// projects are AppProjects by name.
type projects map[string]argo.ProjectSpec

func (p projects) Project(_ context.Context, app argo.Application) (*argo.Project, error) {
	found := argo.CompileProject(argo.Key{Namespace: "argocd", Name: app.Project}, p[app.Project])
	return &found, nil
}

// What a project does not let an Application use is not even read for it: what
// would be changed there, and what cannot be, tells what is there.
func TestWhatAProjectForbidsIsNotRead(t *testing.T) {
	tests := []struct {
		name, namespace, method string
		project                 argo.ProjectSpec
		want                    string
	}{
		{"a repository of others", "argocd", "git:noop", argo.ProjectSpec{SourceRepos: []string{"https://git.example.com/**"}}, "none of spec.sourceRepos permits the repository"},
		{"a project of others", "team", "git:noop", argo.ProjectSpec{SourceRepos: []string{"*"}, SourceNamespaces: []string{"other"}}, "none of spec.sourceNamespaces admits Applications of namespace team"},
		{"a repository of others, to be pushed to", "argocd", "git", argo.ProjectSpec{}, "none of spec.sourceRepos permits the repository"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, map[string][]string{"a": {"1.0.0", "1.1.0"}})
			w.seed("main", "web/values.yaml", "database: {password: hunter2}\n", "web/Chart.yaml", "name: x\n")
			w.app("web", "main", "image-list", "a=reg.example.com/a", "write-back-method", test.method, "a.force-update", "true",
				"write-back-target", "helmvalues", "a.helm.image-tag", "database.password")
			w.apps[0].Namespace, w.apps[0].Project = test.namespace, "limited"
			w.Access = projects{"limited": test.project}
			w.Projects = w.Access
			got := w.cycle()
			w.want(got, "web a Failed…"+test.want)
			if strings.Contains(strings.Join(got, ""), "hunter2") {
				t.Errorf("it tells what is in the file: %s", got)
			}
			if n := w.git.Count(itest.KindUploadRefs).Requests; n != 0 {
				t.Errorf("the repository was read %d times", n)
			}
		})
	}
}

// asked notes who asks for which login.
type asked struct {
	logins
	questions []string
}

func (a *asked) Registry(_ context.Context, q update.LoginQuestion) (credential.Registry, error) {
	a.questions = append(a.questions, q.Reference.String()+" of "+q.Namespace)
	return credential.Registry{}, nil
}

// Whose reference it is goes with each question for a login, of whatever kind.
func TestLoginsAreAskedForInTheNameOfTheApplication(t *testing.T) {
	w := newWorld(t, map[string][]string{"a": {"1.0.0"}})
	for i, reference := range []string{"", "env:X", "secret:team/x"} {
		w.app(fmt.Sprint("app-", i), "main", "image-list", "a=reg.example.com/a", "pull-secret", reference)
		w.apps[i].Namespace = "team"
	}
	by := &asked{}
	w.Credentials, w.Options.Concurrency = by, 1
	if _, err := w.Plan(t.Context(), update.Selection{}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(by.questions)
	if want := []string{" of ", "env:X of team", "secret:team/x of team"}; !slices.Equal(by.questions, want) {
		t.Errorf("asked for %q, want %q", by.questions, want)
	}
}
