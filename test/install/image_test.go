package install_test

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// program is where ko puts it.
const program = "/ko-app/argocd-image-updater"

// TestImage builds the image as make image does, on an empty base image and
// for this platform alone, pushes it to a registry of this test, and looks at
// what is there.
func TestImage(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	platform := "linux/" + runtime.GOARCH
	pushBase(t, host+"/base:nonroot")

	cmd := exec.Command("make", "-C", root, "image", "VERSION=v1.2.3-test")
	cmd.Env = append(os.Environ(), "KO_DOCKER_REPO="+host+"/team/updater", "KO_DEFAULTBASEIMAGE="+host+"/base:nonroot", "KO_DEFAULTPLATFORMS="+platform)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	image := pull(t, host+"/team/updater:v1.2.3-test")
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{program}, config.Config.Entrypoint); diff != "" {
		t.Errorf("entry point (-want +got):\n%s", diff)
	}
	if config.Config.User != "1000:1000" {
		t.Errorf("the user is %q", config.Config.User)
	}
	if config.Config.ExposedPorts != nil || config.Config.Volumes != nil || config.Config.Cmd != nil {
		t.Errorf("unexpected in the configuration: %+v", config.Config)
	}
	checkLabels(t, config.Config.Labels)
	files := files(t, image)
	checkFiles(t, files)
	checkProgram(t, files[program])
	size, err := packed(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MB to pull, %.1f MB unpacked, without the base image", float64(size)/1e6, float64(len(files[program]))/1e6)
}

// pushBase pushes an image without files. Its user is root, so that a user
// that was forgotten is seen.
func pushBase(t *testing.T, to string) {
	t.Helper()
	base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH, Config: v1.Config{User: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, base); err != nil {
		t.Fatal(err)
	}
}

func pull(t *testing.T, from string) v1.Image {
	t.Helper()
	ref, err := name.ParseReference(from)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func checkLabels(t *testing.T, labels map[string]string) {
	t.Helper()
	const prefix = "org.opencontainers.image."
	revision, err := exec.Command("git", "-C", root, "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		prefix + "title": "argocd-image-updater", prefix + "version": "v1.2.3-test",
		prefix + "revision": strings.TrimSpace(string(revision)), prefix + "licenses": "Apache-2.0",
	}
	if diff := cmp.Diff(want, labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// files are the regular files of an image, by path.
func files(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	content := mutate.Extract(image)
	defer content.Close()
	files := map[string][]byte{}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			if files[path.Join("/", header.Name)], err = io.ReadAll(archive); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// checkFiles: the program is all that is added to the base image.
func checkFiles(t *testing.T, files map[string][]byte) {
	t.Helper()
	for file := range files {
		if file != program {
			t.Errorf("the image has a file %s", file)
		}
	}
}

// checkProgram: the program needs nothing else of the image, and knows its
// version.
func checkProgram(t *testing.T, content []byte) {
	t.Helper()
	binary, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if libraries, err := binary.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the program is linked to %v, %v", libraries, err)
	}
	file := filepath.Join(t.TempDir(), "argocd-image-updater")
	if err := os.WriteFile(file, content, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(file, "version", "--short").Output()
	if err != nil || string(out) != "v1.2.3-test\n" {
		t.Errorf("the program says %q, %v", out, err)
	}
}

func packed(image v1.Image) (int64, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return 0, err
	}
	var size int64
	for _, layer := range manifest.Layers {
		size += layer.Size
	}
	return size, nil
}
