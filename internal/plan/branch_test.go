package plan

import (
	"testing"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/settings"
)

func ref(t *testing.T, s string) image.Ref {
	t.Helper()
	r, err := image.ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func changing(t *testing.T, pairs ...string) Plan {
	t.Helper()
	p := Plan{App: argo.Key{Namespace: "argocd", Name: "web"}, To: Destination{Base: "main"}}
	for i := 0; i < len(pairs); i += 2 {
		old, chosen := ref(t, pairs[i]), ref(t, pairs[i+1])
		p.Items = append(p.Items, Item{Track: chosen.Name, Image: chosen.With("", ""), Declared: old, New: chosen, State: Pending})
	}
	return p
}

const sha = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestHeadName(t *testing.T) {
	prefix := settings.WriteBack{Method: settings.MethodGitBranch, BranchPrefix: "image-update/"}
	template := func(text string) settings.WriteBack {
		u, err := settings.FromAnnotations(argo.Application{Annotations: map[string]string{
			settings.Prefix + "image-list":        "app",
			settings.Prefix + "write-back-method": "git",
			settings.Prefix + "git-branch":        "main:" + text,
		}}, settings.Defaults{})
		if err != nil {
			t.Fatal(err)
		}
		return u.WriteBack
	}
	for _, c := range []struct {
		name string
		plan Plan
		wb   settings.WriteBack
		want string
	}{
		{"direct", changing(t, "app:1.0", "app:1.1"), settings.WriteBack{Method: settings.MethodGit}, "main"},
		{"one image", changing(t, "docker.io/myorg/myapp:1.2.2", "docker.io/myorg/myapp:1.2.3"), prefix, "image-update/myapp-1.2.3"},
		{"digest", changing(t, "app:latest", "app:latest@"+sha), prefix, "image-update/app-latest-0123456789ab"},
		{"several images", changing(t, "a:1", "a:2", "b:1", "b:2"), prefix, "image-update/web-0432cec2"},
		{"template of the incumbent", changing(t, "ghcr.io/org/app:1.0", "ghcr.io/org/app:1.1"),
			template("image-updater{{range .Images}}-{{.Name}}-{{.NewTag}}{{end}}"), "image-updater-org/app-1.1"},
		{"template with a hash", changing(t, "a:1", "a:2"), template("bump-{{.SHA256}}"), "bump-" + fingerprint(changing(t, "a:1", "a:2").Items)},
	} {
		got, err := HeadName(c.plan, c.wb)
		if err != nil || got != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// Of the same changes, in whatever order they were found, the same branch has
// to come: otherwise every cycle would open another one.
func TestFingerprintTellsChangesApart(t *testing.T) {
	a := fingerprint(changing(t, "a:1", "a:2").Items)
	if b := fingerprint(changing(t, "a:1", "a:3").Items); a == b {
		t.Error("another tag has the same fingerprint")
	}
	if b := fingerprint(changing(t, "a:1", "a:2").Items); a != b {
		t.Error("the same change has another fingerprint")
	}
}

func TestTemplatesAreBounded(t *testing.T) {
	for _, text := range []string{
		"{{range 1000000000}}{{end}}",
		"{{range $i := 1000000000}}{{end}}",
		"{{with 100000000000}}{{range .}}{{end}}{{end}}",
		"{{if true}}{{range len .AppChanges}}x{{end}}{{end}}",
		`{{define "x"}}{{range .AppChanges}}{{template "x" $}}{{end}}{{end}}{{template "x" .}}`,
		"{{range .AppChanges}}{{range $.AppChanges}}{{end}}{{end}}",
		"{{$n := 1000000000}}{{range $n}}{{end}}",
		"{{call .AppName}}",
	} {
		if _, err := CompileMessage(text); err == nil {
			t.Errorf("%s: compiled", text)
		}
	}
	long, err := CompileMessage(`{{printf "%900000d" 1}}`)
	if err != nil {
		t.Fatal(err)
	}
	if text, warning := Message(long, changing(t, "a:1", "a:2"), WithoutTrailers); warning == "" {
		t.Errorf("it printed %d bytes", len(text))
	}
}
