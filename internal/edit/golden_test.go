package edit

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"argocd-image-updater/internal/image"
)

var update = flag.Bool("update", false, "write what the edits give into the golden files")

// golden is a case of testdata/<format>/*.txtar: the file "in", the edits, and
// either "out" with a report of changes, or "refused".
//
// An edit is a line: kind, track, then key=value pairs. Lines of one word say
// what txtar cannot hold: absent (no file), crlf, bom, nonl (no final newline;
// nonl-before: only the source has none), and oneway (the way back does not give the same bytes).
type golden struct {
	name   string
	file   string
	format Format
	ar     *txtar.Archive
	words  []string
	edits  []Edit
}

var formats = map[string]Format{"override": Override, "kustomization": Kustomization, "values": Values, "manifests": Manifests}

func goldens(t testing.TB) []golden {
	t.Helper()
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var gs []golden
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Base(filepath.Dir(file))
		g := golden{name: dir + "/" + strings.TrimSuffix(filepath.Base(file), ".txtar"), file: file, format: formats[dir], ar: ar}
		for line := range strings.Lines(string(g.section("edits"))) {
			fields := strings.Fields(line)
			if len(fields) == 1 {
				g.words = append(g.words, fields[0])
				continue
			}
			e, err := parseEdit(fields)
			if err != nil {
				t.Fatalf("%s: %q: %v", file, line, err)
			}
			g.edits = append(g.edits, e)
		}
		gs = append(gs, g)
	}
	return gs
}

func parseEdit(fields []string) (Edit, error) {
	e := Edit{Track: fields[1]}
	var k keys
	var params []Parameter
	var image KustomizeImage
	var pods PodImages
	for _, field := range fields[2:] {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "new":
			ref, err := parseNew(value)
			if err != nil {
				return e, err
			}
			e.New = ref
		case "name":
			k.name = value
		case "tag":
			k.tag = value
		case "spec":
			k.spec = value
		case "param", "stringparam":
			name, v, _ := strings.Cut(value, ":")
			params = append(params, Parameter{name, v, key == "stringparam"})
		case "entry":
			image.Base = append(image.Base, value)
		case "original":
			image.Original = value
		case "rename":
			image.Rename = true
		case "only":
			pods.Only = onlyTags(value)
		default:
			return e, fmt.Errorf("unknown key %q", key)
		}
	}
	switch fields[0] {
	case "helm":
		e.At = HelmParameters{Name: k.name, Tag: k.tag, Spec: k.spec, Base: params}
	case "env":
		at := PluginEnv{Name: k.name, Tag: k.tag, Spec: k.spec}
		for _, p := range params {
			at.Base = append(at.Base, EnvVar{p.Name, p.Value})
		}
		e.At = at
	case "values":
		e.At = HelmValues{Name: k.name, Tag: k.tag, Spec: k.spec}
	case "kustomize":
		e.At = image
	case "pods":
		e.At = pods
	default:
		return e, fmt.Errorf("unknown kind %q", fields[0])
	}
	return e, nil
}

// parseNew reads a reference whose digest may be a single repeated letter, which
// keeps the golden files readable.
func parseNew(s string) (image.Ref, error) {
	name, letter, ok := strings.Cut(s, "@")
	if ok && len(letter) == 1 {
		s = name + "@sha256:" + strings.Repeat(letter, 64)
	}
	return image.ParseRef(s)
}

func onlyTags(prefix string) func(image.Ref) bool {
	return func(r image.Ref) bool { return strings.HasPrefix(r.Tag, prefix) }
}

func (g golden) section(name string) []byte {
	for _, f := range g.ar.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// bytes is a section with what txtar cannot hold.
func (g golden) bytes(name string) []byte {
	b := g.section(name)
	if slices.Contains(g.words, "absent") && name == "in" {
		return nil
	}
	if b == nil {
		b = []byte{}
	}
	if slices.Contains(g.words, "nonl") || slices.Contains(g.words, "nonl-before") && name == "in" {
		b = bytes.TrimSuffix(b, []byte("\n"))
	}
	if slices.Contains(g.words, "crlf") {
		b = bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
	}
	if slices.Contains(g.words, "bom") {
		b = append([]byte("\uFEFF"), b...)
	}
	return b
}

// report prints changes and what was declared.
func report(r Result) string {
	var b strings.Builder
	for _, c := range r.Changes {
		fmt.Fprintf(&b, "%s: %s", c.Track, c.Path)
		switch {
		case c.Line == 0:
			fmt.Fprintf(&b, " added %q", c.New)
		case !c.Changed():
			fmt.Fprintf(&b, " line %d stays %q", c.Line, c.New)
		default:
			fmt.Fprintf(&b, " line %d %q -> %q", c.Line, c.Old, c.New)
		}
		if c.Via != nil {
			fmt.Fprintf(&b, " via %s", strings.Join(c.Via, ", "))
		}
		b.WriteByte('\n')
	}
	tracks := make([]string, 0, len(r.Declared))
	for track := range r.Declared {
		tracks = append(tracks, track)
	}
	slices.Sort(tracks)
	for _, track := range tracks {
		for _, ref := range r.Declared[track] {
			fmt.Fprintf(&b, "%s declared %s\n", track, ref)
		}
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			src := g.bytes("in")
			r, err := Apply(src, g.format, g.edits...)
			if *update {
				g.rewrite(t, r, err)
				return
			}
			if want := g.section("refused"); want != nil {
				if err == nil {
					t.Fatalf("not refused; out:\n%s", r.Out)
				}
				if diff := cmp.Diff(strings.TrimSpace(string(want)), err.Error()); diff != "" {
					t.Errorf("refused for another reason (-want +got):\n%s", diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(g.bytes("out")), string(r.Out)); diff != "" {
				t.Errorf("out (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(string(g.section("report")), report(r)); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if !bytes.Equal(src, g.bytes("in")) {
				t.Error("the source was changed")
			}
		})
	}
}

// rewrite puts what came out into the golden file.
func (g golden) rewrite(t *testing.T, r Result, err error) {
	t.Helper()
	ar := &txtar.Archive{Comment: g.ar.Comment}
	for _, f := range g.ar.Files {
		if f.Name == "in" || f.Name == "edits" {
			ar.Files = append(ar.Files, f)
		}
	}
	if err != nil {
		ar.Files = append(ar.Files, txtar.File{Name: "refused", Data: []byte(err.Error() + "\n")})
	} else {
		out := bytes.TrimPrefix(r.Out, []byte("\uFEFF"))
		if slices.Contains(g.words, "crlf") {
			out = bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n"))
		}
		ar.Files = append(ar.Files, txtar.File{Name: "out", Data: out}, txtar.File{Name: "report", Data: []byte(report(r))})
	}
	if err := os.WriteFile(g.file, txtar.Format(ar), 0o644); err != nil {
		t.Fatal(err)
	}
}
