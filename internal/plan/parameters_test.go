package plan

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"argocd-image-updater/internal/argo"
)

// Parameters of others come back from the text as they went into it, whatever
// they look like: what comes back different would be patched.
func FuzzParametersKeepTheirValues(f *testing.F) {
	for _, s := range []string{"1.20", "yes", "y", "Null", "~", "0777", "0o17", "1_000", "1:30", "12:30:45", "2001-01-01", "=", "<<", "a: b", " x ", "x\n", "\n", "#", "'", "\"", "\\", "\t", "\u0085", "\u2028", "\ufeff", "é", "{{x}}", "- a", "? a", "%d", "@", "0b1", ".inf", "1e3", "+1", "-", "---", "..."} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		a, b = strings.ToValidUTF8(a, ""), strings.ToValidUTF8(b, "")
		before := argo.Source{
			Helm:      &argo.Helm{Parameters: []argo.HelmParameter{{Name: a, Value: b}, {Name: b, Value: a, ForceString: true}}},
			Kustomize: &argo.Kustomize{Images: []string{a, b}},
			Plugin:    &argo.Plugin{Env: []argo.EnvVar{{Name: a, Value: b}}},
		}
		text, err := parametersOf(before).text()
		if err != nil {
			return // nothing is written then
		}
		var after parameters
		if err := yaml.Unmarshal(text, &after); err != nil {
			return
		}
		if ops := patchSource("", before, after); len(ops) > 0 {
			t.Errorf("%q, %q: %v\n%s", a, b, ops, text)
		}
	})
}
