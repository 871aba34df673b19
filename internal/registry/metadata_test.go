package registry_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/registry"
)

var (
	amd64 = image.Platform{OS: "linux", Arch: "amd64"}
	armv7 = image.Platform{OS: "linux", Arch: "arm", Variant: "v7"}
	day1  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	day2  = day1.AddDate(0, 0, 1)
)

func digest(t *testing.T, of interface{ Digest() (v1.Hash, error) }) image.Digest {
	t.Helper()
	return image.Digest(must[v1.Hash](t)(of.Digest()).String())
}

// index is an index of two images, an attestation as BuildKit makes it, and an
// artifact.
func (w *world) index() v1.ImageIndex {
	w.t.Helper()
	add := func(img v1.Image, platform string) mutate.IndexAddendum {
		return mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: must[*v1.Platform](w.t)(v1.ParsePlatform(platform))}}
	}
	attestation := add(must[v1.Image](w.t)(random.Image(16, 1)), "unknown/unknown")
	attestation.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	artifact := mutate.IndexAddendum{Add: must[v1.Image](w.t)(random.Image(16, 1)), Descriptor: v1.Descriptor{ArtifactType: "application/x.test"}}
	return mutate.AppendManifests(empty.Index,
		add(w.build("linux/amd64", day1), "linux/amd64"), add(w.build("linux/arm/v7", day2), "linux/arm/v7"), attestation, artifact)
}

func (w *world) ask(c *registry.Client, tag string, depth policy.Depth, platforms ...image.Platform) (policy.Metadata, error) {
	return c.Metadata(w.t.Context(), w.target(credential.Registry{}), registry.Question{Tag: tag, Depth: depth, Platforms: platforms})
}

func TestDigestCostsOneHead(t *testing.T) {
	w := realRegistry(t)
	img, index := w.build("linux/amd64", day1), w.index()
	w.push("image", img)
	w.push("index", index)
	c := client(t, registry.Options{})
	for tag, want := range map[string]image.Digest{"image": digest(t, img), "index": digest(t, index)} {
		got, err := w.ask(c, tag, policy.DepthDigest)
		if diff := cmp.Diff(policy.Metadata{Digest: want}, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tag, err, diff)
		}
		if got := w.requests(); !slices.Equal(got, []string{"HEAD /v2/a/b/manifests/" + tag}) {
			t.Errorf("%s: %q", tag, got)
		}
	}
}

// without hides a header of the answers.
func without(header string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		for name, values := range recorded.Header() {
			if name != header {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(recorded.Code)
		_, _ = w.Write(recorded.Body.Bytes())
	})
}

func TestDigestOfARegistryThatDoesNotTellIt(t *testing.T) {
	source := realRegistry(t)
	img := source.build("linux/amd64", day1)
	source.push("v1", img)
	w := serve(t, without("Docker-Content-Digest", source.server.Config.Handler))
	got, err := w.ask(client(t, registry.Options{}), "v1", policy.DepthDigest)
	if err != nil || got.Digest != digest(t, img) {
		t.Errorf("%v, %v", got, err)
	}
	if got, want := w.requests(), []string{"HEAD /v2/a/b/manifests/v1", "GET /v2/a/b/manifests/v1"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestBuilds(t *testing.T) {
	w := realRegistry(t)
	docker := mutate.ConfigMediaType(mutate.MediaType(w.build("linux/amd64", day1), types.DockerManifestSchema2), types.DockerConfigJSON)
	oci := mutate.ConfigMediaType(mutate.MediaType(w.build("linux/arm/v7", day2), types.OCIManifestSchema1), types.OCIConfigJSON)
	index := w.index()
	list := mutate.IndexMediaType(index, types.DockerManifestList)
	chart := mutate.ConfigMediaType(oci, "application/vnd.cncf.helm.config.v1+json")
	w.push("docker", docker)
	w.push("oci", oci)
	w.push("index", index)
	w.push("list", list)
	w.push("chart", chart)

	onAMD := policy.Build{Platform: amd64, Created: day1}
	onARM := policy.Build{Platform: armv7, Created: day2}
	amdLabels := map[string]string{"platform": "linux/amd64"}
	armLabels := map[string]string{"platform": "linux/arm/v7"}
	anyARM := image.Platform{OS: "linux", Arch: "arm"}
	tests := []struct {
		tag       string
		platforms []image.Platform
		want      policy.Metadata
		requests  int
	}{
		{"docker", nil, policy.Metadata{Digest: digest(t, docker), Builds: []policy.Build{onAMD}, Labels: amdLabels}, 2},
		{"oci", []image.Platform{amd64}, policy.Metadata{Digest: digest(t, oci), Builds: []policy.Build{onARM}, Labels: armLabels}, 2},
		{"index", nil, policy.Metadata{Digest: digest(t, index), Builds: []policy.Build{onAMD, onARM}, Labels: amdLabels}, 5},
		{"index", []image.Platform{armv7}, policy.Metadata{Digest: digest(t, index), Builds: []policy.Build{onARM}, Labels: armLabels}, 3},
		{"index", []image.Platform{anyARM}, policy.Metadata{Digest: digest(t, index), Builds: []policy.Build{onARM}, Labels: armLabels}, 3},
		{"index", []image.Platform{{OS: "windows", Arch: "amd64"}}, policy.Metadata{Digest: digest(t, index), Builds: []policy.Build{}}, 1},
		{"list", []image.Platform{amd64}, policy.Metadata{Digest: digest(t, list), Builds: []policy.Build{onAMD}, Labels: amdLabels}, 3},
		{"chart", nil, policy.Metadata{Digest: digest(t, chart), Builds: []policy.Build{}}, 1},
	}
	for _, tt := range tests {
		got, err := w.ask(client(t, registry.Options{}), tt.tag, policy.DepthBuilds, tt.platforms...)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s for %v: %v %s", tt.tag, tt.platforms, err, diff)
		}
		if n := len(w.requests()); n != tt.requests {
			t.Errorf("%s for %v: %d requests, want %d", tt.tag, tt.platforms, n, tt.requests)
		}
	}
}

// The same tag, asked again, costs a HEAD; moved to what is known, a HEAD too.
func TestBuildsAreKeptByDigest(t *testing.T) {
	w := realRegistry(t)
	index := w.index()
	w.push("v1", index)
	c := client(t, registry.Options{})
	for _, want := range []int{5, 1, 1} {
		if _, err := w.ask(c, "v1", policy.DepthBuilds); err != nil {
			t.Fatal(err)
		}
		if got := w.requests(); len(got) != want {
			t.Errorf("%d requests, want %d: %q", len(got), want, got)
		}
	}
	moved := w.build("linux/amd64", day2)
	w.push("v1", moved)
	got, err := w.ask(c, "v1", policy.DepthBuilds)
	if err != nil || got.Digest != digest(t, moved) {
		t.Errorf("after the tag was moved: %v, %v", got.Digest, err)
	}
	if got := w.requests(); len(got) != 3 {
		t.Errorf("HEAD, manifest and configuration expected: %q", got)
	}
}

// What one credential has read is not shown to another.
func TestBuildsAreKeptPerCredential(t *testing.T) {
	w := realRegistry(t)
	w.push("v1", w.build("linux/amd64", day1))
	c := client(t, registry.Options{})
	for _, login := range []credential.Registry{{}, {Username: "a", Password: "x"}, {Username: "a", Password: "y"}} {
		q := registry.Question{Tag: "v1", Depth: policy.DepthBuilds}
		if _, err := c.Metadata(t.Context(), w.target(login), q); err != nil {
			t.Fatal(err)
		}
		if n := len(w.requests()); n != 2 {
			t.Errorf("%d requests", n)
		}
	}
}

func TestNameAloneCostsNothing(t *testing.T) {
	w := realRegistry(t)
	if got, err := w.ask(client(t, registry.Options{}), "v1", policy.DepthName); err != nil || !cmp.Equal(got, policy.Metadata{}) || len(w.requests()) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestGone(t *testing.T) {
	w := realRegistry(t)
	w.push("other", w.build("linux/amd64", day1))
	for _, depth := range []policy.Depth{policy.DepthDigest, policy.DepthBuilds} {
		got, err := w.ask(client(t, registry.Options{}), "v1", depth)
		if diff := cmp.Diff(policy.Metadata{Gone: true}, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
}

func TestPartsThatAreGoneAreSuspect(t *testing.T) {
	w := realRegistry(t)
	index := w.index()
	w.push("v1", index)
	child := must[*v1.IndexManifest](t)(index.IndexManifest()).Manifests[0].Digest
	config := must[v1.Hash](t)(must[v1.Image](t)(index.Image(child)).ConfigName())
	for part, want := range map[string]string{
		"/manifests/" + child.String(): "read registry.test/a/b:v1: its manifest " + image.Digest(child.String()).Short() + " is gone: suspect answer",
		"/blobs/" + config.String():    "read registry.test/a/b:v1: its configuration " + image.Digest(config.String()).Short() + " is gone: suspect answer",
	} {
		broken := serve(t, first(always, part, answer(404, ""), w.server.Config.Handler))
		_, err := broken.ask(client(t, registry.Options{}), "v1", policy.DepthBuilds)
		fails(t, err, fault.ErrSuspect, want)
	}
}

// manifests serves one body for every manifest, and another for every blob.
func manifests(kind, manifest, blob string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := blob
		if strings.Contains(r.URL.Path, "/manifests/") {
			body = manifest
			w.Header().Set("Content-Type", kind)
		}
		fmt.Fprint(w, body)
	})
}

func TestMetadataFaults(t *testing.T) {
	const (
		oci   = "application/vnd.oci.image.manifest.v1+json"
		index = "application/vnd.oci.image.index.v1+json"
	)
	config := func(body string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%x"},"layers":[]}`, sha256.Sum256([]byte(body)))
	}
	children := func(n int, platform string) string {
		one := fmt.Sprintf(`{"digest":"sha256:%x","platform":%s}`, sha256.Sum256([]byte("x")), platform)
		return `{"schemaVersion":2,"manifests":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}`
	}
	tests := []struct {
		name    string
		handler http.Handler
		fact    error
		want    string
	}{
		{"denied", answer(403, `{"errors":[{"code":"DENIED"}]}`), fault.ErrDenied, "read registry.test/a/b:v1: 403 DENIED (no credential)"},
		{"unavailable", answer(502, ""), fault.ErrUnavailable, "read registry.test/a/b:v1: 502 Bad Gateway, 4 times"},
		{"schema 1", manifests("application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`, ""), nil, "read registry.test/a/b:v1: its manifest is of schema 1, which no registry takes any more: push the image again with a current tool"},
		{"schema 1 unsaid", manifests("application/json", `{"schemaVersion":1,"fsLayers":[]}`, ""), nil, "schema 1"},
		{"no manifest", manifests("text/html", "<html>", ""), fault.ErrUnavailable, "the manifest does not parse"},
		{"truncated", manifests(oci, `{"schemaVersion":2,`, ""), fault.ErrUnavailable, "the manifest does not parse: unexpected end of JSON input"},
		{"neither", manifests(oci, `{"schemaVersion":2}`, ""), fault.ErrUnavailable, "is neither an image nor an index"},
		{"both", manifests(oci, `{"schemaVersion":2,"manifests":[],"config":{},"layers":[]}`, ""), fault.ErrUnavailable, "an index and an image at once"},
		{"an index that says it is an image", manifests(oci, children(1, `null`), ""), fault.ErrUnavailable, "is neither an image nor an index"},
		{"an image that says it is an index", manifests(index, config("x"), ""), fault.ErrUnavailable, "is neither an image nor an index"},
		{"no digest", manifests(index, `{"manifests":[{"digest":"sha256:abc"}]}`, ""), fault.ErrUnavailable, "the index does not parse: invalid digest"},
		{"too deep", manifests(oci, strings.Repeat("[", 1<<20), ""), fault.ErrUnavailable, "exceeded max depth"},
		{"too large", manifests(oci, strings.Repeat(" ", 5<<20), ""), fault.ErrUnavailable, "the manifest is larger than 4194304 bytes"},
		{"wrong digest of a child", manifests(index, children(1, `null`), ""), fault.ErrUnavailable, "wrong digest: sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 was announced, the body has"},
		{"wrong digest of a configuration", manifests(oci, config("x"), "y"), fault.ErrUnavailable, "configuration: wrong digest"},
		{"a configuration that is none", manifests(oci, config("x"), "x"), fault.ErrUnavailable, "the configuration does not parse"},
		{"a time that is none", manifests(oci, config(`{"created":"now"}`), `{"created":"now"}`), fault.ErrUnavailable, `created at "now", which is no time`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(t, tt.handler)
			got, err := w.ask(client(t, registry.Options{}), "v1", policy.DepthBuilds)
			fails(t, err, tt.fact, tt.want)
			if !cmp.Equal(got, policy.Metadata{}) && tt.fact != nil && len(got.Builds) > 0 {
				t.Errorf("an error and %v", got)
			}
		})
	}
}

func TestWrongDigestOfATag(t *testing.T) {
	source := realRegistry(t)
	source.push("v1", source.build("linux/amd64", day1))
	spoil := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		source.server.Config.Handler.ServeHTTP(recorded, r)
		for name, values := range recorded.Header() {
			w.Header()[name] = values
		}
		_, _ = w.Write(bytes.Replace(recorded.Body.Bytes(), []byte("sha256:"), []byte("SHA256:"), 1))
	})
	w := serve(t, spoil)
	_, err := w.ask(client(t, registry.Options{}), "v1", policy.DepthBuilds)
	fails(t, err, fault.ErrUnavailable, "wrong digest")
}

func TestIndexInAnIndex(t *testing.T) {
	w := realRegistry(t)
	w.push("v1", mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: w.index()}))
	_, err := w.ask(client(t, registry.Options{}), "v1", policy.DepthBuilds)
	fails(t, err, nil, "its index holds another index")
}

func TestManyPlatforms(t *testing.T) {
	w := realRegistry(t)
	var adds []mutate.IndexAddendum
	for i := range 65 {
		adds = append(adds, mutate.IndexAddendum{Add: w.build(fmt.Sprintf("linux/arch%d", i), day1)})
	}
	w.push("v1", mutate.AppendManifests(empty.Index, adds...))
	_, err := w.ask(client(t, registry.Options{}), "v1", policy.DepthBuilds)
	fails(t, err, fault.ErrUnavailable, "its index holds more than 64 images: name the platforms")
	// Where the index does not tell the platforms, the configurations do.
	got, err := w.ask(client(t, registry.Options{}), "v1", policy.DepthBuilds, image.Platform{OS: "linux", Arch: "arch64"})
	if err != nil || len(got.Builds) != 1 || got.Labels["platform"] != "linux/arch64" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestTagThatIsNone(t *testing.T) {
	w := realRegistry(t)
	_, err := w.ask(client(t, registry.Options{}), "../../x", policy.DepthDigest)
	fails(t, err, nil, `read registry.test/a/b: "../../x" is no tag`)
	if n := len(w.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
