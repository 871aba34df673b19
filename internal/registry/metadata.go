package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/policy"
)

// maxBuilds is more platforms than any image has.
const maxBuilds = 64

// Question is what is to be known of one tag.
type Question struct {
	Tag   string
	Depth policy.Depth
	// Platforms are the builds of an index that are wanted; none: all. An
	// image that is no index is told of whatever its platform.
	Platforms []image.Platform
}

// Metadata looks at one tag, to the depth of the question: DepthDigest costs
// one HEAD; DepthBuilds a manifest, and for each build a manifest (of an index)
// and a configuration, less what is known by digest already. A tag whose
// manifest does not exist is Gone and no error.
//
// The result is shared with others who ask at the same time and must not be
// changed.
func (c *Client) Metadata(ctx context.Context, t Target, q Question) (policy.Metadata, error) {
	subject := fmt.Sprintf("read %s:%s", t.Endpoint, q.Tag)
	if !image.ValidTag(q.Tag) {
		return policy.Metadata{}, fmt.Errorf("read %s: %q is no tag", t.Endpoint, q.Tag)
	}
	s, err := c.open(t)
	if err != nil {
		return policy.Metadata{}, fmt.Errorf("%s: %w", subject, err)
	}
	key := fmt.Sprint("metadata ", s.key, " ", q.Tag, " ", q.Depth, " ", q.Platforms)
	m, err := share(ctx, &c.flights, key, func() (policy.Metadata, error) { return s.metadata(ctx, q) })
	if err != nil {
		return policy.Metadata{}, s.explain(subject, err)
	}
	return m, nil
}

func (s *session) metadata(ctx context.Context, q Question) (policy.Metadata, error) {
	var m policy.Metadata
	var err error
	switch q.Depth {
	case policy.DepthName:
		return policy.Metadata{}, nil
	case policy.DepthDigest:
		m.Digest, err = s.digest(ctx, q.Tag)
	case policy.DepthBuilds:
		m, err = s.builds(ctx, q)
	}
	if isGone(err) {
		return policy.Metadata{Gone: true}, nil
	}
	return m, err
}

func isGone(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.status == http.StatusNotFound
}

// digest asks what a tag points to: with a HEAD, which Docker Hub does not
// count as a pull, or with the manifest where the answer holds no digest.
func (s *session) digest(ctx context.Context, tag string) (image.Digest, error) {
	digest, err := s.head(ctx, tag)
	if err != nil || digest != "" {
		return digest, err
	}
	m, err := s.getManifest(ctx, tag, "")
	return m.digest, err
}

// head is the digest of a tag, or "" where the registry does not tell.
func (s *session) head(ctx context.Context, tag string) (image.Digest, error) {
	var digest image.Digest
	q := question{method: http.MethodHead, url: s.address("/manifests/" + tag), accept: acceptManifests}
	err := s.ask(ctx, q, func(resp *http.Response) error {
		if isSchema1(resp.Header.Get("Content-Type")) {
			return errSchema1
		}
		if d, err := image.ParseDigest(resp.Header.Get("Docker-Content-Digest")); err == nil {
			digest = d
		}
		return nil
	})
	return digest, err
}

// tagged reads the manifest of a tag. One that was seen before is asked for
// with a HEAD first, since most tags stay what they are.
func (s *session) tagged(ctx context.Context, tag string) (manifest, error) {
	key := s.key + " " + tag
	reference, want := tag, image.Digest("")
	if seen, ok := s.client.resolved.Get(key); ok && s.client.manifests.Contains(s.key+" "+string(seen)) {
		now, err := s.head(ctx, tag)
		if err != nil {
			return manifest{}, err
		}
		if now != "" {
			reference, want = string(now), now
		}
	}
	m, err := s.getManifest(ctx, reference, want)
	if err == nil {
		s.client.resolved.Add(key, m.digest)
	}
	return m, err
}

func (s *session) builds(ctx context.Context, q Question) (policy.Metadata, error) {
	m, err := s.tagged(ctx, q.Tag)
	if err != nil {
		return policy.Metadata{}, err
	}
	r := reading{session: s, meta: policy.Metadata{Digest: m.digest, Builds: []policy.Build{}}}
	if m.config != "" {
		err := r.image(ctx, m, image.Platform{})
		return r.meta, err
	}
	r.platforms = q.Platforms
	for _, child := range m.children {
		if err := r.child(ctx, child); err != nil {
			return policy.Metadata{}, err
		}
	}
	return r.meta, nil
}

// reading collects the images behind a tag.
type reading struct {
	*session
	platforms []image.Platform // none: all
	meta      policy.Metadata
}

func (r *reading) wants(built image.Platform) bool {
	admits := func(p image.Platform) bool { return p.Admits(built) }
	return len(r.platforms) == 0 || slices.ContainsFunc(r.platforms, admits)
}

func (r *reading) child(ctx context.Context, child descriptor) error {
	known := child.platform != image.Platform{}
	if known && !r.wants(child.platform) {
		return nil
	}
	m, err := r.getManifest(ctx, string(child.digest), child.digest)
	switch {
	case err != nil:
		return missing("manifest "+child.digest.Short(), err)
	case m.children != nil:
		return fmt.Errorf("its index holds another index, %s: tag the inner one", child.digest.Short())
	case m.config == "":
		return nil // an artifact
	case len(r.meta.Builds) >= maxBuilds:
		return broken("its index holds more than %d images: name the platforms", maxBuilds)
	}
	return r.image(ctx, m, child.platform)
}

// image reads the configuration of an image. What the index says of its
// platform goes before what the configuration says. The labels are those of
// the first image.
func (r *reading) image(ctx context.Context, m manifest, platform image.Platform) error {
	c, err := r.getConfig(ctx, m.config)
	if err != nil {
		return missing("configuration "+m.config.Short(), err)
	}
	if platform == (image.Platform{}) {
		platform = c.platform
	}
	if !r.wants(platform) {
		return nil
	}
	r.meta.Builds = append(r.meta.Builds, policy.Build{Platform: platform, Created: c.created})
	if r.meta.Labels == nil {
		r.meta.Labels = c.labels
	}
	return nil
}

// missing makes a suspect answer of a part that is gone while the whole is
// there.
func missing(part string, err error) error {
	if !isGone(err) {
		return err
	}
	return fmt.Errorf("its %s is gone: %w", part, fault.ErrSuspect)
}
