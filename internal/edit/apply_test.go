package edit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"argocd-image-updater/internal/image"
)

func ExampleApply() {
	values := []byte(`image:
  repository: ghcr.io/org/app
  tag: "1.19" # follows the releases
`)
	chosen, err := image.ParseRef("ghcr.io/org/app:1.20")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := Apply(values, Values, Edit{
		Track: "app",
		New:   chosen,
		At:    HelmValues{Name: "image.repository", Tag: "image.tag"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(r.Out))
	fmt.Println("before:", r.Declared["app"][0])
	// Output:
	// image:
	//   repository: ghcr.io/org/app
	//   tag: "1.20" # follows the releases
	// before: ghcr.io/org/app:1.19
}

// TestRefusedFile is about files that no golden file can hold.
func TestRefusedFile(t *testing.T) {
	app := Edit{Track: "app", New: ref("org/app", "v2"), At: HelmValues{Tag: "tag"}}
	cases := []struct {
		name   string
		src    string
		format Format
		edit   Edit
		want   string
	}{
		{"too large", "tag: v1\n#" + strings.Repeat("x", maxSize), Values, app, "file has 8388617 bytes"},
		{"UTF-16", "\xff\xfet\x00", Values, app, "file is encoded in UTF-16"},
		{"no UTF-8", "tag: \xff\xfe", Values, app, "does not parse"},
		{"control characters", "tag: v1\x00\n", Values, app, "does not parse"},
		{"too deep", "a: " + strings.Repeat("[", 20000), Values, app, "exceeded max depth"},
		{"alias of nothing", "a: *b\n", Values, app, "unknown anchor 'b'"},
		{"no version", "tag: v1\n", Values, Edit{Track: "app", New: ref("org/app", ""), At: HelmValues{Tag: "tag"}}, "app: edit has no tag and no digest"},
		{"no such format", "tag: v1\n", 99, app, "unknown format 99"},
		{"foreign place", "tag: v1\n", Values, Edit{Track: "app", New: ref("org/app", "v2"), At: KustomizeImage{}}, "app: edit has a place of kind edit.KustomizeImage"},
		{"no place", "tag: v1\n", Kustomization, Edit{Track: "app", New: ref("org/app", "v2")}, "app: edit has a place of kind <nil>"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := Apply([]byte(c.src), c.format, c.edit)
			var refused *RefusedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a refusal with %q", err, c.want)
			}
			if r.Out != nil {
				t.Error("a refused edit has a result")
			}
		})
	}
}

// TestHostileAliases: a file whose aliases stand for billions of nodes costs no
// more than its own size, also where the edited value is what they repeat.
func TestHostileAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 {tag: v1}\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&b, "a%d: &a%d {<<: [*a%d, *a%d], x: *a%d, y: *a%d}\n", i, i, i-1, i-1, i-1, i-1)
	}
	key := "a39" + strings.Repeat(".x", 39) + ".missing"
	for _, key := range []string{"a0.tag", "a39.x.tag", key} {
		r, err := Apply([]byte(b.String()), Values, Edit{Track: "app", New: ref("org/app", "v2"), At: HelmValues{Tag: key}})
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		if got := len(r.Changes[0].Via); got > maxVia {
			t.Errorf("%s: %d followers are named", key, got)
		}
	}
}

// TestConflict: a refusal names both tracks, whichever comes first.
func TestConflict(t *testing.T) {
	a := Edit{Track: "a", New: ref("org/app", "v2"), At: HelmValues{Tag: "tag"}}
	b := Edit{Track: "b", New: ref("org/app", "v3"), At: HelmValues{Tag: "tag"}}
	for _, edits := range [][]Edit{{a, b}, {b, a}} {
		_, err := Apply([]byte("tag: v1\n"), Values, edits...)
		var refused *RefusedError
		if !errors.As(err, &refused) {
			t.Fatalf("not refused: %v", err)
		}
		if diff := cmp.Diff([]string{"b", "a"}, []string{refused.Track, refused.Other}); diff != "" {
			t.Errorf("tracks (-want +got):\n%s", diff)
		}
	}
}

// TestDeclaredWithoutVersion: what stands in a file can be asked before a version
// is chosen, and of places that do not exist.
func TestDeclaredWithoutVersion(t *testing.T) {
	got, err := Declared([]byte("image: {tag: v1}\n"), Values,
		Edit{Track: "app", New: ref("org/app", ""), At: HelmValues{Tag: "image.tag"}},
		Edit{Track: "other", New: ref("org/other", ""), At: HelmValues{Tag: "other.tag"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]image.Ref{"app": {ref("org/app", "v1")}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(image.Repo{})); diff != "" {
		t.Errorf("declared (-want +got):\n%s", diff)
	}
}

// TestPlainString holds the quoting against the values that are known to turn
// into something else with some reader of YAML.
func TestPlainString(t *testing.T) {
	quoted := []string{
		"", "1", "0", "007", "0o7", "0x1F", "0b1", "1_000", "1.20", "1.", ".5", "-1", "+1", "1e3", "1E+3", "12e34567",
		"12:30", "12:30:45.5", "1:2", "2024-01-15", "2024-1-5", "2024-01-15T10:00:00Z", "y", "N", "yes", "No", "ON", "off",
		"true", "False", "null", "NULL", "~", "=", "<<", "-", "-a", ".nan", ".inf", "a: b", "a:", "a #b", "#a", "@a", "a,b", "[a", "*a", "&a", "!a", "%a", "a b",
	}
	plain := []string{"v1", "1.2.3", "1.2.3-rc.1", "latest", "nginx:1.27", "a/b:1", "r.io:5000/a/b:v1@sha256:abc", "20240115-abc", "1.20-alpine", "nan", "inf", "_1", "yes1", "0xg", "orig=a/b:v1"}
	for _, s := range quoted {
		if plainString(s) {
			t.Errorf("%q would be left without quotes", s)
		}
	}
	for _, s := range plain {
		if !plainString(s) {
			t.Errorf("%q would be quoted without need", s)
		}
	}
}

// TestParameterValues: whatever a source's own parameter holds stands in the
// file as it is.
func TestParameterValues(t *testing.T) {
	texts := []string{"", "two\nlines\n", "tab\there", `quo"te\`, "'single'", " padded ", "ü \u0085 \u2028 \uFEFF \x7f", "- a", "{{ x }}", "# no comment", "yes"}
	e := Edit{Track: "app", New: ref("org/app", "v2"), At: HelmParameters{Tag: "tag"}}
	for i, text := range texts {
		e.At = HelmParameters{Tag: "tag", Base: []Parameter{{Name: "base", Value: text}}}
		for _, src := range []string{"", "helm: {parameters: [{name: x, value: 'y'}]}\n", `{"helm": {"parameters": [{"name": "x"}]}}`} {
			r, err := Apply([]byte(src), Override, e)
			if err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			docs, err := decode(r.Out)
			if err != nil || !slices.Contains(differences(nil, docs[0]), text) && text != "" {
				t.Errorf("case %d: %q is not in\n%s", i, text, r.Out)
			}
			if bytes.Contains(r.Out, []byte("base: \n")) {
				t.Errorf("%q is left out:\n%s", text, r.Out)
			}
		}
	}
}
