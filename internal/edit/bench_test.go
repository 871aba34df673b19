package edit

import (
	"fmt"
	"strings"
	"testing"
)

// valuesFile has about the given number of lines, as a large chart has them.
func valuesFile(lines int) ([]byte, []string) {
	var b strings.Builder
	var keys []string
	for i := range lines / 20 {
		fmt.Fprintf(&b, `# Component %[1]d of the platform.
component%[1]d:
  enabled: true
  replicas: 2
  image:
    repository: ghcr.io/org/component%[1]d
    tag: "1.0.%[1]d" # bumped by the updater
    pullPolicy: IfNotPresent

  service: {type: ClusterIP, port: 8080}
  env:
    - name: LOG_LEVEL
      value: info
    - name: TEXT
      value: |
        some text

  resources:
    limits: {cpu: 500m, memory: 256Mi}

`, i)
		keys = append(keys, fmt.Sprintf("component%d.image", i))
	}
	return []byte(b.String()), keys
}

func manifestsFile(lines int) []byte {
	var b strings.Builder
	for i := range lines / 20 {
		fmt.Fprintf(&b, `---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: component%[1]d
  labels: {app: component%[1]d}
spec:
  replicas: 2
  selector:
    matchLabels: {app: component%[1]d}
  template:
    metadata:
      labels: {app: component%[1]d}
    spec:
      containers:
        - name: app
          image: ghcr.io/org/component%[1]d:1.0.0
          ports:
            - containerPort: 8080
          resources: {}
`, i)
	}
	return []byte(b.String())
}

func overrideFile(n int) []byte {
	var b strings.Builder
	b.WriteString("helm:\n  parameters:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: component%d.tag\n    value: 1.0.%d\n    forcestring: true\n", i, i)
	}
	return []byte(b.String())
}

func bench(b *testing.B, src []byte, f Format, edits ...Edit) {
	b.ReportAllocs()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		r, err := Apply(src, f, edits...)
		if err != nil || string(r.Out) == string(src) {
			b.Fatal(err, "nothing changed")
		}
	}
}

func BenchmarkApplyValues5000Lines(b *testing.B) {
	src, _ := valuesFile(5000)
	bench(b, src, Values, Edit{Track: "a", New: ref("ghcr.io/org/component120", "2.0"), At: HelmValues{Name: "component120.image.repository", Tag: "component120.image.tag"}})
}

func BenchmarkApplyValues5000Lines250Edits(b *testing.B) {
	src, keys := valuesFile(5000)
	bench(b, src, Values, valuesEdits(keys)...)
}

func valuesEdits(keys []string) []Edit {
	var edits []Edit
	for i, key := range keys {
		edits = append(edits, Edit{Track: key, New: ref(fmt.Sprintf("ghcr.io/org/component%d", i), "2.0"), At: HelmValues{Name: key + ".repository", Tag: key + ".tag"}})
	}
	return edits
}

func BenchmarkApplyManifests5000Lines(b *testing.B) {
	bench(b, manifestsFile(5000), Manifests, Edit{Track: "a", New: ref("ghcr.io/org/component120", "2.0"), At: PodImages{}})
}

func BenchmarkApplyOverride(b *testing.B) {
	bench(b, overrideFile(2), Override, Edit{Track: "a", New: ref("ghcr.io/org/app", "2.0"), At: HelmParameters{Tag: "component1.tag"}})
}

// TestManyEdits counts what a file with many edits costs: eight times the edits
// may not cost much more than eight times as much.
func TestManyEdits(t *testing.T) {
	cases := map[string]func(n int) ([]byte, Format, []Edit){
		"values": func(n int) ([]byte, Format, []Edit) {
			src, keys := valuesFile(20 * n)
			return src, Values, valuesEdits(keys)
		},
		"missing values": func(n int) ([]byte, Format, []Edit) {
			_, keys := valuesFile(20 * n)
			return []byte("a: b\n"), Values, valuesEdits(keys)
		},
		"manifests": func(n int) ([]byte, Format, []Edit) {
			var edits []Edit
			for i := range n {
				edits = append(edits, Edit{Track: fmt.Sprint(i), New: ref(fmt.Sprintf("ghcr.io/org/component%d", i), "2.0"), At: PodImages{}})
			}
			return manifestsFile(20 * n), Manifests, edits
		},
		"parameters": func(n int) ([]byte, Format, []Edit) {
			var edits []Edit
			for i := range n {
				edits = append(edits, Edit{Track: fmt.Sprint(i), New: ref("org/app", "2.0"), At: HelmParameters{Tag: fmt.Sprintf("component%d.tag", i), Name: fmt.Sprintf("component%d.name", i)}})
			}
			return overrideFile(n), Override, edits
		},
		"images": func(n int) ([]byte, Format, []Edit) {
			var edits []Edit
			for i := range n {
				edits = append(edits, Edit{Track: fmt.Sprint(i), New: ref(fmt.Sprintf("org/app%d", i), "2.0"), At: KustomizeImage{}})
			}
			return []byte("images:\n- name: x\n"), Kustomization, edits
		},
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			cost := func(n int) float64 {
				src, f, edits := make(n)
				return testing.AllocsPerRun(1, func() {
					if r, err := Apply(src, f, edits...); err != nil || len(r.Changes) < n {
						t.Fatalf("%v: %d changes", err, len(r.Changes))
					}
				})
			}
			if few, many := cost(125), cost(1000); many > 10*few {
				t.Errorf("1000 edits take %.0f allocations, 125 take %.0f", many, few)
			}
		})
	}
}
