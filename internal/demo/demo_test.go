package demo_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"argocd-image-updater/internal/demo"
	"argocd-image-updater/internal/image"
)

// The world is there while it is open, and gone when it was closed.
func TestWorld(t *testing.T) {
	w, err := demo.Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := demo.Build{Name: "team/web", Tag: "1.0.0", Platform: image.Platform{OS: "linux", Arch: "amd64"}}
	if err := demo.Push(t.Context(), w.Address, b); err != nil {
		t.Error(err)
	}
	files, err := w.Git(t.Context(), "ls-tree", "-r", "--name-only", demo.Branch)
	if err != nil || !strings.Contains(files, "production/web/values.yaml") {
		t.Errorf("files %q, %v", files, err)
	}
	conf, err := os.ReadFile(w.RegistriesConf)
	if err != nil || !strings.Contains(string(conf), w.Address) {
		t.Errorf("registries.conf %q, %v", conf, err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(w.Dir); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.Address+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Error("the registry still answers")
	}
}
