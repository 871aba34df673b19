package settings

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"argocd-image-updater/internal/image"
)

// Requests per second to the registries that no entry sets a limit for. An
// entry without a limit has none.
const (
	limitDockerHub = 10
	limitInferred  = 20
)

const (
	dockerHub          = "docker.io"
	dockerHubAPI       = "https://registry-1.docker.io"
	dockerHubNamespace = "library"
)

// Registries is a compiled registries.conf. It is immutable and safe for use
// by many goroutines; the zero value is not valid, see DefaultRegistries.
type Registries struct {
	entries []Registry // longest prefix first
	byName  Registry   // for images that are written without a registry
	pace    int        // requests per second to a registry that has no entry
}

// DefaultRegistries knows Docker Hub, and infers any other registry from its
// host name.
func DefaultRegistries() Registries { return compileRegistries(nil) }

// WithInferredLimit sets how many requests per second a registry gets that has
// no entry; 0 is unlimited.
func (rs Registries) WithInferredLimit(perSecond int) Registries {
	rs.pace = perSecond
	return rs
}

func builtinDockerHub() Registry {
	return Registry{Name: "Docker Hub", Prefix: dockerHub, API: dockerHubAPI,
		DefaultNS: dockerHubNamespace, Limit: limitDockerHub}
}

// compileRegistries adds Docker Hub to checked entries, unless they have it,
// and finds the default: the one that is marked, or Docker Hub.
func compileRegistries(entries []Registry) Registries {
	entries = slices.Clone(entries)
	isHub := func(r Registry) bool { return r.Prefix == dockerHub }
	if !slices.ContainsFunc(entries, isHub) {
		entries = append(entries, builtinDockerHub())
	}
	byName := slices.IndexFunc(entries, func(r Registry) bool { return r.Default })
	if byName < 0 {
		byName = slices.IndexFunc(entries, isHub)
		entries[byName].Default = true
	}
	rs := Registries{byName: entries[byName], pace: limitInferred}
	if rs.byName.Prefix == "" {
		_, address, _ := strings.Cut(rs.byName.API, "://")
		rs.byName.Prefix, _, _ = strings.Cut(address, "/")
	}
	slices.SortFunc(entries, func(a, b Registry) int {
		return cmp.Or(cmp.Compare(len(b.Prefix), len(a.Prefix)), strings.Compare(a.Prefix, b.Prefix))
	})
	rs.entries = entries
	return rs
}

// Endpoint says where the tags of an image are asked for.
//
// An image that was written without a registry belongs to the default
// registry; any other to the entry with the longest prefix of its canonical
// name, on the boundaries of path elements; and where there is none, to
// https://<host>. An entry with an empty prefix takes the images of every
// registry that no other entry names. Into a path of one element the entry's
// defaultns is put, as library is for Docker Hub.
func (rs Registries) Endpoint(ref image.Ref) Endpoint {
	path := ref.Name
	if ref.HasRegistry() {
		_, path, _ = strings.Cut(ref.Name, "/")
	}
	r := rs.find(ref)
	switch {
	case strings.Contains(path, "/"):
	case r.DefaultNS != "":
		path = r.DefaultNS + "/" + path
	case r.host() == dockerHub:
		path = dockerHubNamespace + "/" + path
	}
	return Endpoint{Registry: r, Path: path}
}

// LoginNames are the names that a docker config may hold a login for the
// repository under: the repository as images name it, then the address of the
// API, which is another where the registry is a mirror.
func (e Endpoint) LoginNames() []string {
	_, api, _ := strings.Cut(e.Registry.API, "://")
	return []string{e.String(), api}
}

func (rs Registries) find(ref image.Ref) Registry {
	if !ref.HasRegistry() && rs.byName.Prefix != dockerHub {
		return rs.byName
	}
	name, host := ref.Repo.String(), ref.Repo.Registry()
	for _, r := range rs.entries {
		if r.Prefix == "" { // the last one: every name is longer
			r.Prefix = host
			return r
		}
		if strings.HasPrefix(name, r.Prefix+"/") {
			return r
		}
	}
	return Registry{Name: host, Prefix: host, API: "https://" + host, Limit: rs.pace}
}

// host is the registry host of the prefix.
func (r Registry) host() string {
	host, _, _ := strings.Cut(r.Prefix, "/")
	return host
}

// ParseRegistries reads a registries.conf: YAML with the one key registries, a
// list of entries. Every mistake is reported, each with its line, entry, key
// and value and with what would be right; there is no partial result. The
// booleans of YAML 1.1 (yes, no, on, off) are accepted.
func ParseRegistries(b []byte) (Registries, error) {
	list, err := registryNodes(b)
	if err != nil {
		return Registries{}, fmt.Errorf("registries.conf: %w", err)
	}
	var entries []registryEntry
	var problems []error
	for i, node := range list {
		entry, errs := parseRegistryEntry(resolveAlias(node), i+1)
		entries = append(entries, entry)
		problems = append(problems, errs...)
	}
	if len(problems) == 0 {
		problems = registryConflicts(entries)
	}
	if len(problems) > 0 {
		for i, problem := range problems {
			problems[i] = fmt.Errorf("registries.conf: %w", problem)
		}
		return Registries{}, errors.Join(problems...)
	}
	registries := make([]Registry, len(entries))
	for i, entry := range entries {
		registries[i] = entry.Registry
	}
	return compileRegistries(registries), nil
}

// registryNodes finds the list of entries in the file.
func registryNodes(b []byte) ([]*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	var doc, extra yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := decoder.Decode(&extra); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document: keep the first")
	}
	root := doc.Content[0]
	if isNull(root) {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode || len(root.Content) != 2 || root.Content[0].Value != "registries" {
		return nil, fmt.Errorf("line %d: the file has one key, registries:, with the list of registries", root.Line)
	}
	list := resolveAlias(root.Content[1])
	if isNull(list) {
		return nil, nil
	}
	if list.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("line %d: registries: takes a list, each entry beginning with -", list.Line)
	}
	return list.Content, nil
}

func resolveAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// registryEntry is an entry with its place in the file.
type registryEntry struct {
	Registry
	line  int
	label string          // entry "name", or entry 3
	given map[string]bool // the keys that were written
}

func parseRegistryEntry(node *yaml.Node, number int) (registryEntry, []error) {
	entry := registryEntry{line: node.Line, label: fmt.Sprintf("entry %d", number), given: map[string]bool{}}
	if node.Kind != yaml.MappingNode {
		return entry, []error{entry.wrong("is not a mapping: keys such as name: and api_url: are expected")}
	}
	for i := 0; i < len(node.Content); i += 2 {
		if value := resolveAlias(node.Content[i+1]); node.Content[i].Value == "name" && value.Value != "" {
			entry.label = fmt.Sprintf("entry %q", value.Value)
		}
	}
	var problems []error
	for i := 0; i < len(node.Content); i += 2 {
		if err := entry.set(node.Content[i], resolveAlias(node.Content[i+1])); err != nil {
			problems = append(problems, err)
		}
	}
	for _, key := range []string{"name", "api_url"} {
		if !entry.given[key] {
			problems = append(problems, entry.wrong("%s is missing", key))
		}
	}
	return entry, problems
}

func (e *registryEntry) wrong(format string, args ...any) error {
	return fmt.Errorf("line %d: %s: %w", e.line, e.label, fmt.Errorf(format, args...))
}

func (e *registryEntry) set(key, value *yaml.Node) error {
	at := *e
	at.line = key.Line
	for _, known := range registryKeys {
		if known.name != key.Value {
			continue
		}
		if e.given[key.Value] {
			return at.wrong("%s is given twice: keep one", key.Value)
		}
		if value.Kind != yaml.ScalarNode {
			return at.wrong("%s takes a single value", key.Value)
		}
		if isNull(value) {
			return nil
		}
		e.given[key.Value] = true
		if err := known.set(&e.Registry, value.Value); err != nil {
			return at.wrong("%s %w", key.Value, err)
		}
		return nil
	}
	return at.wrong("unknown key %q: did you mean %s?", key.Value, nearestRegistryKey(key.Value))
}

// registryConflicts finds entries that cannot both be meant.
func registryConflicts(entries []registryEntry) []error {
	var problems []error
	for i, e := range entries {
		for _, earlier := range entries[:i] {
			switch {
			case e.Default && earlier.Default:
				problems = append(problems, e.wrong("default is also set on %s (line %d): keep it on one", earlier.label, earlier.line))
			case e.Prefix != earlier.Prefix:
			case e.Prefix == "":
				problems = append(problems, e.wrong("prefix is empty, as in %s (line %d): give one of them the host of its images", earlier.label, earlier.line))
			default:
				problems = append(problems, e.wrong("prefix %q is that of %s (line %d) too: keep one", e.Prefix, earlier.label, earlier.line))
			}
		}
	}
	return problems
}
