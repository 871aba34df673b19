package settings

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
)

// annotated is an Application with an image list and the given annotations,
// key and value in turn.
func annotated(keyValues ...string) argo.Application {
	app := argo.Application{Key: argo.Key{Namespace: "team", Name: "web"}, Annotations: map[string]string{
		Prefix + "image-list":         "app=ghcr.io/org/app",
		"example.com/update-strategy": "not ours",
	}}
	for i := 0; i < len(keyValues); i += 2 {
		app.Annotations[Prefix+keyValues[i]] = keyValues[i+1]
	}
	return app
}

func writeBackOf(t *testing.T, keyValues ...string) WriteBack {
	t.Helper()
	u, err := FromAnnotations(annotated(keyValues...), Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	return u.WriteBack
}

func TestWriteBackMethod(t *testing.T) {
	repoCreds := credential.Reference{Kind: credential.RepoCreds}
	secret := credential.Reference{Kind: credential.Secret, Namespace: "team", Name: "git"}
	own := credential.Reference{Kind: credential.Secret, Name: "git"}
	tests := []struct {
		text       string
		method     Method
		credential credential.Reference
	}{
		{"", MethodArgoCD, credential.Reference{}},
		{"argocd", MethodArgoCD, credential.Reference{}},
		{" argocd\n", MethodArgoCD, credential.Reference{}},
		{"git", MethodGit, repoCreds},
		{"git:repocreds", MethodGit, repoCreds},
		{"git:secret:team/git", MethodGit, secret},
		{"git:secret:git", MethodGit, own},
		{"git:branch", MethodGitBranch, repoCreds},
		{"git:branch:repocreds", MethodGitBranch, repoCreds},
		{"git:branch:secret:team/git", MethodGitBranch, secret},
		{"git:noop", MethodGitNoop, repoCreds},
		{"git:noop:repocreds", MethodGitNoop, repoCreds},
		{"git:noop:secret:git", MethodGitNoop, own},
	}
	for _, test := range tests {
		w := writeBackOf(t, "write-back-method", test.text)
		if w.Method != test.method || w.Credential != test.credential {
			t.Errorf("%q: %v %v", test.text, w.Method, w.Credential)
		}
	}
}

func TestWriteBackTarget(t *testing.T) {
	tests := []struct {
		text string
		want Target
		typ  argo.Type
	}{
		{"", Target{}, argo.TypeUnknown},
		{"kustomization", Target{Kind: TargetKustomization}, argo.TypeKustomize},
		{"kustomization:../base", Target{Kind: TargetKustomization, Path: "../base"}, argo.TypeKustomize},
		{"kustomization:/overlays/prod", Target{Kind: TargetKustomization, Path: "/overlays/prod"}, argo.TypeKustomize},
		{"helmvalues", Target{Kind: TargetHelmValues}, argo.TypeHelm},
		{"helmvalues:values-prod.yaml", Target{Kind: TargetHelmValues, Path: "values-prod.yaml"}, argo.TypeHelm},
		{"helmvalues:/envs/prod/values.yaml", Target{Kind: TargetHelmValues, Path: "/envs/prod/values.yaml"}, argo.TypeHelm},
		{"manifests", Target{Kind: TargetManifests}, argo.TypeDirectory},
		{"manifests:web.yaml", Target{Kind: TargetManifests, Path: "web.yaml"}, argo.TypeDirectory},
		{"apps/web/.argocd-source.yaml", Target{Kind: TargetOverride, Path: "/apps/web/.argocd-source.yaml"}, argo.TypeUnknown},
		{"/apps/web/.argocd-source-web.yaml", Target{Kind: TargetOverride, Path: "/apps/web/.argocd-source-web.yaml"}, argo.TypeUnknown},
	}
	for _, test := range tests {
		got := writeBackOf(t, "write-back-method", "git", "write-back-target", test.text).Target
		test.want.Text = test.text
		if got != test.want || got.ImpliedType() != test.typ {
			t.Errorf("%q: %+v for %q", test.text, got, got.ImpliedType())
		}
	}
}

func TestGitBranch(t *testing.T) {
	fields := HeadFields{
		AppName: "web", AppNamespace: "team", SHA256: "5f3a", TargetKey: "12345678",
		Images: []HeadImage{
			{Name: "org/app", Alias: "app", OldTag: "1.0", NewTag: "1.1"},
			{Name: "redis", Alias: "", OldTag: "7.0", NewTag: "7.2"},
		},
	}
	tests := []struct{ text, base, head string }{
		{"", "", ""},
		{"main", "main", ""},
		{"release/1.x", "release/1.x", ""},
		{"main:image-update", "main", "image-update"},
		{"main : image-update/{{.SHA256}}", "main", "image-update/5f3a"},
		{":image-update/{{.AppNamespace}}/{{.AppName}}", "", "image-update/team/web"},
		{"main:up{{range .Images}}-{{.Name}}-{{.OldTag}}-{{.NewTag}}{{end}}", "main", "up-org/app-1.0-1.1-redis-7.0-7.2"},
		{"main:up{{range $i, $e := .Images}}-{{$e.Alias}}{{$i}}{{end}}", "main", "up-app0-1"},
		{`main:up-{{printf "%s:x" .AppName | len}}`, "main", "up-5"}, // a colon in an action
		{"main:{{/* a:b }} */}}up", "main", "up"},
		{`main:up-{{with index .Images 0}}{{if eq .NewTag "1.1"}}{{.Alias}}{{end}}{{end}}`, "main", "up-app"},
		{"main:{{.SHA256}}" + strings.Repeat("x", 300), "main", "5f3a" + strings.Repeat("x", 251)},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			w := writeBackOf(t, "write-back-method", "git", "git-branch", test.text)
			if w.Base != test.base {
				t.Errorf("base %q, want %q", w.Base, test.base)
			}
			if w.Head == nil {
				if test.head != "" {
					t.Errorf("no head, want %q", test.head)
				}
				return
			}
			if got, err := w.Head.Render(fields); got != test.head || err != nil {
				t.Errorf("head %q, %v; want %q", got, err, test.head)
			}
			if _, text, _ := strings.Cut(test.text, ":"); w.Head.String() != strings.TrimSpace(text) {
				t.Errorf("text %q", w.Head)
			}
		})
	}
	if _, err := writeBackOf(t, "git-branch", "main:{{.AppName}}").Head.Render(HeadFields{AppName: "a b"}); err == nil {
		t.Error("a branch with a space is rendered")
	}
}

func TestWriteBackOther(t *testing.T) {
	w := writeBackOf(t, "write-back-method", "git:branch",
		"git-branch-prefix", "bump-", "git-repository", " git@git.example.com:org/envs.git ")
	if w.BranchPrefix != "bump-" || w.Repository != "git@git.example.com:org/envs.git" {
		t.Errorf("%+v", w)
	}
	w = writeBackOf(t)
	if w.BranchPrefix != "image-update/" || w.Repository != "" {
		t.Errorf("defaults: %+v", w)
	}
}

// TestWriteBackSwitches: what an Application says goes before the process, which
// goes before true.
func TestWriteBackSwitches(t *testing.T) {
	tests := []struct {
		text string // of all three annotations; "absent": none of them is there
		off  bool   // for the process
		want bool   // off for the Application
	}{
		{"absent", false, false},
		{"absent", true, true},
		{"", false, false},
		{"", true, true},
		{"true", false, false},
		{"true", true, false},
		{"false", false, true},
		{"0", true, true},
	}
	for _, test := range tests {
		app := annotated("commit-trailers", test.text, "respect-sync-windows", test.text, "refresh-after-write", test.text)
		if test.text == "absent" {
			app = annotated()
		}
		u, err := FromAnnotations(app, Defaults{NoTrailers: test.off, IgnoreWindows: test.off, NoRefresh: test.off})
		w := u.WriteBack
		if err != nil || w.NoTrailers != test.want || w.IgnoreWindows != test.want || w.NoRefresh != test.want {
			t.Errorf("%q, off %v: %+v, %v", test.text, test.off, w, err)
		}
	}
	// Each key is about its own.
	for key, want := range map[string]WriteBack{
		"commit-trailers":      {NoTrailers: true, BranchPrefix: "image-update/"},
		"respect-sync-windows": {IgnoreWindows: true, BranchPrefix: "image-update/"},
		"refresh-after-write":  {NoRefresh: true, BranchPrefix: "image-update/"},
	} {
		if diff := cmp.Diff(want, writeBackOf(t, key, "false")); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	d := Defaults{IgnoreWindows: true}
	if u, _ := FromAnnotations(annotated(), d); !u.WriteBack.IgnoreWindows || u.WriteBack.NoTrailers || u.WriteBack.NoRefresh {
		t.Errorf("of %+v: %+v", d, u.WriteBack)
	}
}

// A wrong write-back is an error of the Application, with every wrong value in
// it and nothing to work with.
func TestWriteBackRefuses(t *testing.T) {
	tests := []struct{ key, value, want string }{
		{"write-back-method", "gitt", `application team/web: write-back-method "gitt": unknown method: argocd, git, git:branch or git:noop expected`},
		{"write-back-method", "argocd:x", "argocd takes no argument"},
		{"write-back-method", "git:", "git, git:branch or git:noop expected"},
		{"write-back-method", "git:secret:", "git, git:branch or git:noop expected"},
		{"write-back-method", "git:branch:", "git, git:branch or git:noop expected"},
		{"write-back-method", "git:nop", "git, git:branch or git:noop expected"},
		{"write-back-target", "kustomization.yaml", "kustomization:<folder>"},
		{"write-back-target", "Kustomization", "kustomization:<folder>"},
		{"write-back-target", "kustomization/prod", "kustomization[:<folder>]"},
		{"write-back-target", "helmvalues.yaml", "helmvalues[:<file>]"},
		{"write-back-target", "helmvalues:", "a path is missing after the colon"},
		{"write-back-target", "helmvalues:/../x.yaml", "the path leaves the repository"},
		{"write-back-target", "kustomization:/a/../../b", "the path leaves the repository"},
		{"write-back-target", "../x/.argocd-source.yaml", "the path leaves the repository"},
		{"write-back-target", "manifests:a\nb", "control characters"},
		{"git-branch", "main:up:x", "one colon between base and template expected"},
		{"git-branch", "main:", "a template is missing after the colon"},
		{"git-branch", "{{.AppName}}", "the base is no template"},
		{"git-branch", "ma in", `branch "ma in" has a space`},
		{"git-branch", "main:{{.AppName", "the template does not parse"},
		{"git-branch", "main:{{.Appname}}", "can't evaluate field Appname"},
		{"git-branch", "main:{{call .AppName}}", `function "call" not defined`},
		{"git-branch", "main:{{define `x`}}{{end}}up", "define or call no other template"},
		{"git-branch", "main:{{template `git-branch`}}", "define or call no other template"},
		{"git-branch", "main:{{range 1000000000}}{{end}}up", "may range over .Images"},
		{"git-branch", "main:{{range or 1000000000 .Images}}{{end}}up", "may range over .Images"},
		{"git-branch", "main:{{range .Images}}{{range $.Images}}{{end}}{{end}}up", "each once inside of the others"},
		{"git-branch", "main:up {{.SHA256}}", `has a space`},
		{"git-branch", "main:{{if false}}x{{end}}", "is empty"},
		{"git-branch-prefix", "up..", "no branch can begin so"},
		{"git-repository", "https://a https://b", "the URL of one Git repository"},
		{"git-repository", "https://bob:hunter2@git.example.com/x", "the URL holds a password"},
		{"commit-trailers", "nope", `commit-trailers "nope": true or false expected`},
		{"respect-sync-windows", "nope", "true or false expected"},
		{"refresh-after-write", "nope", "true or false expected"},
		{"image-list", strings.Repeat("nginx,", 501), "image-list: 501 images: at most 500 are followed for one Application"},
		{"image-list", " ,", "image-list \",\": no image in it"},
	}
	for _, test := range tests {
		t.Run(test.key+"="+test.value, func(t *testing.T) {
			u, err := FromAnnotations(annotated(test.key, test.value), Defaults{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v; want %q", err, test.want)
			}
			var wrong *ValueError
			if !errors.As(err, &wrong) || wrong.Object != "application team/web" || wrong.Key != test.key {
				t.Errorf("%#v", wrong)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a password is shown")
			}
			if diff := cmp.Diff(Update{}, u); diff != "" {
				t.Error("an error and settings:", diff)
			}
		})
	}

	_, err := FromAnnotations(annotated("write-back-method", "gitt", "commit-trailers", "x"), Defaults{})
	if err == nil || !strings.Contains(err.Error(), "write-back-method") || !strings.Contains(err.Error(), "commit-trailers") {
		t.Errorf("not all that is wrong is told: %v", err)
	}
}

func TestWriteBackWarnings(t *testing.T) {
	tests := []struct {
		keyValues []string
		want      []string
	}{
		{[]string{"write-back-method", "git", "write-back-target", "values.yaml"},
			[]string{`write-back-target "values.yaml": Argo CD reads no such file by itself, only .argocd-source files; for Helm values write helmvalues:/values.yaml`}},
		{[]string{"git-branch", "main", "write-back-target", "helmvalues"}, []string{
			"write-back-target does nothing with write-back-method argocd: set write-back-method: git",
			"git-branch does nothing with write-back-method argocd: set write-back-method: git",
		}},
	}
	for _, test := range tests {
		u, err := FromAnnotations(annotated(test.keyValues...), Defaults{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, u.Warnings); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCheckBranch(t *testing.T) {
	for _, name := range []string{"main", "a/b/c", "image-update/app-1.2.3", "größe", "a@b", "x{y}"} {
		if err := CheckBranch(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\`, "a//b", "/a", "a/", "a.", ".a", "a/.b", "a.lock", "a.lock/b", "@", "a@{1}", "-a", "a\x7f", strings.Repeat("a", 256)} {
		if CheckBranch(name) == nil {
			t.Errorf("%q is taken for a branch", name)
		}
	}
}

func FuzzSplitBranch(f *testing.F) {
	for _, seed := range []string{"main", "main:up-{{.SHA256}}", `:{{printf "a:b}}"}}`, "a:b:c", "{{`:", "{{'\\'", "main:{{/* }} */}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		base, head, hasHead, err := splitBranch(text)
		if err != nil {
			return
		}
		// Nothing is lost or invented.
		whole := base
		if hasHead {
			whole += ":" + head
		}
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if squeeze(whole) != squeeze(text) {
			t.Errorf("%q splits into %q and %q", text, base, head)
		}
		if h, err := compileHead(head); err == nil {
			if name, err := h.Render(HeadFields{Images: []HeadImage{{Name: "a"}}}); err == nil && CheckBranch(name) != nil {
				t.Errorf("%q renders %q", head, name)
			}
		}
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"", "kustomization:../base", "helmvalues:/a/../../b", "manifests", "apps/.argocd-source.yaml", "kustomization.yaml", "/..", "/a/./../.."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, reason := parseTarget(text)
		if reason != "" {
			if target != (Target{}) {
				t.Errorf("%q is refused and %+v", text, target)
			}
			return
		}
		if target.Text != text || leavesRoot(target.Path) {
			t.Errorf("%q is %+v", text, target)
		}
		if target.Kind == TargetOverride && !strings.HasPrefix(target.Path, "/") {
			t.Errorf("%q is relative to the source", text)
		}
	})
}
