package plan

import (
	"os/exec"
	"strings"
	"testing"
)

func message(t *testing.T, text string, p Plan, trailers Trailers) (string, string) {
	t.Helper()
	tmpl, err := CompileMessage(text)
	if err != nil {
		t.Fatal(err)
	}
	return Message(tmpl, p, trailers)
}

func TestMessage(t *testing.T) {
	two := changing(t, "ghcr.io/org/app:1.0", "ghcr.io/org/app:1.1", "nginx:1.26@"+sha, "nginx:1.27")
	for _, c := range []struct {
		name, template string
		trailers       Trailers
		want           string
	}{
		{"default", DefaultMessage, WithoutTrailers, "build: automatic update of web\n\n" +
			"updates image org/app tag '1.0' to '1.1'\nupdates image nginx tag '1.26' to '1.27'\n"},
		{"with trailers", "up", WithTrailers, "up\n\nImage-Updater-Application: argocd/web\n" +
			"Image-Updater-Change: ghcr.io/org/app 1.0 -> 1.1\n" +
			"Image-Updater-Change: docker.io/library/nginx 1.26@" + sha + " -> 1.27\n"},
		{"top-level fields", "{{.Image}}: {{.OldTag}} to {{.NewTag}} [skip ci]", WithoutTrailers, "org/app: 1.0 to 1.1 [skip ci]\n"},
		{"every field", "{{.AppNamespace}} {{range .AppChanges}}{{.Alias}}|{{.OldDigest}}|{{.NewDigest}}|{{.Labels}}\n{{end}}", WithoutTrailers,
			"argocd |||map[]\n|" + sha + "||map[]\n"},
		{"a trailer of its own", "up\n\nSigned-off-by: A <a@b>", WithTrailers, "up\n\nSigned-off-by: A <a@b>\nImage-Updater-Application: argocd/web\n" +
			"Image-Updater-Change: ghcr.io/org/app 1.0 -> 1.1\nImage-Updater-Change: docker.io/library/nginx 1.26@" + sha + " -> 1.27\n"},
		{"labels that are not there", "{{range .AppChanges}}{{with .Labels.rev}}{{.}}{{end}}{{range $k, $v := .Labels}}{{$k}}{{end}}{{end}}x", WithoutTrailers, "x\n"},
		{"blank lines and spaces", "\n\n a  \n\n\n\nb\n\n", WithoutTrailers, " a\n\nb\n"},
	} {
		got, warning := message(t, c.template, two, c.trailers)
		if got != c.want || warning != "" {
			t.Errorf("%s: got %q, warning %q; want %q", c.name, got, warning, c.want)
		}
	}
}

func TestMessageOfAFailingTemplate(t *testing.T) {
	got, warning := message(t, "{{.NoSuchField}}", changing(t, "a:1", "a:2"), WithoutTrailers)
	if want := "build: update of application web\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !strings.Contains(warning, "NoSuchField") {
		t.Errorf("the warning does not name the field: %q", warning)
	}
}

// git interpret-trailers has to find the trailers, also of several messages
// put together.
func TestGitFindsTheTrailers(t *testing.T) {
	a, b := changing(t, "a:1", "a:2"), changing(t, "b:1", "b:2")
	b.App.Name = "worker"
	for i, p := range []*Plan{&a, &b} {
		p.Message, _ = message(t, DefaultMessage, *p, WithTrailers)
		p.Files = []FileEdit{{Path: string(rune('a' + i)), After: []byte("x")}}
	}
	one := Changeset{Plans: []Plan{a, b}}.Commits(CommitOptions{Grouping: PerRepository})
	if len(one) != 1 || len(one[0].Files) != 2 {
		t.Fatalf("want one commit of two files, got %+v", one)
	}
	cmd := exec.CommandContext(t.Context(), "git", "interpret-trailers", "--parse")
	cmd.Stdin = strings.NewReader(one[0].Message)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "Image-Updater-Application: argocd/web\nImage-Updater-Change: docker.io/library/a 1 -> 2\n" +
		"Image-Updater-Application: argocd/worker\nImage-Updater-Change: docker.io/library/b 1 -> 2\n"
	if string(out) != want {
		t.Errorf("git found\n%s\nwant\n%s\nin\n%s", out, want, one[0].Message)
	}
}
