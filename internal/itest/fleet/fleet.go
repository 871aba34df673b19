// Package fleet makes a large fleet for benchmarks and for tests that count:
// many Applications in one Git repository, and a registry that knows their
// images.
package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"argocd-image-updater/internal/itest"
)

// Size is how large a fleet is.
type Size struct {
	Applications int
	Images       int // for each Application
	Repositories int // of images; each is used by many Applications
	Tags         int // of each repository
	Files        int // in the Git repository, at least 2 for each Application
	Folders      int // of the Git repository, besides those of the Applications
}

// Large is the size that the budgets are written for.
func Large() Size {
	return Size{Applications: 1000, Images: 2, Repositories: 50, Tags: 500, Files: 20_000, Folders: 5_500}
}

// Fleet is a fleet whose servers run.
type Fleet struct {
	Size     Size
	Registry *itest.Registry
	Git      *itest.GitServer
	Repo     *itest.Repo
	// Applications is the folder of the manifests, RegistriesConf the file that
	// leads to the registry.
	Applications   string
	RegistriesConf string
}

// Host is the registry as the Applications call it.
const Host = "registry.example.com"

// Start makes a fleet in a folder. Everything in it is outdated.
func Start(dir string, size Size, git itest.GitOptions) (*Fleet, error) {
	f := &Fleet{Size: size, Applications: filepath.Join(dir, "apps"), RegistriesConf: filepath.Join(dir, "registries.conf")}
	git.Root = filepath.Join(dir, "git")
	var err error
	if f.Registry, err = itest.StartRegistry(itest.RegistryOptions{Handler: size.tags()}); err != nil {
		return nil, err
	}
	if f.Git, err = itest.StartGit(git); err != nil {
		return nil, err
	}
	if f.Repo, err = f.Git.Init("fleet"); err != nil {
		return nil, err
	}
	if err := f.Repo.Commit(itest.Commit{Files: size.files()}); err != nil {
		return nil, err
	}
	err = f.write()
	return f, err
}

// Close stops the servers.
func (f *Fleet) Close() {
	f.Registry.Close()
	f.Git.Close()
}

// name of the image repository that an Application's image is of.
func (s Size) name(app, img int) string {
	return fmt.Sprintf("team/service-%02d", (app*s.Images+img)%s.Repositories)
}

// tags are versions 1.0.0 to 1.0.<n-1> of each repository.
func (s Size) tags() itest.TagServer {
	server := itest.TagServer{Tags: map[string][]string{}}
	for r := range s.Repositories {
		tags := make([]string, 0, s.Tags)
		for t := range s.Tags {
			tags = append(tags, fmt.Sprintf("1.0.%d", t))
		}
		server.Tags[fmt.Sprintf("team/service-%02d", r)] = tags
	}
	return server
}

// files is the content of the Git repository.
func (s Size) files() map[string]string {
	files := map[string]string{}
	for app := range s.Applications {
		dir := fmt.Sprintf("apps/app-%04d/", app)
		files[dir+"Chart.yaml"] = fmt.Sprintf("apiVersion: v2\nname: app-%04d\nversion: 0.1.0\n", app)
		var b strings.Builder
		fmt.Fprintf(&b, "# values of application %d, which no other has\n", app)
		for img := range s.Images {
			fmt.Fprintf(&b, "image%d:\n  name: %s/%s\n  tag: 1.0.0   # by the updater\n\n", img, Host, s.name(app, img))
		}
		files[dir+"values.yaml"] = b.String()
	}
	for i := 0; len(files) < s.Files; i++ {
		files[fmt.Sprintf("other/%02d/%04d/file-%05d.yaml", i%97, i%s.Folders, i)] = fmt.Sprintf("kind: ConfigMap\nname: other-%d\n", i)
	}
	return files
}

// write puts the manifests and registries.conf on disk.
func (f *Fleet) write() error {
	if err := os.MkdirAll(f.Applications, 0o755); err != nil {
		return err
	}
	var b strings.Builder
	for app := range f.Size.Applications {
		f.application(&b, app)
	}
	if err := os.WriteFile(filepath.Join(f.Applications, "fleet.yaml"), []byte(b.String()), 0o600); err != nil {
		return err
	}
	conf := fmt.Sprintf("registries:\n- name: fleet\n  prefix: %s\n  api_url: %s\n", Host, f.Registry.URL())
	return os.WriteFile(f.RegistriesConf, []byte(conf), 0o600)
}

func (f *Fleet) application(b *strings.Builder, app int) {
	const prefix = "argocd-image-updater.argoproj.io/"
	var list []string
	fmt.Fprintf(b, "---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: app-%04d\n  annotations:\n", app)
	fmt.Fprintf(b, "    %swrite-back-method: git\n    %swrite-back-target: helmvalues\n", prefix, prefix)
	for img := range f.Size.Images {
		list = append(list, fmt.Sprintf("i%d=%s/%s:1.x", img, Host, f.Size.name(app, img)))
		fmt.Fprintf(b, "    %si%d.helm.image-name: image%d.name\n    %si%d.helm.image-tag: image%d.tag\n", prefix, img, img, prefix, img, img)
	}
	fmt.Fprintf(b, "    %simage-list: %s\nspec:\n  source:\n    repoURL: %s\n    targetRevision: main\n    path: apps/app-%04d\n",
		prefix, strings.Join(list, ", "), f.Git.URL("fleet"), app)
}
