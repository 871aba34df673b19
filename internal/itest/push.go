package itest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Image is what is pushed under a tag. It has no layers: the updater reads
// manifests and configurations and nothing below them.
type Image struct {
	Created time.Time // zero leaves the date out
	// Platforms are os/arch[/variant]; one makes an image, several an index,
	// none an image for linux/amd64.
	Platforms []string
	Labels    map[string]string
}

// Pusher pushes images to a registry.
type Pusher struct {
	Transport          http.RoundTripper // nil is the default transport
	Username, Password string            // anonymous if Username is empty
}

// Push pushes img under host/path:tag and returns the digest that the tag
// points to then. Images pushed under different tags differ.
func (p Pusher) Push(ctx context.Context, ref string, img Image) (digest string, err error) {
	tag, err := name.NewTag(ref, name.StrictValidation, name.Insecure)
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	target, err := build(tag.TagStr(), img)
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	if err := p.write(ctx, tag, target); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	hash, err := target.Digest()
	return hash.String(), err
}

func (p Pusher) write(ctx context.Context, tag name.Tag, target v1Target) error {
	options := []remote.Option{remote.WithContext(ctx)}
	if p.Transport != nil {
		options = append(options, remote.WithTransport(p.Transport))
	}
	if p.Username != "" {
		options = append(options, remote.WithAuth(&authn.Basic{Username: p.Username, Password: p.Password}))
	}
	switch target := target.(type) {
	case v1.Image:
		return remote.Write(tag, target, options...)
	case v1.ImageIndex:
		return remote.WriteIndex(tag, target, options...)
	}
	return fmt.Errorf("cannot push a %T", target)
}

// v1Target is a v1.Image or a v1.ImageIndex.
type v1Target interface{ Digest() (v1.Hash, error) }

func build(tag string, img Image) (v1Target, error) {
	platforms := img.Platforms
	if len(platforms) == 0 {
		platforms = []string{"linux/amd64"}
	}
	addenda := make([]mutate.IndexAddendum, 0, len(platforms))
	for _, s := range platforms {
		platform, err := v1.ParsePlatform(s)
		if err != nil {
			return nil, fmt.Errorf("platform %q: %w", s, err)
		}
		one, err := buildOne(tag, *platform, img)
		if err != nil {
			return nil, err
		}
		if len(platforms) == 1 {
			return one, nil
		}
		addenda = append(addenda, mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: platform}})
	}
	return mutate.AppendManifests(empty.Index, addenda...), nil
}

func buildOne(tag string, platform v1.Platform, img Image) (v1.Image, error) {
	config := &v1.ConfigFile{
		OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant,
		Created: v1.Time{Time: img.Created},
		RootFS:  v1.RootFS{Type: "layers"},
		// The environment tells the images of two tags apart.
		Config: v1.Config{Labels: img.Labels, Env: []string{"TAG=" + tag}},
	}
	return mutate.ConfigFile(empty.Image, config)
}
