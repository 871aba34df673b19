// Package demo is a small world to try the updater in: a registry with the
// images of a team, and a Git repository with what the team deploys from them.
//
// Everything listens on loopback and lives in one folder. The package plays the
// team and its CI; it does not update anything itself.
package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"argocd-image-updater/internal/image"
)

// seed holds the repository's first content (team) and the Applications that
// deploy it (apps).
//
//go:embed all:team apps
var seed embed.FS

// Host is the registry as the team's files call it. registries.conf leads it to
// loopback.
const Host = "registry.example.com"

// Branch is the branch that the team deploys from.
const Branch = "main"

// World is a running registry and a repository.
type World struct {
	// Dir holds everything that the world has on disk.
	Dir string
	// Applications is the folder of the Application manifests.
	Applications string
	// RegistriesConf is a registries.conf that knows the registry.
	RegistriesConf string
	// Repository is the path of the bare Git repository.
	Repository string
	// Address is where the registry listens: 127.0.0.1:<port>.
	Address string

	server  *http.Server
	serving errgroup.Group
}

// Start makes a world in a new folder below dir; "" is the folder for
// temporary files. Close ends it.
func Start(ctx context.Context, dir string) (*World, error) {
	dir, err := os.MkdirTemp(dir, "image-updater-demo-")
	if err != nil {
		return nil, err
	}
	w := &World{
		Dir:            dir,
		Applications:   filepath.Join(dir, "apps"),
		RegistriesConf: filepath.Join(dir, "registries.conf"),
		Repository:     filepath.Join(dir, "deploy.git"),
	}
	for _, step := range []func(context.Context) error{w.listen, w.seedRepository, w.writeFiles} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

// Close stops the registry and removes the folder.
func (w *World) Close() error {
	var err error
	if w.server != nil {
		err = w.server.Close()
		if served := w.serving.Wait(); !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
	}
	return errors.Join(err, os.RemoveAll(w.Dir))
}

func (w *World) listen(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	w.Address = l.Addr().String()
	w.server = &http.Server{
		Handler:           registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		ReadHeaderTimeout: 10 * time.Second,
	}
	w.serving.Go(func() error { return w.server.Serve(l) })
	return nil
}

// writeFiles puts registries.conf and the Applications on disk.
func (w *World) writeFiles(context.Context) error {
	conf := fmt.Sprintf("registries:\n- name: the team's registry\n  prefix: %s\n  api_url: http://%s\n", Host, w.Address)
	if err := os.WriteFile(w.RegistriesConf, []byte(conf), 0o600); err != nil {
		return err
	}
	return copyTree("apps", w.Applications, func(text string) string {
		return strings.ReplaceAll(text, "REPOSITORY", w.Repository)
	})
}

// copyTree writes a folder of the seed to disk.
func copyTree(from, to string, change func(string) string) error {
	return fs.WalkDir(seed, from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, filepath.FromSlash(strings.TrimPrefix(path, from)))
		if d.IsDir() {
			return os.MkdirAll(target, 0o750)
		}
		b, err := seed.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, []byte(change(string(b))), 0o600)
	})
}

// Build is an image that CI pushes.
type Build struct {
	Name     string // path in the registry: "team/web"
	Tag      string
	Created  time.Time
	Platform image.Platform
}

// Push builds a small image and pushes it to the registry at an address of
// loopback.
func Push(ctx context.Context, address string, b Build) error {
	img, err := random.Image(256, 1)
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = b.Platform.OS, b.Platform.Arch, v1.Time{Time: b.Created}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return err
	}
	ref, err := name.NewTag(address+"/"+b.Name+":"+b.Tag, name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(ref, img, remote.WithContext(ctx))
}
