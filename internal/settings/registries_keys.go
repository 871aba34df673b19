package settings

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/nearest"
)

// registryKeys are the keys of an entry. A setter returns what would be right
// where the value is wrong; the value itself is quoted by the caller.
var registryKeys = []struct {
	name string
	set  func(*Registry, string) error
}{
	{"name", setName},
	{"api_url", setAPI},
	{"prefix", setPrefix},
	{"ping", func(_ *Registry, v string) error { _, err := parseYAMLBool(v); return err }},
	{"credentials", setCredentials},
	{"credsexpire", setCredsExpire},
	{"tagsortmode", setTagSortMode},
	{"insecure", func(r *Registry, v string) (err error) { r.Insecure, err = parseYAMLBool(v); return err }},
	{"defaultns", setDefaultNS},
	{"limit", setLimit},
	{"default", func(r *Registry, v string) (err error) { r.Default, err = parseYAMLBool(v); return err }},
	{"ca_file", func(r *Registry, v string) error { r.CAFile = v; return nil }},
	{"ca_data", setCAData},
}

func setName(r *Registry, v string) error {
	if v == "" {
		return errors.New("is empty: write what this registry is to be called in messages")
	}
	r.Name = v
	return nil
}

func setAPI(r *Registry, v string) error {
	u, err := url.Parse(v)
	switch {
	case err != nil || u.User != nil:
		// What does not parse may hold a password, too.
		return errors.New("is not the base URL of a registry, such as https://registry.example.com, without user and password: use credentials")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q: a URL that begins with https:// or http:// is expected, such as https://registry.example.com", v)
	case u.Host == "":
		return fmt.Errorf("%q: the host is missing", v)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q: a base URL has no query and no fragment", v)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	version := u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	switch {
	case isHubWebsite(u):
		return fmt.Errorf("%q is not the API of Docker Hub: write %s", v, dockerHubAPI)
	case version == "v1" || version == "v2":
		return fmt.Errorf("%q: leave /%s out, it is added for each request", v, version)
	}
	r.API = u.Scheme + "://" + strings.ToLower(u.Host) + u.Path
	return nil
}

// isHubWebsite knows the addresses that people take for Docker Hub's API: its
// web site, and what docker login calls it.
func isHubWebsite(u *url.URL) bool {
	switch strings.ToLower(u.Hostname()) {
	case dockerHub, "hub.docker.com", "www.docker.com":
		return true
	case "index.docker.io":
		return u.Path == "/v1"
	}
	return false
}

func setPrefix(r *Registry, v string) error {
	prefix := strings.TrimRight(v, "/")
	if strings.Contains(prefix, "://") {
		return fmt.Errorf("%q is a URL: write the beginning of the image names, such as ghcr.io or ghcr.io/org", v)
	}
	host, path, hasPath := strings.Cut(prefix, "/")
	prefix = image.CanonicalHost(host)
	if hasPath {
		prefix += "/" + path
	}
	repo, err := image.ParseRepo(prefix + "/x")
	if prefix != "" && (err != nil || repo.Registry() != image.CanonicalHost(host)) {
		return fmt.Errorf("%q: the host of a registry is expected, such as ghcr.io or localhost:5000, and the beginning of a path after it if wanted", v)
	}
	r.Prefix = prefix
	return nil
}

func setCredentials(r *Registry, v string) (err error) {
	if v == "" {
		return nil
	}
	r.Credential, err = credential.ParseReference(v)
	return err
}

func setCredsExpire(r *Registry, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return fmt.Errorf("%q: a duration is expected, such as 10h or 30m", v)
	}
	r.CredsExpire = d
	return nil
}

func setTagSortMode(r *Registry, v string) error {
	if !slices.Contains([]string{"", "none", "latest-first", "latest-last"}, v) {
		return fmt.Errorf("%q: latest-first, latest-last or none is expected", v)
	}
	r.TagSortMode = v
	return nil
}

func setDefaultNS(r *Registry, v string) error {
	v = strings.Trim(v, "/")
	if _, err := image.ParseRepo(dockerHub + "/" + v + "/x"); v != "" && err != nil {
		return fmt.Errorf("%q: %w", v, err)
	}
	r.DefaultNS = v
	return nil
}

func setLimit(r *Registry, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil {
		return fmt.Errorf("%q: a whole number of requests per second is expected, such as 20", v)
	}
	r.Limit = max(n, 0)
	return nil
}

func setCAData(r *Registry, v string) error {
	if block, _ := pem.Decode([]byte(v)); v != "" && (block == nil || block.Type != "CERTIFICATE") {
		return errors.New("holds no certificate: PEM that begins with -----BEGIN CERTIFICATE----- is expected")
	}
	r.CAData = v
	return nil
}

// parseYAMLBool knows the booleans of YAML 1.1, which files in the field use.
func parseYAMLBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "yes", "on", "y":
		return true, nil
	case "false", "no", "off", "n":
		return false, nil
	}
	return false, fmt.Errorf("%q: true or false is expected", v)
}

// nearestRegistryKey is the known key with the fewest letters to change.
func nearestRegistryKey(s string) string {
	known := make([]string, 0, len(registryKeys))
	for _, key := range registryKeys {
		known = append(known, key.name)
	}
	return nearest.Word(strings.ToLower(s), known, len(s)+longestKey)
}

// longestKey is more than the length of any key, so that one is always named.
const longestKey = 20
