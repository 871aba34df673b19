package v1alpha1

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

func TestScheme(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{Kind, Kind + "List"} {
		if _, err := scheme.New(GroupVersion().WithKind(kind)); err != nil {
			t.Error(err)
		}
	}
}

// crd is what the generated manifest says, as far as somebody could break it
// without noticing.
type crd struct {
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind   string `json:"kind"`
			Plural string `json:"plural"`
		} `json:"names"`
		Scope    string `json:"scope"`
		Versions []struct {
			Name    string `json:"name"`
			Columns []struct {
				Name string `json:"name"`
				Path string `json:"jsonPath"`
			} `json:"additionalPrinterColumns"`
			Schema struct {
				Root map[string]any `json:"openAPIV3Schema"`
			} `json:"schema"`
			Subresources map[string]any `json:"subresources"`
		} `json:"versions"`
	} `json:"spec"`
}

func manifest(t *testing.T) (c crd) {
	t.Helper()
	text, err := os.ReadFile("../../manifests/crd/argocd-image-updater.argoproj.io_imageupdaters.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestManifest(t *testing.T) {
	c := manifest(t)
	if c.Spec.Group != Group || c.Spec.Names.Kind != Kind || c.Spec.Names.Plural != Resource || c.Spec.Scope != "Namespaced" || len(c.Spec.Versions) != 1 {
		t.Fatalf("%+v", c.Spec)
	}
	v := c.Spec.Versions[0]
	if _, ok := v.Subresources["status"]; !ok || v.Name != Version {
		t.Errorf("version %s, subresources %v", v.Name, v.Subresources)
	}
	var columns []string
	for _, column := range v.Columns {
		columns = append(columns, column.Name+" "+column.Path)
	}
	want := []string{
		"Apps .status.applicationsMatched", "Images .status.imagesManaged", "Last Checked .status.lastCheckedAt",
		`Ready .status.conditions[?(@.type=="Ready")].status`,
	}
	if diff := cmp.Diff(want, columns); diff != "" {
		t.Error(diff)
	}
}

// A default would be stored with the object, and at an inner level it would
// override what stands further out.
func TestNoDefaults(t *testing.T) {
	levels := 0
	walk("", manifest(t).Spec.Versions[0].Schema.Root, func(path string, node map[string]any) {
		levels++
		if d, ok := node["default"]; ok && !strings.HasSuffix(path, ".properties") {
			t.Errorf("%s has the default %v", path, d)
		}
	})
	if levels < 100 {
		t.Errorf("only %d levels were looked at", levels)
	}
}

func walk(path string, node any, visit func(string, map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		visit(path, node)
		for key, child := range node {
			walk(path+"."+key, child, visit)
		}
	case []any:
		for _, child := range node {
			walk(path+"[]", child, visit)
		}
	}
}

// TestBounds: the schema would refuse what Fit lets through otherwise.
func TestBounds(t *testing.T) {
	at := func(path string) float64 {
		var node any = manifest(t).Spec.Versions[0].Schema.Root
		for name := range strings.SplitSeq("properties.status."+path, ".") {
			node = node.(map[string]any)[name]
		}
		n, _ := node.(float64)
		return n
	}
	const app, img = "properties.applications.items.", "properties.applications.items.properties.images.items."
	for path, want := range map[string]int{
		"properties.applications.maxItems":                         MaxApplications,
		app + "properties.reason.maxLength":                        MaxReason,
		"properties.applications.items.properties.images.maxItems": MaxImages,
		img + "properties.alias.maxLength":                         MaxName,
		img + "properties.image.maxLength":                         MaxName,
		img + "properties.version.maxLength":                       MaxVersion,
		img + "properties.reason.maxLength":                        MaxReason,
	} {
		if got := at(path); got != float64(want) {
			t.Errorf("%s is %v, want %d", path, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	image := func(alias string, state State) ImageStatus { return ImageStatus{Alias: alias, State: state} }
	var s ImageUpdaterStatus
	for i := range 150 {
		s.Applications = append(s.Applications, ApplicationStatus{Name: fmt.Sprintf("app-%03d", i), Images: []ImageStatus{
			image("c", AlreadyDeclared), image("b", Updated), image("a", AlreadyDeclared),
		}})
	}
	s.Applications[120].Images[0].State = Held
	s.Applications[140].Images[2].State = Failed
	s.Applications[149] = ApplicationStatus{Name: "whole", Reason: "wrong"}
	before := s.DeepCopy()

	got := s.Fit()
	if diff := cmp.Diff(before, &s); diff != "" {
		t.Errorf("changed what it was given: %s", diff)
	}
	if len(got.Applications) != 100 || got.ApplicationsOmitted != 50 {
		t.Fatalf("%d Applications and %d omitted", len(got.Applications), got.ApplicationsOmitted)
	}
	told, omitted := 0, 0
	for _, app := range got.Applications {
		told += len(app.Images)
		omitted += int(app.ImagesOmitted)
	}
	if told != 200 || omitted != 3*99-200 {
		t.Errorf("%d images and %d omitted", told, omitted)
	}
	want := []ApplicationStatus{
		{Name: "whole", Reason: "wrong"},
		{Name: "app-140", Images: []ImageStatus{image("a", Failed), image("b", Updated), image("c", AlreadyDeclared)}},
		{Name: "app-120", Images: []ImageStatus{image("c", Held), image("b", Updated), image("a", AlreadyDeclared)}},
		{Name: "app-000", Images: []ImageStatus{image("b", Updated), image("a", AlreadyDeclared), image("c", AlreadyDeclared)}},
	}
	if diff := cmp.Diff(want, got.Applications[:4]); diff != "" {
		t.Error(diff)
	}
	last := got.Applications[99]
	if diff := cmp.Diff(ApplicationStatus{Name: "app-096", Images: []ImageStatus{image("b", Updated)}, ImagesOmitted: 2}, last); diff != "" {
		t.Error(diff)
	}
}

// The worst status that fits is far from what the API server refuses, and
// nothing in it is over the bounds of the schema.
func TestFitSize(t *testing.T) {
	long := strings.Repeat("ü", 5000)
	now := metav1.NewTime(time.Unix(1_800_000_000, 0))
	var s ImageUpdaterStatus
	for range 300 {
		img := ImageStatus{Alias: long, Image: long, State: NothingEligible, Version: long, Reason: long, Class: Transient, Since: &now}
		s.Applications = append(s.Applications, ApplicationStatus{Name: strings.Repeat("n", 253), Reason: long, Class: Transient, Images: slices.Repeat([]ImageStatus{img}, 20)})
		s.RecentUpdates = append(s.RecentUpdates, RecentUpdate{Alias: "a", Image: strings.Repeat("i", 255), NewVersion: strings.Repeat("v", 128)})
	}
	text, err := json.Marshal(s.Fit())
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 750_000 {
		t.Errorf("%d bytes", len(text))
	}
	img := s.Fit().Applications[0].Images[0]
	if len(img.Alias) > MaxName || len(img.Version) > MaxVersion || len(img.Reason) > MaxReason || !utf8.ValidString(img.Reason) || !strings.HasSuffix(img.Reason, "ü…") {
		t.Errorf("%+v", img)
	}
}
