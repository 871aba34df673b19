package cluster

import (
	"path/filepath"
	"strings"

	"argocd-image-updater/internal/itest"
)

// Registry starts a registry. Texts call it ${REGISTRY} and ${REGISTRY_URL},
// and Push pushes to it.
func (w *World) Registry(o itest.RegistryOptions) *itest.Registry {
	w.Helper()
	registry, err := itest.StartRegistry(o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(registry.Close)
	w.Set("REGISTRY", registry.Host())
	w.Set("REGISTRY_URL", registry.URL())
	w.Pusher = itest.Pusher{Transport: registry.Transport(), Username: o.Username, Password: o.Password}
	return registry
}

// Push pushes images, such as myorg/myapp:1.2.3. A test that needs dates, labels or
// platforms uses Pusher itself.
func (w *World) Push(images ...string) {
	w.Helper()
	for _, image := range images {
		if _, err := w.Pusher.Push(w.Context(), w.Expand("${REGISTRY}/")+image, itest.Image{}); err != nil {
			w.Fatal(err)
		}
	}
}

// Git starts a Git server, in a folder of the world. Texts call it ${GIT_URL}:
// the repository that Init makes as team/config is ${GIT_URL}/team/config.git.
func (w *World) Git(o itest.GitOptions) *itest.GitServer {
	w.Helper()
	o.Root = filepath.Join(w.dir, "git")
	server, err := itest.StartGit(o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(server.Close)
	w.Set("GIT_URL", strings.TrimSuffix(server.URL(""), "/.git"))
	return server
}

// Seed makes a repository of a Git server, with one commit of files.
func (w *World) Seed(server *itest.GitServer, name string, files map[string]string) *itest.Repo {
	w.Helper()
	repo, err := server.Init(name)
	if err != nil {
		w.Fatal(err)
	}
	if err := repo.Commit(itest.Commit{Files: files}); err != nil {
		w.Fatal(err)
	}
	return repo
}
