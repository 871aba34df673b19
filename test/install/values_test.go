package install_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// value is a leaf of values.yaml.
type value struct {
	path    []string
	initial any
	shown   string // the initial value, as JSON
	about   string // its comment
}

func (v value) String() string { return strings.Join(v.path, "/") }

// chartValues are the leaves of values.yaml. A comment that begins with "--"
// makes a leaf of what it stands above, as helm-docs has it.
func chartValues(t *testing.T) []value {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(read(t, "charts", "argocd-image-updater", "values.yaml")), &document); err != nil {
		t.Fatal(err)
	}
	return leaves(t, document.Content[0], nil)
}

func leaves(t *testing.T, mapping *yaml.Node, path []string) []value {
	t.Helper()
	var all []value
	for i := 0; i < len(mapping.Content); i += 2 {
		key, node := mapping.Content[i], mapping.Content[i+1]
		here := append(slices.Clone(path), key.Value)
		_, about, documented := strings.Cut(key.HeadComment, "# -- ")
		if node.Kind == yaml.MappingNode && !documented {
			all = append(all, leaves(t, node, here)...)
			continue
		}
		v := value{path: here, about: about}
		if err := node.Decode(&v.initial); err != nil {
			t.Fatal(err)
		}
		shown, err := json.Marshal(v.initial)
		if err != nil {
			t.Fatal(err)
		}
		v.shown = string(shown)
		all = append(all, v)
	}
	return all
}

// TestValuesAreDocumented writes the table of the chart's README, or compares it.
func TestValuesAreDocumented(t *testing.T) {
	const begin, end = "<!-- values: begin (make gen) -->\n", "<!-- values: end -->\n"
	var table strings.Builder
	table.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, v := range chartValues(t) {
		if v.about == "" {
			t.Errorf("%s has no comment in values.yaml", v)
		}
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", dotted(v.path), v.shown, v.about)
	}
	before, rest, found := strings.Cut(read(t, "charts", "argocd-image-updater", "README.md"), begin)
	_, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		t.Fatal("README.md has no place for the table")
	}
	generated(t, before+begin+table.String()+end+after, "charts", "argocd-image-updater", "README.md")
}

// dotted writes a path as helm --set takes it.
func dotted(path []string) string {
	var escaped []string
	for _, key := range path {
		escaped = append(escaped, strings.ReplaceAll(key, ".", `\.`))
	}
	return strings.Join(escaped, ".")
}

// TestSchemaAndValues: the schema knows the values of values.yaml and no others.
func TestSchemaAndValues(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal([]byte(read(t, "charts", "argocd-image-updater", "values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, v := range chartValues(t) {
		known = append(known, v.String())
	}
	slices.Sort(known)
	properties := schemaLeaves(schema, "")
	slices.Sort(properties)
	properties = slices.DeleteFunc(properties, func(p string) bool { return p == "global" }) // Helm's own
	if diff := cmp.Diff(known, properties); diff != "" {
		t.Errorf("(-values.yaml +schema):\n%s", diff)
	}
}

func schemaLeaves(schema map[string]any, path string) []string {
	properties, inner := schema["properties"].(map[string]any)
	if !inner {
		return []string{path}
	}
	var all []string
	for name, property := range properties {
		all = append(all, schemaLeaves(property.(map[string]any), strings.TrimPrefix(path+"/"+name, "/"))...)
	}
	return all
}

// TestConfigValues: config has the keys that the Deployment reads.
func TestConfigValues(t *testing.T) {
	objects := parse(t, read(t, "manifests", "install.yaml"))
	want := []string{"create", "git.commit-message-template", "name", "registries"}
	for _, s := range settings(t, objects) {
		if s.kind == "ConfigMap" && !slices.Contains(refusedKeys, s.key) {
			want = append(want, s.key)
		}
	}
	slices.Sort(want)
	var got []string
	for _, v := range chartValues(t) {
		if v.path[0] == "config" {
			got = append(got, v.path[1])
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Deployment +values.yaml):\n%s", diff)
	}
}

// TestEveryValueHasAnEffect renders the chart with each value changed, alone.
func TestEveryValueHasAnEffect(t *testing.T) {
	plain := map[string]string{}
	for _, v := range chartValues(t) {
		base := ""
		if strings.HasPrefix(v.String(), "metrics/serviceMonitor/") && v.path[2] != "enabled" {
			base = "metrics: {serviceMonitor: {enabled: true}}"
		}
		if plain[base] == "" {
			plain[base] = render(t, base)
		}
		changed := map[string]any{}
		if err := sigsyaml.Unmarshal([]byte(base), &changed); err != nil {
			t.Fatal(err)
		}
		put(changed, v.path, another(v))
		text, err := sigsyaml.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		if got := render(t, string(text)); got == plain[base] {
			t.Errorf("%s changes nothing:\n%s", v, text)
		}
	}
}

func render(t *testing.T, values string) string {
	t.Helper()
	text, err := template(t, "x", values)
	if err != nil {
		t.Fatalf("%s: %v", values, err)
	}
	parse(t, text)
	return text
}

// another is a value that differs from the initial one and that the schema
// allows.
func another(v value) any {
	if choice, ok := map[string]any{
		"config/applications_api": "argocd", "config/interval": "5m", "config/log.level": "debug", "config/log.format": "json",
		"config/git.commit-grouping": "repository", "config/max_concurrent_apps": 5, "config/tls.min-version": "1.2", "config/tls.max-version": "1.2",
		"config/registries": []any{map[string]any{"name": "a", "api_url": "https://a.example"}},
		"image/pullPolicy":  "Always", "extraArgs": []any{"--dry-run"},
	}[v.String()]; ok {
		return choice
	}
	switch initial := v.initial.(type) {
	case bool:
		return !initial
	case nil:
		return true
	case int:
		return initial + 1
	case string:
		return initial + "other"
	case []any:
		return []any{map[string]any{"name": "other"}}
	default:
		return map[string]any{"other": "other"}
	}
}

func put(values map[string]any, path []string, v any) {
	for _, key := range path[:len(path)-1] {
		inner, ok := values[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			values[key] = inner
		}
		values = inner
	}
	values[path[len(path)-1]] = v
}
