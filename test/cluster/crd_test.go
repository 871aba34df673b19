package cluster_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/test/cluster"
)

// imageUpdaters is a world whose API server knows them.
func imageUpdaters(t *testing.T) *cluster.World {
	t.Helper()
	definition, err := os.ReadFile("../../manifests/crd/argocd-image-updater.argoproj.io_imageupdaters.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w := suite.World(t)
	w.Apply(string(definition))
	return w
}

// imageUpdater is the manifest of one, with a spec in one line.
func imageUpdater(name, spec string) string {
	return fmt.Sprintf("apiVersion: argocd-image-updater.argoproj.io/v1alpha1\nkind: ImageUpdater\nmetadata: {name: %s}\nspec: %s\n", name, spec)
}

// ref puts fields into an otherwise valid reference, image into its image.
func ref(fields string) string {
	return "{applicationRefs: [{namePattern: web, images: [{alias: a, imageName: nginx}], " + fields + "}]}"
}

func image(fields string) string {
	return "{applicationRefs: [{namePattern: web, images: [{alias: a, imageName: nginx, " + fields + "}]}]}"
}

// What objects of the incumbent may say, the API server takes; what it may not,
// the API server refuses.
func TestImageUpdaterSchema(t *testing.T) {
	t.Parallel()
	w := imageUpdaters(t)
	for i, test := range []struct{ spec, refused string }{
		{ref("useAnnotations: false"), ""},
		{"{applicationRefs: [{namePattern: '*', useAnnotations: true}]}", ""},
		{"{applicationRefs: [{namePattern: '*', useAnnotations: true, images: []}]}", ""},
		{"{applicationRefs: [{namePattern: a, images: [{alias: a, imageName: nginx}]}, {namePattern: b, images: [{alias: a, imageName: nginx}]}]}", ""},
		{"{}", "spec.applicationRefs: Required value"},
		{"{applicationRefs: []}", "at least 1 items"},
		{"{applicationRefs: [{namePattern: web}]}", "images must have at least one item unless useAnnotations is true"},
		{"{applicationRefs: [{namePattern: web, images: []}]}", "images must have at least one item unless useAnnotations is true"},
		{"{applicationRefs: [{namePattern: web, useAnnotations: false}]}", "images must have at least one item unless useAnnotations is true"},
		{"{applicationRefs: [{images: [{alias: a, imageName: nginx}]}]}", "namePattern"},
		{"{applicationRefs: [{namePattern: a, useAnnotations: true}, {namePattern: a, useAnnotations: true}]}", "duplicate entries for key"},
		{"{namespace: argocd, applicationRefs: [{namePattern: a, useAnnotations: true}]}", "field not declared in schema"},

		{ref("labelSelectors: {matchLabels: {tier: gold}, matchExpressions: [{key: canary, operator: DoesNotExist}]}"), ""},
		{ref("labelSelectors: {matchExpressions: [{key: canary}]}"), "operator"},

		{"{applicationRefs: [{namePattern: web, images: [{alias: a, imageName: nginx}, {alias: a, imageName: redis}]}]}", "duplicate entries for key"},
		{"{applicationRefs: [{namePattern: web, images: [{alias: a-b_c., imageName: ''}]}]}", ""},
		{"{applicationRefs: [{namePattern: web, images: [{alias: -a, imageName: nginx}]}]}", "alias"},
		{"{applicationRefs: [{namePattern: web, images: [{alias: a/b, imageName: nginx}]}]}", "alias"},
		{"{applicationRefs: [{namePattern: web, images: [{alias: a}]}]}", "imageName: Required value"},

		{image("commonUpdateSettings: {updateStrategy: latest, forceUpdate: true, allowTags: any, ignoreTags: [], pullSecret: 'env:X', platforms: [linux/amd64]}"), ""},
		{image("commonUpdateSettings: {pin: tag+digest, allowDowngrade: true}"), ""},
		{image("commonUpdateSettings: {pin: both}"), `supported values: "tag", "digest", "tag+digest"`},
		{image("commonUpdateSettings: {forceUpdate: sometimes}"), "forceUpdate"},

		{image("manifestTargets: {helm: {name: a, tag: b, spec: c}}"), ""},
		{image("manifestTargets: {kustomize: {name: nginx}}"), ""},
		{image("manifestTargets: {plugin: {spec: IMAGE}}"), ""},
		{image("manifestTargets: {plugin: {name: IMAGE, tag: TAG}}"), ""},
		{image("manifestTargets: {}"), "exactly one of helm, kustomize and plugin must be set"},
		{image("manifestTargets: {helm: {}, kustomize: {name: nginx}}"), "exactly one of helm, kustomize and plugin must be set"},
		{image("manifestTargets: {kustomize: {}}"), "name: Required value"},
		{image("manifestTargets: {plugin: {tag: TAG}}"), "spec or name must be set"},
		{image("manifestTargets: {plugin: {name: ''}}"), "at least 1 chars"},

		{ref("writeBackConfig: {method: argocd}"), ""},
		{ref("writeBackConfig: {method: 'git:secret:argocd/git-creds'}"), ""},
		{ref("writeBackConfig: {method: 'git:branch:repocreds', respectSyncWindows: false, refreshAfterWrite: false, gitConfig: {branchPrefix: bump/, commitTrailers: false}}"), ""},
		{ref("writeBackConfig: {method: ''}"), "method"},
		{ref("writeBackConfig: {method: 'git:'}"), "method"},
		{ref("writeBackConfig: {method: argo}"), "method"},
		{ref("writeBackConfig: {gitConfig: {repository: x, branch: 'main:x', writeBackTarget: helmvalues}}"), ""},
		{ref("writeBackConfig: {gitConfig: {pullRequest: {github: {}, labels: ['" + strings.Repeat("l", 255) + "']}}}"), ""},
		{ref("writeBackConfig: {gitConfig: {pullRequest: {gitlab: {}}}}"), ""},
		{ref("writeBackConfig: {gitConfig: {pullRequest: {}}}"), "exactly one of github and gitlab must be set"},
		{ref("writeBackConfig: {gitConfig: {pullRequest: {github: {}, gitlab: {}}}}"), "exactly one of github and gitlab must be set"},
		{ref("writeBackConfig: {gitConfig: {pullRequest: {github: {}, labels: ['']}}}"), "at least 1 chars"},
		{ref("writeBackConfig: {gitConfig: {pullRequest: {github: {}, labels: ['" + strings.Repeat("l", 256) + "']}}}"), "may not be more than 255 bytes"},
		{ref("writeBackConfig: {gitConfig: {pullRequest: {github: {}, labels: [a" + strings.Repeat(", a", 100) + "]}}}"), "at most 100 items"},

		{ref("imagesVerification: {cosignKey: {secretName: keys, key: cosign.pub}}"), ""},
		{ref("imagesVerification: {enabled: null, cosignKey: {secretName: keys, key: cosign.pub}}"), ""},
		{ref("imagesVerification: {enabled: false}"), ""},
		{ref("imagesVerification: {}"), "cosignKey must be set unless enabled is false"},
		{ref("imagesVerification: {enabled: true}"), "cosignKey must be set unless enabled is false"},
		{ref("imagesVerification: {cosignKey: {secretName: keys}}"), "key: Required value"},
	} {
		_, err := w.TryApply(imageUpdater(fmt.Sprintf("schema-%d", i), test.spec))
		switch {
		case test.refused == "" && err != nil:
			t.Errorf("%s: %v", test.spec, err)
		case test.refused != "" && err == nil:
			t.Errorf("%s is taken", test.spec)
		case test.refused != "" && !strings.Contains(err.Error(), test.refused):
			t.Errorf("%s: %v, want %s", test.spec, err, test.refused)
		}
	}
}

// The API server adds nothing to what was written, and takes the largest status
// that there is.
func TestImageUpdaterStatus(t *testing.T) {
	t.Parallel()
	w := imageUpdaters(t)
	const spec = "{applicationRefs: [{namePattern: web, images: [{alias: a, imageName: nginx, commonUpdateSettings: {ignoreTags: []}}]}]}"
	stored := w.Apply(imageUpdater("web", spec))[0]
	want := `{"applicationRefs":[{"images":[{"alias":"a","commonUpdateSettings":{"ignoreTags":[]},"imageName":"nginx"}],"namePattern":"web"}]}`
	if got := cluster.Field(stored, "spec"); got != want {
		t.Errorf("spec %s, want %s", got, want)
	}

	now := metav1.Now().Rfc3339Copy()
	long := strings.Repeat("ü", 3000)
	status := v1alpha1.ImageUpdaterStatus{ObservedGeneration: 1, LastCheckedAt: &now, LastUpdatedAt: &now}
	for i := range 300 {
		img := v1alpha1.ImageStatus{Alias: long, Image: long, State: v1alpha1.Failed, Class: v1alpha1.Invalid, Version: long, Reason: long, Since: &now}
		status.Applications = append(status.Applications, v1alpha1.ApplicationStatus{
			Name: fmt.Sprint("app-", i), Reason: long, Class: v1alpha1.Denied, Images: []v1alpha1.ImageStatus{img, img, img},
		})
		status.RecentUpdates = append(status.RecentUpdates, v1alpha1.RecentUpdate{Alias: "a", Image: "nginx", NewVersion: "1.2.3", UpdatedAt: now})
	}
	status = status.Fit()
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Client().Status().Patch(t.Context(), stored, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.ImageUpdater
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(status.Applications[0], got.Status.Applications[0]); diff != "" {
		t.Error(diff)
	}
	status.Applications[0].Images[0].State = "Odd"
	patch, _ = json.Marshal(map[string]any{"status": status})
	if err := w.Client().Status().Patch(t.Context(), stored, client.RawPatch("application/merge-patch+json", patch)); err == nil {
		t.Error("a state that there is not is taken")
	}
}

// kubectl get prints what the API server puts into a table.
func TestImageUpdaterColumns(t *testing.T) {
	t.Parallel()
	w := imageUpdaters(t)
	stored := w.Apply(imageUpdater("web", ref("useAnnotations: false")))[0]
	patch := fmt.Sprintf(`{"status": {"applicationsMatched": 3, "imagesManaged": 7, "lastCheckedAt": %q, "conditions": [
		{"type": "Reconciling", "status": "False", "reason": "Idle", "message": "", "lastTransitionTime": %[1]q},
		{"type": "Ready", "status": "True", "reason": "ReconcileSucceeded", "message": "", "lastTransitionTime": %[1]q}]}}`, time.Now().UTC().Format(time.RFC3339))
	if err := w.Client().Status().Patch(t.Context(), stored, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		t.Fatal(err)
	}
	var table metav1.Table
	if err := json.Unmarshal(getTable(t, w), &table); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, column := range table.ColumnDefinitions {
		got = append(got, fmt.Sprintf("%s %v", column.Name, table.Rows[0].Cells[i]))
	}
	got[3], _, _ = strings.Cut(got[3], "0s") // it was checked a moment ago
	want := []string{"Name web", "Apps 3", "Images 7", "Last Checked ", "Ready True"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func getTable(t *testing.T, w *cluster.World) []byte {
	t.Helper()
	config := w.Plane.Config()
	c, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	url := config.Host + "/apis/argocd-image-updater.argoproj.io/v1alpha1/namespaces/" + w.Namespace + "/imageupdaters"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	response, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %s", response.Status, err, body)
	}
	return body
}
