package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"argocd-image-updater/internal/image"
)

// properties are what holds of every edit that is not refused, checked with the
// plain decoder of the YAML package and with lines, not with the package's own
// tree.
func properties(t *testing.T, src []byte, f Format, edits []Edit) {
	t.Helper()
	before := bytes.Clone(src)
	r, err := Apply(src, f, edits...)
	if !bytes.Equal(before, src) {
		t.Fatal("the source was changed")
	}
	backwards := slices.Clone(edits)
	slices.Reverse(backwards)
	other, otherErr := Apply(src, f, backwards...)
	if (err == nil) != (otherErr == nil) {
		t.Fatalf("the order of the edits matters: %v, %v", err, otherErr)
	}
	if err != nil {
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason == "" || refused.Remedy == "" {
			t.Fatalf("not a refusal with reason and remedy: %#v", err)
		}
		return
	}
	if !bytes.Equal(r.Out, other.Out) {
		t.Errorf("the order of the edits matters:\n%s\n---\n%s", r.Out, other.Out)
	}
	again, err := Apply(r.Out, f, edits...)
	if err != nil {
		t.Fatalf("the result cannot be edited again: %v\n%s", err, r.Out)
	}
	if r.Out != nil && !bytes.Equal(again.Out, r.Out) {
		t.Errorf("not idempotent:\n%s\n---\n%s", r.Out, again.Out)
	}
	declared, err := Declared(src, f, edits...)
	if err != nil || !reflect.DeepEqual(declared, r.Declared) {
		t.Errorf("Declared says %v (%v), Apply %v", declared, err, r.Declared)
	}
	locality(t, src, r)
	meaning(t, src, r, edits)
}

// locality: apart from the lines that changes name, the lines of the source are
// all there, in their order.
func locality(t *testing.T, src []byte, r Result) {
	t.Helper()
	touched := map[int]bool{}
	for _, c := range r.Changes {
		if c.Line == 0 {
			return // additions may touch the line that they continue
		}
		if c.Changed() || !bytes.Equal(src, r.Out) {
			for line := c.Line; line < nextNode(src, c.Line); line++ {
				touched[line] = true
			}
		}
	}
	out := lines(r.Out)
	if removes := slices.ContainsFunc(r.Changes, func(c Change) bool { return c.New == "" }); removes {
		// The first key of an element leaves its dash to the next.
		for i, line := range out {
			out[i] = strings.TrimLeft(line, " -")
		}
	}
	for i, line := range lines(src) {
		if touched[i+1] {
			continue
		}
		at := slices.IndexFunc(out, func(o string) bool { return o == line || o == strings.TrimLeft(line, " -") })
		if at < 0 {
			t.Errorf("line %d is gone: %q\n%s", i+1, line, r.Out)
			return
		}
		out = out[at+1:]
	}
}

// lines splits where the parser does.
func lines(b []byte) []string {
	b = bytes.TrimPrefix(b, []byte("\uFEFF"))
	return strings.SplitAfter(strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\u0085", "\u0085\n", "\u2028", "\u2028\n", "\u2029", "\u2029\n").Replace(string(b)), "\n")
}

// nextNode is the first line after line that a node starts on.
func nextNode(src []byte, line int) int {
	next := len(lines(src)) + 1
	dec := yaml.NewDecoder(bytes.NewReader(src))
	for {
		var doc yaml.Node
		if dec.Decode(&doc) != nil {
			return next
		}
		var walk func(n *yaml.Node)
		walk = func(n *yaml.Node) {
			if n.Line > line && n.Line < next {
				next = n.Line
			}
			for _, child := range n.Content {
				walk(child)
			}
		}
		walk(&doc)
	}
}

// meaning: read as data, source and result differ in values that the changes
// name, and in no others.
func meaning(t *testing.T, src []byte, r Result, edits []Edit) {
	t.Helper()
	old, err := decode(src)
	if err != nil {
		return // duplicate keys elsewhere, too many aliases: the decoder is stricter than we are
	}
	got, err := decode(r.Out)
	if err != nil {
		t.Errorf("the result does not decode: %v\n%s", err, r.Out)
		return
	}
	intended := map[string]bool{"true": true}
	for _, c := range r.Changes {
		intended[c.New] = true
		for _, part := range strings.FieldsFunc(c.Path, func(r rune) bool { return strings.ContainsRune("[]", r) }) {
			intended[part] = true
		}
	}
	for _, e := range edits {
		intended[e.New.Name] = true
		if k, ok := e.At.(KustomizeImage); ok {
			intended[k.Original] = true
		}
	}
	if len(old) == 0 {
		old = []any{nil}
	}
	for i := range got {
		for _, d := range differences(old[i], got[i]) {
			if !intended[d] {
				t.Errorf("%q was not intended\n%s", d, r.Out)
			}
		}
	}
}

func decode(src []byte) (docs []any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(src))
	for {
		var doc any
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
}

// differences gives the scalars of b that a has not at the same place.
func differences(a, b any) []string {
	var ds []string
	a, b = textKeys(a), textKeys(b)
	switch b := b.(type) {
	case map[string]any:
		old, _ := a.(map[string]any)
		for key, value := range b {
			ds = append(ds, differences(old[key], value)...)
		}
	case []any:
		old, _ := a.([]any)
		for i, value := range b {
			var was any
			if i < len(old) {
				was = old[i]
			}
			ds = append(ds, differences(was, value)...)
		}
	default:
		if !reflect.DeepEqual(a, b) {
			if _, isFloat := b.(float64); !isFloat { // NaN differs from itself
				ds = append(ds, fmt.Sprint(b))
			}
		}
	}
	return ds
}

// textKeys makes a map with keys of all kinds one with texts.
func textKeys(v any) any {
	m, ok := v.(map[any]any)
	if !ok {
		return v
	}
	texts := map[string]any{}
	for key, value := range m {
		texts[fmt.Sprint(key)] = value
	}
	return texts
}

func TestProperties(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			properties(t, g.bytes("in"), g.format, g.edits)
		})
	}
}

// TestUndo edits back to what was declared and expects the source, byte by byte.
func TestUndo(t *testing.T) {
	undone := 0
	for _, g := range goldens(t) {
		src := g.bytes("in")
		r, err := Apply(src, g.format, g.edits...)
		added := slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Line == 0 })
		if err != nil || added || slices.Contains(g.words, "oneway") || len(r.Changes) == 0 {
			continue
		}
		back := slices.Clone(g.edits)
		several := false
		for i, e := range back {
			was := r.Declared[e.Track]
			if several = several || len(was) != 1; !several {
				back[i].New = was[0]
			}
			if at, ok := e.At.(PodImages); ok && at.Only != nil {
				back[i].At = PodImages{Only: onlyTags(e.New.Tag)}
			}
		}
		if several {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			undo, err := Apply(r.Out, g.format, back...)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(undo.Out, src) {
				t.Errorf("got\n%s\nwant\n%s", undo.Out, src)
			}
		})
		undone++
	}
	if undone < 20 {
		t.Errorf("only %d cases were undone", undone)
	}
}

// fuzz runs the properties on the sources of the goldens and what grows from
// them.
func fuzz(f *testing.F, format Format, edits func(name, tag string) []Edit) {
	for _, g := range goldens(f) {
		if g.format != format {
			continue
		}
		for _, e := range g.edits {
			name := e.New.Name
			if at, ok := e.At.(HelmValues); ok {
				name = at.Tag + at.Spec
			}
			f.Add(g.bytes("in"), name, e.New.Tag)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, name, tag string) {
		if src == nil || !image.ValidTag(tag) || !validName(name) {
			return
		}
		properties(t, src, format, edits(name, tag))
	})
}

func validName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/[]") == ""
}

func ref(name, tag string) image.Ref {
	repo, err := image.ParseRepo(name)
	if err != nil {
		repo, _ = image.ParseRepo("org/app")
		name = "org/app"
	}
	return image.Ref{Repo: repo, Name: name, Tag: tag}
}

func FuzzOverride(f *testing.F) {
	fuzz(f, Override, func(name, tag string) []Edit {
		return []Edit{
			{Track: "a", New: ref(name, tag), At: HelmParameters{Tag: "image.tag", Name: "image.name"}},
			{Track: "b", New: ref(name, tag), At: KustomizeImage{Original: name, Rename: len(tag)%2 == 0}},
			{Track: "c", New: ref(name, tag), At: PluginEnv{Spec: name}},
		}
	})
}

func FuzzKustomization(f *testing.F) {
	fuzz(f, Kustomization, func(name, tag string) []Edit {
		return []Edit{
			{Track: "a", New: ref(name, tag), At: KustomizeImage{Original: name}},
			{Track: "b", New: ref("org/web", tag), At: KustomizeImage{Original: "web", Rename: true}},
		}
	})
}

func FuzzValues(f *testing.F) {
	fuzz(f, Values, func(key, tag string) []Edit {
		return []Edit{
			{Track: "a", New: ref("org/app", tag), At: HelmValues{Tag: key}},
			{Track: "b", New: ref("org/app", tag), At: HelmValues{Name: "image.repository", Tag: "image.tag"}},
		}
	})
}

func FuzzManifests(f *testing.F) {
	fuzz(f, Manifests, func(name, tag string) []Edit {
		return []Edit{
			{Track: "a", New: ref(name, tag), At: PodImages{}},
			{Track: "b", New: ref("other/thing", tag), At: PodImages{}},
		}
	})
}
