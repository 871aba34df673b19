package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
)

// choices are values to try for each key, wrong ones among them. A field that
// is a list takes them apart at the commas.
var choices = map[string][]string{
	"update-strategy": {"semver", "newest-build", "alphabetical", "digest", "latest", "Name", "newest", ""},
	"allow-tags":      {"any", "regexp:^1[.]", "regexp:(", "glob:x", ""},
	"ignore-tags":     {"dev-*", "dev-*,latest", "[a", "regexp:^main", ""},
	"platforms":       {"linux/amd64", "linux/amd64,linux/arm64/v8", "windows", ""},
	"pull-secret":     {"env:GHCR", "pullsecret:argocd/registry", "secret:argocd/registry#x", "registry", ""},
	"force-update":    {"true", "false"},
	"pin":             {"tag", "digest", "tag+digest", "both", ""},
	"allow-downgrade": {"true", "false"},

	"write-back-method":    {"argocd", "git", "git:repocreds", "git:secret:argocd/creds", "git:branch:secret:creds", "git:noop", "gitt", ""},
	"git-repository":       {"https://git.example.com/org/envs.git", "git@git.example.com:org/envs.git", "a b"},
	"git-branch":           {"main", "main:{{.AppName}}", ":x-{{range .Images}}{{.NewTag}}{{end}}", "a:b:c", "{{.No}}", ""},
	"git-branch-prefix":    {"bump/", "..", ""},
	"write-back-target":    {"kustomization", "helmvalues:/a/values.yaml", "manifests", "apps/.argocd-source-x.yaml", "values.yaml", "kustomization.yaml", ""},
	"commit-trailers":      {"true", "false"},
	"respect-sync-windows": {"true", "false"},
	"refresh-after-write":  {"true", "false"},

	"helm.image-name":      {"image.name", "web.image", ""},
	"helm.image-tag":       {"web.tag", ""},
	"helm.image-spec":      {"web.image", ""},
	"kustomize.image-name": {"docker.io/library/nginx", ""},
	"plugin.image-name":    {"IMAGE"},
	"plugin.image-tag":     {"TAG"},
	"plugin.image-spec":    {"SPEC"},
}

// images to try, with and without a range.
var images = []string{"nginx", "ghcr.io/org/web:1.x", "localhost:5000/api:>=1.2 <2 || 3.x", "nginx:latest", "nginx:1.25@" + someDigest, "Nginx", "redis:"}

// TestEquivalent: an Application that says something with annotations, and one
// that is governed by an ImageUpdater that says the same, at whichever level,
// ask for the same, and the same is wrong with them.
func TestEquivalent(t *testing.T) {
	const rounds = 1500
	worked := 0
	for seed := range uint64(rounds) {
		random := rand.New(rand.NewPCG(seed, 0))
		annotations, cr := saySame(t, random)
		app := argo.Application{Key: argo.Key{Namespace: "argocd", Name: "web"}}
		claims := CompileRules([]v1alpha1.ImageUpdater{cr}, testDefaults).Claims(app)
		if len(claims) != 1 {
			t.Fatalf("seed %d: %d claims", seed, len(claims))
		}
		app.Annotations = annotations
		want, wantErr := FromAnnotations(app, testDefaults)
		if diff := gocmp.Diff(reasons(wantErr), reasons(claims[0].Err)); diff != "" {
			t.Fatalf("seed %d: %v\n%s", seed, annotations, diff)
		}
		if wantErr == nil {
			worked++
			compare(t, want, claims[0].Update)
		}
		if t.Failed() {
			text, _ := yaml.Marshal(cr.Spec)
			t.Fatalf("seed %d: %v\n%s", seed, annotations, text)
		}
	}
	if worked < rounds/10 {
		t.Errorf("only %d of %d had a write-back without fault", worked, rounds)
	}
}

// saySame says random things twice: as annotations, and as fields at random
// levels, over other things at levels further out.
func saySame(t *testing.T, random *rand.Rand) (annotations map[string]string, cr v1alpha1.ImageUpdater) {
	t.Helper()
	annotations = map[string]string{}
	spec, ref := map[string]any{}, map[string]any{"namePattern": "web"}
	var list []string
	var crImages []any
	for i := range 1 + random.IntN(3) {
		alias, name := fmt.Sprintf("i%d", i), images[random.IntN(len(images))]
		img := map[string]any{"alias": alias, "imageName": name}
		list = append(list, alias+"="+name)
		crImages = append(crImages, img)
		targets := []string{"helm.", "kustomize.", "plugin."}[random.IntN(3)]
		for _, key := range someKeys(random, imageKeys, aliasKeys) {
			if slices.Contains(imageKeys, key) || strings.HasPrefix(key, targets) {
				text := choose(random, key)
				annotations[Prefix+alias+"."+key] = text
				setField(img, key, text)
			}
		}
	}
	annotations[Prefix+keyImageList] = strings.Join(list, ", ")
	for _, key := range someKeys(random, imageKeys, applicationKeys) {
		text := choose(random, key)
		annotations[Prefix+key] = text
		level := random.IntN(3)
		if annotations[Prefix+"write-back-method"] == "argocd" && slices.Contains(gitKeys, key) {
			level = 2 // further out it would be meant for others
		}
		switch level {
		case 0:
			setField(spec, key, text)
		case 1:
			setField(spec, key, choose(random, key))
			fallthrough
		case 2:
			setField(ref, key, text)
		}
	}
	ref["images"] = crImages
	spec["applicationRefs"] = []any{ref}
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"namespace": "argocd", "name": "images"}, "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &cr); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return annotations, cr
}

// someKeys are some of those that an ImageUpdater has fields for.
func someKeys(random *rand.Rand, lists ...[]string) []string {
	var out []string
	for _, key := range slices.Concat(lists...) {
		if _, ok := fields[key]; ok && random.IntN(4) == 0 {
			out = append(out, key)
		}
	}
	return out
}

func choose(random *rand.Rand, key string) string {
	return choices[key][random.IntN(len(choices[key]))]
}

// setField sets the field of a level that means the same as an annotation.
func setField(level map[string]any, key, text string) {
	path := strings.Split(fields[key], ".")
	for _, name := range path[:len(path)-1] {
		if level[name] == nil {
			level[name] = map[string]any{}
		}
		level = level[name].(map[string]any)
	}
	var v any = text
	switch key {
	case "ignore-tags", "platforms":
		v = splitList(text)
		if text == "" {
			v = []string{}
		}
	case "force-update", "allow-downgrade", "commit-trailers", "respect-sync-windows", "refresh-after-write":
		v = text == "true"
	}
	level[path[len(path)-1]] = v
}

// Policies are compared by what is in them, expressions as they were written.
var (
	everything  = gocmp.Exporter(func(reflect.Type) bool { return true })
	expressions = gocmp.Comparer(func(a, b *regexp.Regexp) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
)

// compare compares Updates but for what their values are called.
func compare(t *testing.T, want, got Update) {
	t.Helper()
	if (want.WriteBack.Head == nil) != (got.WriteBack.Head == nil) || want.WriteBack.Head != nil && want.WriteBack.Head.String() != got.WriteBack.Head.String() {
		t.Errorf("head %v, want %v", got.WriteBack.Head, want.WriteBack.Head)
	}
	want.WriteBack.Head, got.WriteBack.Head = nil, nil
	if diff := gocmp.Diff(want.WriteBack, got.WriteBack); diff != "" {
		t.Error(diff)
	}
	if len(want.Tracks) != len(got.Tracks) {
		t.Fatalf("%d tracks, want %d", len(got.Tracks), len(want.Tracks))
	}
	for i, w := range want.Tracks {
		g := got.Tracks[i]
		if diff := gocmp.Diff(reasons(w.Err), reasons(g.Err)); diff != "" {
			t.Error(diff)
		}
		w.Err, g.Err = nil, nil
		if diff := gocmp.Diff(w, g, everything, expressions); diff != "" {
			t.Error(diff)
		}
	}
	if len(want.Warnings) != len(got.Warnings) {
		t.Errorf("warnings %q\nwant %q", got.Warnings, want.Warnings)
	}
}

var aliasBefore = regexp.MustCompile(`^i[0-9]=`)

// reasons are what is wrong, without saying where. Words for keys are taken
// back to those of annotations, in the order in which errors are found.
func reasons(err error) []string {
	var out []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			out = append(out, reasons(err)...)
		}
		return out
	}
	var wrong *ValueError
	if errors.As(err, &wrong) {
		reason := wrong.Reason
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			reason = strings.ReplaceAll(reason, fields[key], key)
		}
		return []string{aliasBefore.ReplaceAllString(wrong.Value, "") + ": " + reason}
	}
	return out
}
