package settings

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/image"
)

// TestGolden reads the Application of each archive; its file want says what is
// understood.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if len(archive.Files) != 2 {
				t.Fatal("app.yaml and want expected")
			}
			if diff := gocmp.Diff(string(archive.Files[1].Data), understood(t, archive.Files[0].Data)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDocumentation checks the page on annotations: each of its YAML examples
// is understood as the text behind it says, and each key has its row.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/annotations.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(page), "```yaml\n")[1:]
	if len(examples) == 0 {
		t.Fatal("no examples")
	}
	for _, example := range examples {
		annotations, rest, _ := strings.Cut(example, "```\n")
		doc := "metadata:\n  name: web\n" + indent(annotations)
		_, want, ok := strings.Cut(rest, "```text\n")
		want, _, _ = strings.Cut(want, "```\n")
		if !ok {
			t.Errorf("no text behind\n%s", annotations)
			continue
		}
		if diff := gocmp.Diff(want, understood(t, []byte(doc))); diff != "" {
			t.Errorf("%s%s", annotations, diff)
		}
	}
	for _, keys := range [][]string{applicationKeys, imageKeys, aliasKeys} {
		for _, key := range keys {
			if !strings.Contains(string(page), "\n| `"+key+"` |") && !strings.Contains(string(page), "\n| `<alias>."+key+"` |") {
				t.Errorf("%s has no row", key)
			}
		}
	}
}

// indent puts annotations below metadata, with their prefix.
func indent(annotations string) string {
	var b strings.Builder
	b.WriteString("  annotations:\n")
	for line := range strings.Lines(annotations) {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "#") {
			b.WriteString("    " + line)
		} else {
			b.WriteString("    " + Prefix + line)
		}
	}
	return b.String()
}

// understood writes what is read from the annotations of an Application.
func understood(t *testing.T, doc []byte) string {
	t.Helper()
	app, err := argo.Decode(doc)
	if err != nil {
		t.Fatal(err)
	}
	u, err := FromAnnotations(app, Defaults{Platform: image.Platform{OS: "linux", Arch: "amd64"}})
	if err != nil {
		return fmt.Sprintf("error: %v\n", err)
	}
	var b strings.Builder
	for _, t := range u.Tracks {
		describeTrack(&b, t)
	}
	describeWriteBack(&b, u.WriteBack)
	for _, w := range u.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

func describeTrack(b *strings.Builder, t Track) {
	if t.Err != nil {
		describeError(b, t.Err)
		return
	}
	fmt.Fprintf(b, "%s: %s %s", t.Name, t.Image, t.Strategy)
	say := func(what, value string) {
		if value != "" {
			fmt.Fprintf(b, ", %s %s", what, value)
		}
	}
	say("constraint", t.Constraint)
	say("pin", map[Pin]string{PinDigest: "digest", PinTagDigest: "tag+digest"}[t.Pin])
	say("credential from", t.PullSecret.Name)
	say("helm", describeKeys(t.Helm))
	say("plugin", describeKeys(t.Plugin))
	say("kustomize", t.KustomizeName)
	if t.Force {
		b.WriteString(", forced")
	}
	if t.AllowDowngrade {
		b.WriteString(", downgrades allowed")
	}
	var admitted []string
	for _, tag := range []string{"1.2.3", "1.2.4-beta", "1.3.0", "2.0.0", "abc123", "latest", "main-7"} {
		if t.Policy.Admits(tag) {
			admitted = append(admitted, tag)
		}
	}
	fmt.Fprintf(b, "\n  admits %s\n", cmp.Or(strings.Join(admitted, " "), "none"))
}

// describeError says whose value of which key is wrong; the reasons are tested
// where they are made.
func describeError(b *strings.Builder, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			describeError(b, err)
		}
		return
	}
	var wrong *ValueError
	if !errors.As(err, &wrong) || wrong.Reason == "" {
		fmt.Fprintf(b, "error without a place or a reason: %v\n", err)
		return
	}
	fmt.Fprintf(b, "error: %s: %s %q\n", wrong.Object, wrong.Key, wrong.Value)
}

func describeKeys(k Keys) string {
	if !k.Given {
		return ""
	}
	return strings.Trim(strings.Join([]string{k.Name, k.Tag, k.Spec}, " "), " ")
}

func describeWriteBack(b *strings.Builder, w WriteBack) {
	b.WriteString("write-back: " + []string{"argocd", "git", "git:branch", "git:noop"}[w.Method])
	say := func(what, value string) {
		if value != "" {
			fmt.Fprintf(b, ", %s %s", what, value)
		}
	}
	if w.Credential.Name != "" {
		say("credential", strings.TrimPrefix(w.Credential.Namespace+"/"+w.Credential.Name, "/"))
	}
	say("target", w.Target.Text)
	say("repository", w.Repository)
	say("base", w.Base)
	if w.Head != nil {
		say("head", w.Head.String())
	}
	if w.Method == MethodGitBranch {
		say("prefix", w.BranchPrefix)
	}
	if w.NoTrailers {
		b.WriteString(", no trailers")
	}
	b.WriteString("\n")
}

// The same annotations give the same settings and the same words, however the
// map is walked.
func TestDeterministic(t *testing.T) {
	doc := []byte(`metadata:
  name: web
  annotations:
`)
	for _, key := range []string{"image-list: 'a=nginx, b=redis, a=x, c=Bad'", "zz: x", "yy: x", "b.pin: x", "b.force-update: x", "d.pin: tag", "updte-strategy: x"} {
		doc = append(doc, "    "+Prefix+key+"\n"...)
	}
	want := understood(t, doc)
	for range 50 {
		if diff := gocmp.Diff(want, understood(t, doc)); diff != "" {
			t.Fatal(diff)
		}
	}
}
