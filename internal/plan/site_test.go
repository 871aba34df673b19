package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/edit"
	"argocd-image-updater/internal/settings"
)

// listing is a repository's folder; names that end in / are folders, in @
// symbolic links.
func listing(dir string, names ...string) Listing {
	l := Listing{Exists: true}
	for _, name := range names {
		e := Entry{Path: strings.Trim(dir+"/"+strings.TrimRight(name, "/@"), "/")}
		switch name[len(name)-1] {
		case '/':
			e.Kind = EntryDir
		case '@':
			e.Kind = EntryLink
		}
		l.Entries = append(l.Entries, e)
	}
	return l
}

func TestFilesOfASite(t *testing.T) {
	target := func(kind settings.TargetKind, path string) settings.Target {
		return settings.Target{Kind: kind, Path: path, Text: "as written"}
	}
	helm := argo.Source{Helm: &argo.Helm{ValueFiles: []string{"a.yaml", "/shared/b.yaml", "$ref/c.yaml", "https://x/d.yaml"}}}
	for _, c := range []struct {
		name     string
		site     Site
		listings map[string]Listing
		format   edit.Format
		files    []string
		hints    []string
		err      string
	}{
		{name: "override of a chart", site: Site{Folder: argo.Folder{Path: "web"}}, listings: map[string]Listing{"web": listing("web", "Chart.yaml", "values.yaml")},
			format: edit.Override, files: []string{"web/.argocd-source-app.yaml"}, hints: []string{"web/values.yaml"}},
		{name: "value files, the last one first", site: Site{Folder: argo.Folder{Path: "web"}, Source: helm, Type: argo.TypeHelm}, listings: map[string]Listing{"web": listing("web", "Chart.yaml")},
			format: edit.Override, files: []string{"web/.argocd-source-app.yaml"}, hints: []string{"shared/b.yaml", "web/a.yaml", "web/values.yaml"}},
		{name: "override of a kustomization at the root", site: Site{}, listings: map[string]Listing{"": listing("", "kustomization.yml", "deploy.yaml", "docs/", "README.md")},
			format: edit.Override, files: []string{".argocd-source-app.yaml"}, hints: []string{"kustomization.yml", "deploy.yaml"}},
		{name: "application of another namespace", site: Site{App: argo.Key{Namespace: "team", Name: "app"}, Type: argo.TypePlugin}, listings: map[string]Listing{"": listing("")},
			format: edit.Override, files: []string{".argocd-source-team_app.yaml"}},
		{name: "plain manifests", site: Site{Folder: argo.Folder{Path: "web"}}, listings: map[string]Listing{"web": listing("web", "a.yaml", "b.yml", "c.json", "d.txt", "sub/", "sub/e.yaml", "link.yaml@", ".argocd-source-app.yaml")},
			format: edit.Manifests, files: []string{"web/a.yaml", "web/b.yml", "web/c.json", "web/link.yaml"}},
		{name: "include and exclude", site: Site{Folder: argo.Folder{Path: "web"}, Source: argo.Source{Directory: &argo.Directory{Recurse: true, Include: "*.yaml", Exclude: "{b,sub/c}.yaml"}}},
			listings: map[string]Listing{"web": listing("web", "a.yaml", "b.yaml", "sub/", "sub/c.yaml", "sub/d.yaml", "e.json")},
			format:   edit.Manifests, files: []string{"web/a.yaml", "web/sub/d.yaml"}},
		{name: "manifests of another folder, with all below", site: Site{Target: target(settings.TargetManifests, "/envs"), Folder: argo.Folder{Path: "web"}}, listings: map[string]Listing{"envs": listing("envs", "a.yaml", "sub/b.yaml")},
			format: edit.Manifests, files: []string{"envs/a.yaml", "envs/sub/b.yaml"}},
		{name: "one manifest", site: Site{Target: target(settings.TargetManifests, "../x.yaml"), Folder: argo.Folder{Path: "web"}}, format: edit.Manifests, files: []string{"x.yaml"}},
		{name: "kustomization", site: Site{Target: target(settings.TargetKustomization, "../base"), Folder: argo.Folder{Path: "web"}}, listings: map[string]Listing{"base": listing("base", "Kustomization", "kustomization.yaml")},
			format: edit.Kustomization, files: []string{"base/kustomization.yaml"}},
		{name: "values", site: Site{Target: target(settings.TargetHelmValues, ""), Folder: argo.Folder{Path: "web"}}, format: edit.Values, files: []string{"web/values.yaml"}},
		{name: "values at the root", site: Site{Target: target(settings.TargetHelmValues, "/v.yaml"), Folder: argo.Folder{Path: "web"}}, format: edit.Values, files: []string{"v.yaml"}},
		{name: "no such folder", site: Site{Folder: argo.Folder{Path: "web"}}, err: `folder "web" does not exist`},
		{name: "no kustomization", site: Site{Target: target(settings.TargetKustomization, "")}, listings: map[string]Listing{"": listing("", "a.yaml")}, err: "no kustomization.yaml"},
		{name: "out of the repository", site: Site{Target: target(settings.TargetHelmValues, "../../v.yaml"), Folder: argo.Folder{Path: "web"}}, err: "leaves the repository"},
		{name: "folder behind a link that leaves", site: Site{Folder: argo.Folder{Path: "web"}}, listings: map[string]Listing{"web": {Err: errors.New("link web leads out")}}, err: "link web leads out"},
	} {
		c.site.Namespace = "argocd"
		if c.site.App.Name == "" {
			c.site.App = argo.Key{Namespace: "argocd", Name: "app"}
		}
		if dirs, err := c.site.Dirs(); err == nil {
			for _, d := range dirs {
				if _, ok := c.listings[d.Path]; !ok && c.err == "" {
					t.Errorf("%s: asks for the folder %q", c.name, d.Path)
				}
			}
		}
		got, err := c.site.Files(c.listings)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want %q", c.name, err, c.err)
			}
			continue
		}
		var hints []string
		for _, h := range got.Hints {
			hints = append(hints, h.Path)
		}
		if err != nil || got.Format != c.format || !slices.Equal(got.Files, c.files) || !slices.Equal(hints, c.hints) {
			t.Errorf("%s: got %v %q, hints %q, %v; want %v %q, hints %q", c.name, got.Format, got.Files, hints, err, c.format, c.files, c.hints)
		}
	}
}

// Plans of one branch make one changeset, whatever order they come in; one
// commit each, or one of all with the last content of each file.
func TestGroupAndCommits(t *testing.T) {
	to := Destination{Location: Location{URL: "u"}, Base: "main", Head: "main"}
	file := func(path, text string) FileEdit { return FileEdit{Path: path, After: []byte(text)} }
	plans := []Plan{
		{Method: settings.MethodGit, App: argo.Key{Name: "b"}, To: to, Message: "b\n", Files: []FileEdit{file("shared", "2"), file("b", "1")}},
		{Method: settings.MethodGit, App: argo.Key{Name: "a"}, To: to, Message: "a\n", Files: []FileEdit{file("shared", "1")}},
		{Method: settings.MethodGit, App: argo.Key{Name: "other"}, To: Destination{Location: Location{URL: "u"}, Base: "main", Head: "x"}, Message: "x\n", Files: []FileEdit{file("x", "1")}},
		{App: argo.Key{Name: "unchanged"}, To: to},
		{App: argo.Key{Name: "failed"}, To: to, Err: errors.New("no"), Files: []FileEdit{file("never", "1")}},
	}
	sets := Group(plans)
	if len(sets) != 2 || len(sets[0].Plans) != 2 || sets[1].To.Head != "x" {
		t.Fatalf("got %+v", sets)
	}
	each := sets[0].Commits(CommitOptions{})
	if len(each) != 2 || each[0].Message != "a\n" || each[1].Message != "b\n" || string(each[1].Files[0].Bytes) != "2" {
		t.Errorf("got %+v", each)
	}
	one := sets[0].Commits(CommitOptions{Grouping: PerRepository})
	if len(one) != 1 || len(one[0].Files) != 2 || one[0].Files[0].Path != "b" || string(one[0].Files[1].Bytes) != "2" {
		t.Errorf("got %+v", one)
	}
	if want := "build: automatic update of 2 applications\n\na\n\nb\n"; one[0].Message != want {
		t.Errorf("message %q, want %q", one[0].Message, want)
	}
}
