package image

import (
	"fmt"
	"regexp"
	"strings"
)

// dockerHub is the canonical host of Docker Hub, whatever it was called.
const dockerHub = "docker.io"

// maxName bounds registry and path together, in canonical form: clients of
// registries may limit them to this (OCI distribution specification, Pulling
// manifests).
const maxName = 255

// Repo is an image repository: registry host and path, in canonical form. It
// is comparable; the zero Repo is none.
type Repo struct {
	registry string
	path     string
}

var (
	hostPattern = regexp.MustCompile(`^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$`)
	pathPattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
)

// ParseRepo parses [registry/]path. Without a registry the image is Docker
// Hub's, as for every container runtime; Docker Hub's other host names become
// docker.io, and its one-element paths get their implicit library/.
func ParseRepo(s string) (Repo, error) {
	host, hasHost := cutHost(s)
	path := s
	if hasHost {
		path = s[len(host)+1:]
		if !hostPattern.MatchString(host) {
			return Repo{}, fmt.Errorf("invalid registry host %q", host)
		}
	} else {
		host = dockerHub
	}
	if !pathPattern.MatchString(path) {
		return Repo{}, fmt.Errorf("invalid image name %q: %s", path, pathRemedy(path))
	}
	host = CanonicalHost(host)
	if host == dockerHub && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	repo := Repo{registry: host, path: path}
	if n := len(repo.String()); n > maxName {
		return Repo{}, fmt.Errorf("image name of %d characters with its registry: at most %d are allowed", n, maxName)
	}
	return repo, nil
}

func pathRemedy(path string) string {
	if path != strings.ToLower(path) {
		return "image names are lower case"
	}
	return "an image name is lower-case letters, digits and single . _ - between them, in parts joined by /"
}

// CanonicalHost gives the one name of a registry host: lower case, and
// docker.io for each of Docker Hub's names.
func CanonicalHost(host string) string {
	host = strings.ToLower(host)
	switch host {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		return dockerHub
	}
	return host
}

// cutHost splits off the first element of a name if it is a registry host: it
// has a dot or a port, or is localhost. That upper case alone makes a host, as
// for docker, is not followed: in lower case, which hosts are compared in, such
// a host is no longer one, and whoever writes MyOrg/app does not mean a host.
func cutHost(name string) (host string, ok bool) {
	host, _, ok = strings.Cut(name, "/")
	if ok && (host == "localhost" || strings.ContainsAny(host, ".:")) {
		return host, true
	}
	return "", false
}

// Registry is the canonical registry host, with its port if it has one:
// "docker.io", "ghcr.io", "localhost:5000".
func (r Repo) Registry() string { return r.registry }

// Path is the repository's path in its registry: "library/nginx".
func (r Repo) Path() string { return r.path }

// Base is the last element of the path: "nginx".
func (r Repo) Base() string { return r.path[strings.LastIndexByte(r.path, '/')+1:] }

// IsZero reports whether r is no repository.
func (r Repo) IsZero() bool { return r == Repo{} }

// String is the full canonical name: "docker.io/library/nginx".
func (r Repo) String() string {
	if r.IsZero() {
		return ""
	}
	return r.registry + "/" + r.path
}

// Compare orders repositories by registry, then path.
func (r Repo) Compare(o Repo) int {
	if c := strings.Compare(r.registry, o.registry); c != 0 {
		return c
	}
	return strings.Compare(r.path, o.path)
}
