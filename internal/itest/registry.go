package itest

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
)

// The kinds of request that a Registry counts.
const (
	KindPing         = "ping"          // GET /v2/
	KindToken        = "token"         // the token endpoint
	KindTags         = "tags-list"     // GET /v2/<name>/tags/list, each page
	KindManifest     = "manifest"      // GET /v2/<name>/manifests/<reference>
	KindManifestHead = "manifest-head" // HEAD of the same
	KindBlob         = "blob"          // GET or HEAD /v2/<name>/blobs/<digest>
	KindWrite        = "write"         // PUT, POST, PATCH and DELETE, pushes among them
)

// RegistryOptions are how a Registry is started. The zero value is a registry
// in memory over plain HTTP that lets everybody in.
type RegistryOptions struct {
	// Handler answers; nil is the in-memory registry of go-containerregistry,
	// which gives all tags in one page.
	Handler http.Handler
	TLS     bool
	// Username and Password are asked for by basic authentication; none if empty.
	Username, Password string
	// Token asks for them at a token endpoint instead, as the distribution
	// token specification describes; without a user everybody gets a token.
	Token bool
}

// Registry is a registry behind a Front.
type Registry struct{ *server }

// StartRegistry starts a registry.
func StartRegistry(o RegistryOptions) (*Registry, error) {
	handler := o.Handler
	if handler == nil {
		handler = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	}
	if o.Token {
		handler = tokenAuth(handler, o.Username, o.Password)
	} else {
		handler = basicAuth(handler, o.Username, o.Password)
	}
	s, err := serve(newFront(handler, registryKind), o.TLS)
	if err != nil {
		return nil, err
	}
	return &Registry{s}, nil
}

// URL is the base address, without /v2.
func (r *Registry) URL() string { return r.http.URL }

func registryKind(r *http.Request) string {
	path := r.URL.Path
	switch {
	case path == tokenPath:
		return KindToken
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return KindWrite
	case lastElements(path, "tags", "list"):
		return KindTags
	case strings.Contains(path, "/manifests/") && r.Method == http.MethodHead:
		return KindManifestHead
	case strings.Contains(path, "/manifests/"):
		return KindManifest
	case strings.Contains(path, "/blobs/"):
		return KindBlob
	}
	return KindPing
}

// TagServer answers tag lists and nothing else, for benchmarks and for pages:
// the tags of each repository by its name. It pages as the OCI distribution
// specification describes, with n, last and a Link header.
type TagServer struct {
	Tags map[string][]string
	// MaxPage is the most tags in a page; 0 is no limit.
	MaxPage int
}

type tagList struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// ServeHTTP answers /v2/ and tag lists.
func (s TagServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/v2/" {
		return
	}
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/tags/list")
	tags, ok := s.Tags[name]
	if !ok || !lastElements(r.URL.Path, "tags", "list") {
		Status(http.StatusNotFound)(nil).ServeHTTP(w, r)
		return
	}
	page, more := s.page(tags, r)
	if more {
		w.Header().Set("Link", fmt.Sprintf(`<%s?n=%d&last=%s>; rel="next"`, r.URL.Path, len(page), page[len(page)-1]))
	}
	_, _ = w.Write(encode(tagList{name, page}))
}

func (s TagServer) page(tags []string, r *http.Request) (page []string, more bool) {
	if last := r.URL.Query().Get("last"); last != "" {
		tags = tags[slices.Index(tags, last)+1:]
	}
	n := s.MaxPage
	if asked, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && (n == 0 || asked < n) {
		n = asked
	}
	if n <= 0 || n >= len(tags) {
		return tags, false
	}
	return tags[:n], true
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings and lists of them come here
	}
	return b
}
