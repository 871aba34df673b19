package install_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

type object = unstructured.Unstructured

// kustomized are the objects of a folder of manifests.
func kustomized(t *testing.T, dir string) []object {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

// parse reads the documents of a YAML file.
func parse(t *testing.T, text string) []object {
	t.Helper()
	var objects []object
	for document := range strings.SplitSeq("\n"+text, "\n---\n") {
		var o object
		if err := yaml.UnmarshalStrict([]byte(document), &o.Object); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
	return objects
}

// one is the only object of a kind.
func one(t *testing.T, objects []object, kind string) object {
	t.Helper()
	var found []object
	for _, o := range objects {
		if o.GetKind() == kind {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of kind %s, 1 expected", len(found), kind)
	}
	return found[0]
}

// as decodes the one object of a kind; a field that the kind does not have is
// an error.
func as[T any](t *testing.T, objects []object, kind string) T {
	t.Helper()
	var typed T
	o := one(t, objects, kind)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &typed, true); err != nil {
		t.Fatalf("%s %s: %v", kind, o.GetName(), err)
	}
	return typed
}

func kindAndName(o object) string { return o.GetKind() + "/" + o.GetName() }

func kindsAndNames(objects []object) []string {
	names := make([]string, 0, len(objects))
	for _, o := range objects {
		names = append(names, kindAndName(o))
	}
	slices.Sort(names)
	return names
}

// installs are the files that kubectl apply takes, and what they are built of.
var installs = map[string]string{
	"install.yaml":              "namespaced",
	"install-cluster-wide.yaml": "cluster-wide-argocd",
}

func TestInstallFiles(t *testing.T) {
	for file, dir := range installs {
		t.Run(file, func(t *testing.T) {
			var documents []string
			for _, o := range kustomized(t, filepath.Join(root, "manifests", dir)) {
				documents = append(documents, document(t, o))
			}
			header := "# Built from manifests/" + dir + " by make gen.\n"
			generated(t, header+strings.Join(documents, "---\n"), "manifests", file)
		})
	}
}

// document prints an object. Kustomize drops comments, and in the ConfigMap and
// the Secret they are what matters: these are taken as they stand.
func document(t *testing.T, o object) string {
	t.Helper()
	source := map[string]string{"ConfigMap": "config.yaml", "Secret": "secret.yaml"}[o.GetKind()]
	if source == "" {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text := read(t, "manifests", "base", source)
	if diff := cmp.Diff(o.Object, one(t, parse(t, text), o.GetKind()).Object); diff != "" {
		t.Errorf("kustomize changes %s, whose text is taken as it stands (-built +file):\n%s", source, diff)
	}
	return text
}

func TestInstallIsAllThereIs(t *testing.T) {
	namespaced := []string{
		"ConfigMap/argocd-image-updater-config",
		"CustomResourceDefinition/imageupdaters.argocd-image-updater.argoproj.io",
		"Deployment/argocd-image-updater",
		"NetworkPolicy/argocd-image-updater",
		"Role/argocd-image-updater",
		"RoleBinding/argocd-image-updater",
		"Secret/argocd-image-updater-secret",
		"Service/argocd-image-updater",
		"ServiceAccount/argocd-image-updater",
	}
	clusterWide := slices.Concat(namespaced, []string{"ClusterRole/argocd-image-updater", "ClusterRoleBinding/argocd-image-updater"})
	slices.Sort(clusterWide)
	for file, want := range map[string][]string{"install.yaml": namespaced, "install-cluster-wide.yaml": clusterWide} {
		if diff := cmp.Diff(want, kindsAndNames(parse(t, read(t, "manifests", file)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// kubectl apply -n puts objects without a namespace where it is told, and
// refuses those with another one.
func TestNoNamespaceIsNamed(t *testing.T) {
	for file := range installs {
		for _, o := range parse(t, read(t, "manifests", file)) {
			if ns := o.GetNamespace(); ns != "" {
				t.Errorf("%s: %s names the namespace %s", file, kindAndName(o), ns)
			}
		}
	}
	mentions := func(file string) (lines []string) {
		for line := range strings.Lines(read(t, "manifests", file)) {
			if strings.HasPrefix(strings.TrimSpace(line), "namespace: ") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	if lines := mentions("install.yaml"); lines != nil {
		t.Errorf("install.yaml names namespaces: %q", lines)
	}
	if diff := cmp.Diff([]string{"  namespace: argocd\n"}, mentions("install-cluster-wide.yaml")); diff != "" {
		t.Errorf("install-cluster-wide.yaml names one namespace, for sed to replace (-want +got):\n%s", diff)
	}
}

// Whoever has the manifests as a kustomize base, gives them a namespace and a
// suffix, gets an install that is bound to its own account and reads its own
// configuration.
func TestOverlay(t *testing.T) {
	fs := filesys.MakeFsOnDisk()
	dir := t.TempDir()
	base, err := filepath.Abs(filepath.Join(root, "manifests", "cluster-wide"))
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(dir, base)
	if err != nil {
		t.Fatal(err)
	}
	overlay := "namespace: team-b\nnameSuffix: -b\nresources:\n- " + relative + "\n"
	if err := fs.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(overlay)); err != nil {
		t.Fatal(err)
	}
	objects := kustomized(t, dir)
	for _, kind := range []string{"RoleBinding", "ClusterRoleBinding"} {
		subjects, _, _ := unstructured.NestedSlice(one(t, objects, kind).Object, "subjects")
		want := []any{map[string]any{"kind": "ServiceAccount", "name": "argocd-image-updater-b", "namespace": "team-b"}}
		if diff := cmp.Diff(want, subjects); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	for _, s := range settings(t, objects) {
		if want := map[string]string{"ConfigMap": "argocd-image-updater-config-b", "Secret": "argocd-image-updater-secret-b"}[s.kind]; s.object != want {
			t.Errorf("%s comes from %s, %s expected", s.variable, s.object, want)
		}
	}
}
