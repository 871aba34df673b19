// Package install_test holds what is installed to what the documentation
// promises of it: the manifests, the Helm chart and the image. Manifests are
// built by kustomize, the chart is rendered by Helm and the image is built by
// ko, as those who install them do it.
package install_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them")

// root is the repository's.
const root = "../.."

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// generated compares a file of the repository to what it has to be, or writes
// it.
func generated(t *testing.T, want string, path ...string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.Join(append([]string{root}, path...)...), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, read(t, path...)); diff != "" {
		t.Errorf("%s is not what it is generated from; run make gen (-want +got):\n%s", strings.Join(path, "/"), diff)
	}
}
