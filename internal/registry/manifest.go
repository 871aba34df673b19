package registry

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"argocd-image-updater/internal/image"
)

// Media types of the OCI image specification and of Docker's image manifest
// version 2, schema 2.
const (
	typeOCIIndex    = "application/vnd.oci.image.index.v1+json"
	typeDockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeOCIImage    = "application/vnd.oci.image.manifest.v1+json"
	typeDockerImage = "application/vnd.docker.distribution.manifest.v2+json"

	typeOCIConfig    = "application/vnd.oci.image.config.v1+json"
	typeDockerConfig = "application/vnd.docker.container.image.v1+json"

	typeSchema1 = "application/vnd.docker.distribution.manifest.v1"
)

// acceptManifests is the Accept header that lets a registry send a manifest as
// it was pushed.
const acceptManifests = typeOCIIndex + ", " + typeDockerIndex + ", " + typeOCIImage + ", " + typeDockerImage

const (
	maxManifest = 4 << 20 // bytes; what registries have to accept by the OCI distribution specification
	maxConfig   = 8 << 20 // bytes
)

// manifest is an image manifest or an index of them, as far as it is used.
type manifest struct {
	digest   image.Digest
	children []descriptor // of an index, attestations left out; nil if it is none
	config   image.Digest // of an image; "" of an index and of an artifact that is no image
}

// descriptor is an element of an index.
type descriptor struct {
	digest   image.Digest
	platform image.Platform // zero if the index does not say
}

// config is an image configuration, as far as it is used.
type config struct {
	platform image.Platform
	created  time.Time // zero if it does not say
	labels   map[string]string
}

// getManifest reads a manifest by tag or digest. want is the digest that it
// must have; "" is any.
func (s *session) getManifest(ctx context.Context, reference string, want image.Digest) (manifest, error) {
	if m, ok := s.client.manifests.Get(s.key + " " + string(want)); ok && want != "" {
		return m, nil
	}
	var m manifest
	q := question{method: http.MethodGet, url: s.address("/manifests/" + reference), accept: acceptManifests}
	err := s.ask(ctx, q, func(resp *http.Response) error {
		body, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxManifest))
		if err != nil {
			return breakage("the manifest", err)
		}
		announced := want
		if d, err := image.ParseDigest(resp.Header.Get("Docker-Content-Digest")); err == nil && want == "" {
			announced = d
		}
		digest, err := verify(body, announced)
		if err != nil {
			return err
		}
		m, err = parseManifest(body, resp.Header.Get("Content-Type"))
		m.digest = digest
		return err
	})
	if err != nil {
		return manifest{}, err
	}
	s.client.manifests.Add(s.key+" "+string(m.digest), m)
	return m, nil
}

// verify computes the digest of a body and compares it with the one that it
// should have, if any.
func verify(body []byte, want image.Digest) (image.Digest, error) {
	got := digestOf(body, want)
	if want != "" && got != want {
		return "", broken("wrong digest: %s was announced, the body has %s", want, got)
	}
	return got, nil
}

// digestOf hashes with the algorithm of like.
func digestOf(body []byte, like image.Digest) image.Digest {
	if strings.HasPrefix(string(like), "sha512:") {
		sum := sha512.Sum512(body)
		return image.Digest("sha512:" + hex.EncodeToString(sum[:]))
	}
	sum := sha256.Sum256(body)
	return image.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// wireManifest is the JSON of manifests and indexes alike.
type wireManifest struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType"`
	Manifests     []wireDescriptor `json:"manifests"`
	Config        *wireDescriptor  `json:"config"`
	Layers        json.RawMessage  `json:"layers"`
}

type wireDescriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	ArtifactType string            `json:"artifactType"`
	Annotations  map[string]string `json:"annotations"`
	Platform     *struct {
		OS      string `json:"os"`
		Arch    string `json:"architecture"`
		Variant string `json:"variant"`
	} `json:"platform"`
}

// isAttestation reports whether an element of an index is about its
// neighbours and no image. BuildKit gives its attestations a platform that
// does not exist, and an annotation; for others the type of artifact tells,
// which of an image is its configuration's.
func (d wireDescriptor) isAttestation() bool {
	if d.ArtifactType != "" && !isImageConfig(d.ArtifactType) || d.Annotations["vnd.docker.reference.type"] != "" {
		return true
	}
	return d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Arch == "unknown"
}

var errSchema1 = errors.New("its manifest is of schema 1, which no registry takes any more: push the image again with a current tool")

// parseManifest decodes a manifest. Its kind is what the registry and the body
// agree on; a body that could be read as both is refused (CVE-2021-41190).
func parseManifest(body []byte, contentType string) (manifest, error) {
	if isSchema1(contentType) {
		return manifest{}, errSchema1
	}
	var wire wireManifest
	if err := json.Unmarshal(body, &wire); err != nil {
		return manifest{}, breakage("the manifest", err)
	}
	if wire.SchemaVersion == 1 {
		return manifest{}, errSchema1
	}
	kind := kindOf(contentType, wire.MediaType)
	isIndex, isImage := wire.Manifests != nil, wire.Config != nil
	switch {
	case isIndex && (isImage || wire.Layers != nil):
		return manifest{}, broken("the manifest is an index and an image at once")
	case isIndex && kind != kindImage:
		return parseIndex(wire)
	case isImage && kind != kindIndex:
		return parseImage(wire)
	}
	return manifest{}, broken("the manifest (%.80q) is neither an image nor an index", contentType)
}

// kind is what a manifest is said to be.
type kind uint8

const (
	kindUnsaid kind = iota
	kindImage
	kindIndex
)

// kindOf is what the first media type that is known says.
func kindOf(mediaTypes ...string) kind {
	for _, mediaType := range mediaTypes {
		name, _, _ := strings.Cut(mediaType, ";")
		switch strings.TrimSpace(name) {
		case typeOCIIndex, typeDockerIndex:
			return kindIndex
		case typeOCIImage, typeDockerImage:
			return kindImage
		}
	}
	return kindUnsaid
}

func isImageConfig(mediaType string) bool {
	return mediaType == typeOCIConfig || mediaType == typeDockerConfig
}

func isSchema1(mediaType string) bool { return strings.HasPrefix(mediaType, typeSchema1) }

func parseIndex(wire wireManifest) (manifest, error) {
	m := manifest{children: []descriptor{}}
	for _, d := range wire.Manifests {
		if d.isAttestation() {
			continue
		}
		digest, err := image.ParseDigest(d.Digest)
		if err != nil {
			return manifest{}, broken("the index does not parse: %v", err)
		}
		child := descriptor{digest: digest}
		if p := d.Platform; p != nil {
			child.platform = image.Platform{OS: p.OS, Arch: p.Arch, Variant: p.Variant}
		}
		m.children = append(m.children, child)
	}
	return m, nil
}

func parseImage(wire wireManifest) (manifest, error) {
	if !isImageConfig(wire.Config.MediaType) {
		return manifest{}, nil // an artifact: a Helm chart, a signature
	}
	digest, err := image.ParseDigest(wire.Config.Digest)
	if err != nil {
		return manifest{}, broken("the manifest's configuration: %v", err)
	}
	return manifest{config: digest}, nil
}

// getConfig reads an image configuration.
func (s *session) getConfig(ctx context.Context, digest image.Digest) (config, error) {
	key := s.key + " " + string(digest)
	if c, ok := s.client.configs.Get(key); ok {
		return c, nil
	}
	var c config
	q := question{method: http.MethodGet, url: s.address("/blobs/" + string(digest))}
	err := s.ask(ctx, q, func(resp *http.Response) error {
		body, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, maxConfig))
		if err != nil {
			return breakage("the configuration", err)
		}
		if _, err := verify(body, digest); err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		c, err = parseConfig(body)
		return err
	})
	if err == nil {
		s.client.configs.Add(key, c)
	}
	return c, err
}

// parseConfig decodes an image configuration (OCI image specification,
// config.md).
func parseConfig(body []byte) (config, error) {
	var wire struct {
		OS      string `json:"os"`
		Arch    string `json:"architecture"`
		Variant string `json:"variant"`
		Created string `json:"created"`
		Config  struct {
			Labels map[string]string `json:"Labels"`
		} `json:"config"`
	}
	if err := json.Unmarshal(body, &wire); err != nil {
		return config{}, breakage("the configuration", err)
	}
	c := config{platform: image.Platform{OS: wire.OS, Arch: wire.Arch, Variant: wire.Variant}, labels: wire.Config.Labels}
	if c.labels == nil {
		c.labels = map[string]string{}
	}
	if wire.Created != "" {
		created, err := time.Parse(time.RFC3339Nano, wire.Created)
		if err != nil {
			return config{}, broken("the configuration was created at %.40q, which is no time", wire.Created)
		}
		c.created = created
	}
	return c, nil
}
