package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/image"
)

var testDefaults = Defaults{Platform: image.Platform{OS: "linux", Arch: "amd64"}}

// TestRules reads the ImageUpdaters and Applications of each archive; its file
// want says who asks what of whom.
func TestRules(t *testing.T) {
	archives, err := filepath.Glob("testdata/rules/*.txtar")
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
				t.Fatal("in.yaml and want expected")
			}
			if diff := gocmp.Diff(string(archive.Files[1].Data), ruled(t, string(archive.Files[0].Data))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRulesDocumentation checks the page on ImageUpdaters: each of its YAML
// examples is understood as the text behind it says, and each field has its row.
func TestRulesDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/imageupdater.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(page), "```yaml\n")[1:]
	if len(examples) == 0 {
		t.Fatal("no examples")
	}
	for _, example := range examples {
		in, rest, _ := strings.Cut(example, "```\n")
		_, want, ok := strings.Cut(rest, "```text\n")
		want, _, _ = strings.Cut(want, "```\n")
		if !ok {
			t.Errorf("no text behind\n%s", in)
			continue
		}
		if diff := gocmp.Diff(want, ruled(t, in)); diff != "" {
			t.Errorf("%s%s", in, diff)
		}
	}
	for _, field := range fields {
		block, name, _ := strings.Cut(field, ".")
		if !strings.Contains(string(page), "\n| `"+name+"` |") {
			t.Errorf("%s of %s has no row", name, block)
		}
	}
}

// ruled writes what the ImageUpdaters among some documents ask of the
// Applications among them.
func ruled(t *testing.T, docs string) string {
	t.Helper()
	crs, apps := documents(t, docs)
	rules := CompileRules(crs, testDefaults)
	var b strings.Builder
	for _, broken := range rules.Broken() {
		fmt.Fprintf(&b, "broken %s\n", broken.ImageUpdater)
		writeError(&b, broken.Err)
	}
	for _, app := range apps {
		claims := rules.Claims(app)
		if len(claims) == 0 {
			fmt.Fprintf(&b, "%s: nobody\n", app)
		}
		for _, c := range claims {
			fmt.Fprintf(&b, "%s: %s\n", app, c.ImageUpdater)
			writeClaim(&b, c)
		}
	}
	return b.String()
}

func documents(t *testing.T, docs string) (crs []v1alpha1.ImageUpdater, apps []argo.Application) {
	t.Helper()
	for doc := range strings.SplitSeq(docs, "---\n") {
		if strings.Contains(doc, "kind: Application\n") {
			app, err := argo.Decode([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			apps = append(apps, app)
			continue
		}
		var cr v1alpha1.ImageUpdater
		if err := yaml.UnmarshalStrict([]byte(doc), &cr); err != nil {
			t.Fatalf("%v:\n%s", err, doc)
		}
		crs = append(crs, cr)
	}
	return crs, apps
}

func writeClaim(b *strings.Builder, c Claim) {
	if c.Err != nil {
		writeError(b, c.Err)
		return
	}
	var text strings.Builder
	for _, t := range c.Update.Tracks {
		if t.Err != nil {
			writeError(b, t.Err)
			continue
		}
		describeTrack(&text, t)
	}
	if len(c.Update.Tracks) == 0 {
		text.WriteString("no image\n")
	} else {
		describeWriteBack(&text, c.Update.WriteBack)
	}
	for _, w := range c.Update.Warnings {
		fmt.Fprintf(&text, "warning: %s\n", w)
	}
	for line := range strings.Lines(text.String()) {
		b.WriteString("  " + line)
	}
}

// writeError writes the whole text: that it names the ImageUpdater, the field
// and the remedy is what the reader of a status lives on.
func writeError(b *strings.Builder, err error) {
	for line := range strings.Lines(err.Error() + "\n") {
		b.WriteString("  error: " + line)
	}
}

// The order of the list from the API server says nothing.
func TestRulesAnyOrder(t *testing.T) {
	updater := func(name string, age int, refs ...v1alpha1.ApplicationRef) v1alpha1.ImageUpdater {
		return v1alpha1.ImageUpdater{
			ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: name, CreationTimestamp: metav1.NewTime(time.Unix(int64(1000-age), 0))},
			Spec:       v1alpha1.ImageUpdaterSpec{ApplicationRefs: refs},
		}
	}
	ref := func(pattern string) v1alpha1.ApplicationRef {
		return v1alpha1.ApplicationRef{NamePattern: pattern, Images: []v1alpha1.ImageConfig{{Alias: "a", ImageName: "nginx"}}}
	}
	a, b, c, d := updater("a", 1, ref("web")), updater("b", 1, ref("w*"), ref("[")), updater("c", 9, ref("*")), updater("d", 0, ref("]["))
	deleted := updater("deleted", 99, ref("web"))
	deleted.DeletionTimestamp = &metav1.Time{}
	app := argo.Application{Key: argo.Key{Namespace: "argocd", Name: "web"}}
	for _, crs := range [][]v1alpha1.ImageUpdater{{a, b, c, d, deleted}, {deleted, d, c, b, a}, {b, d, a, deleted, c}} {
		rules := CompileRules(crs, testDefaults)
		var got []string
		for _, claim := range rules.Claims(app) {
			got = append(got, claim.ImageUpdater.Name)
		}
		for _, broken := range rules.Broken() {
			got = append(got, "broken "+broken.ImageUpdater.Name)
		}
		if diff := gocmp.Diff([]string{"c", "a", "b", "broken b", "broken d"}, got); diff != "" {
			t.Error(diff)
		}
	}
}

// The numbers are those of the incumbent.
func TestSpecificity(t *testing.T) {
	labels := func(n int) *metav1.LabelSelector {
		s := &metav1.LabelSelector{MatchLabels: map[string]string{}}
		for i := range n {
			s.MatchLabels[fmt.Sprint(i)] = "x"
		}
		return s
	}
	for _, test := range []struct {
		pattern string
		labels  *metav1.LabelSelector
		want    int
	}{
		{"web", nil, 1_000_003},
		{"web", labels(1), 1_010_103},
		{"*", nil, 0},
		{"*", &metav1.LabelSelector{}, 10_000},
		{"*", labels(2), 10_200},
		{"web-*", nil, 4},
		{"web-?-*", nil, 5},
		{"web-[a-z]-*", nil, 5},
		{"web-*", &metav1.LabelSelector{MatchExpressions: make([]metav1.LabelSelectorRequirement, 3)}, 10_304},
	} {
		ref := &v1alpha1.ApplicationRef{NamePattern: test.pattern, LabelSelectors: test.labels}
		if got := specificity(ref); got != test.want {
			t.Errorf("%q %v: %d, want %d", test.pattern, test.labels, got, test.want)
		}
	}
}

// An ImageUpdater may ask for as many images of an Application as an image list
// may.
func TestRulesManyImages(t *testing.T) {
	for _, n := range []int{maxImages, maxImages + 1} {
		ref := v1alpha1.ApplicationRef{NamePattern: "web"}
		for i := range n {
			ref.Images = append(ref.Images, v1alpha1.ImageConfig{Alias: fmt.Sprint("a", i), ImageName: fmt.Sprint("nginx", i)})
		}
		cr := v1alpha1.ImageUpdater{Spec: v1alpha1.ImageUpdaterSpec{ApplicationRefs: []v1alpha1.ApplicationRef{ref}}}
		claim := CompileRules([]v1alpha1.ImageUpdater{cr}, testDefaults).Claims(argo.Application{Key: argo.Key{Name: "web"}})[0]
		switch {
		case n <= maxImages && (claim.Err != nil || len(claim.Update.Tracks) != n):
			t.Errorf("%d images: %d tracks, %v", n, len(claim.Update.Tracks), claim.Err)
		case n > maxImages && (claim.Err == nil || !strings.Contains(claim.Err.Error(), "spec.applicationRefs[0].images: 501 images: at most 500")):
			t.Errorf("%d images: %v", n, claim.Err)
		}
	}
}
