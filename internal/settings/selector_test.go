package settings

import (
	"fmt"
	"path"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
)

// FuzzSelector: whatever stands in a reference, it means the Applications that
// its glob and its labels match, or the ImageUpdater is broken; and the index
// finds the reference that a look at all of them finds.
func FuzzSelector(f *testing.F) {
	f.Add("web-*", "web", "web-1", "tier", "In", "gold")
	f.Add("*", `w\eb`, "web", "tier", "DoesNotExist", "")
	f.Add("w[a-e]b", "we[", "web", "tier", "NotIn", "gold")
	f.Add("[!a]*", "]", "web", "a b", "Is", "-")
	f.Add(`\`, "w**b", "web", "", "Exists", "x")
	f.Add("ü*", "ü", "üb", "app.kubernetes.io/name", "In", "web")
	f.Fuzz(func(t *testing.T, first, second, name, label, operator, text string) {
		images := []v1alpha1.ImageConfig{{Alias: "a", ImageName: "nginx"}}
		requirement := metav1.LabelSelectorRequirement{Key: label, Operator: metav1.LabelSelectorOperator(operator)}
		if text != "" {
			requirement.Values = []string{text}
		}
		selector := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{requirement}}
		refs := []v1alpha1.ApplicationRef{
			{NamePattern: first, Images: images},
			{NamePattern: second, LabelSelectors: selector, Images: images},
			{NamePattern: first + second, Images: images},
		}
		cr := v1alpha1.ImageUpdater{Spec: v1alpha1.ImageUpdaterSpec{ApplicationRefs: refs}}
		rules := CompileRules([]v1alpha1.ImageUpdater{cr}, testDefaults)
		app := argo.Application{Key: argo.Key{Name: name}, Labels: map[string]string{label: text}}
		claims := rules.Claims(app)

		best, broken := -1, false
		score := -1
		for i, ref := range refs {
			matches, err := path.Match(ref.NamePattern, name)
			broken = broken || err != nil
			if ref.LabelSelectors != nil {
				s, err := metav1.LabelSelectorAsSelector(ref.LabelSelectors)
				broken = broken || err != nil
				matches = matches && err == nil && s.Matches(labels.Set(app.Labels))
			}
			if n := specificity(&ref); matches && n > score {
				best, score = i, n
			}
		}
		switch {
		case broken:
			if len(rules.Broken()) != 1 || slices.ContainsFunc(claims, func(c Claim) bool { return c.Err == nil }) {
				t.Fatalf("broken, and claims %+v", claims)
			}
		case len(rules.Broken()) != 0:
			t.Fatal(rules.Broken())
		case (best >= 0) != (len(claims) == 1):
			t.Fatalf("reference %d is the best, and there are %d claims", best, len(claims))
		case best >= 0:
			if got := rules.namespaces[""].matching(&app)[0]; got.glob != refs[best].NamePattern || (got.labels == nil) != (refs[best].LabelSelectors == nil) {
				t.Fatalf("reference %q holds, %d should", got.glob, best)
			}
		}
	})
}

// fleet makes ImageUpdaters with references of each kind, and Applications.
func fleet(updaters, refs, applications int) ([]v1alpha1.ImageUpdater, []argo.Application) {
	ptr := func(s string) *string { return &s }
	var crs []v1alpha1.ImageUpdater
	for i := range updaters {
		cr := v1alpha1.ImageUpdater{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: fmt.Sprintf("team-%d", i)}}
		cr.Spec.WriteBackConfig = &v1alpha1.WriteBackConfig{Method: ptr("git")}
		for j := range refs {
			ref := v1alpha1.ApplicationRef{
				NamePattern: fmt.Sprintf("team-%d-app-%d-*", i, j),
				Images: []v1alpha1.ImageConfig{{Alias: "web", ImageName: "ghcr.io/org/web:1.x", CommonUpdateSettings: &v1alpha1.CommonUpdateSettings{
					AllowTags: ptr(`regexp:^[0-9]+\.[0-9]+\.[0-9]+$`),
				}}, {Alias: "proxy", ImageName: "nginx:1.x"}},
			}
			switch j % 5 {
			case 0:
				ref.NamePattern = fmt.Sprintf("team-%d-app-%d", i, j)
			case 1:
				ref.NamePattern = fmt.Sprintf("*-app-%d-*", j)
				ref.LabelSelectors = &metav1.LabelSelector{MatchLabels: map[string]string{"team": fmt.Sprint(i)}}
			}
			cr.Spec.ApplicationRefs = append(cr.Spec.ApplicationRefs, ref)
		}
		crs = append(crs, cr)
	}
	var apps []argo.Application
	for i := range applications {
		team := fmt.Sprint(i % max(updaters, 1))
		apps = append(apps, argo.Application{
			Key:    argo.Key{Namespace: "argocd", Name: fmt.Sprintf("team-%s-app-%d-%d", team, i/max(updaters, 1)%max(refs, 1), i)},
			Labels: map[string]string{"team": team, "app.kubernetes.io/name": "web"},
		})
	}
	return crs, apps
}

// Only references that may mean an Application are looked at: to compare every
// glob with every name is the cost that grows with the square of a company.
func TestFewCandidates(t *testing.T) {
	crs, apps := fleet(50, 20, 1000)
	rules := CompileRules(crs, testDefaults)
	claimed := 0
	for _, app := range apps {
		claimed += len(rules.Claims(app))
	}
	// The first reference of each kind of five is of a whole name, and none of
	// the Applications has it.
	if claimed != 800 {
		t.Errorf("%d of %d are claimed", claimed, len(apps))
	}
	if diff := gocmp.Diff([]int{0, 13, 14, 15}, rules.namespaces["argocd"].lengths); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkCompileRules(b *testing.B) {
	crs, _ := fleet(50, 20, 0)
	b.ReportAllocs()
	for b.Loop() {
		CompileRules(crs, testDefaults)
	}
}

func BenchmarkClaims(b *testing.B) {
	crs, apps := fleet(50, 20, 10_000)
	rules := CompileRules(crs, testDefaults)
	b.ReportAllocs()
	for b.Loop() {
		for _, app := range apps {
			rules.Claims(app)
		}
	}
}
