package argo

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Project is an AppProject, compiled to what limits an update. The zero
// Project permits no repository and has no windows.
type Project struct {
	Key
	repos      []repoRule
	namespaces []namespaceRule
	windows    []*window
}

// DefaultProject is that of an Application which names none.
const DefaultProject = "default"

// ProjectName is the name of the Application's AppProject.
func (a Application) ProjectName() string { return cmp.Or(a.Project, DefaultProject) }

// ProjectSpec is the spec of an AppProject as it is written, as far as it is
// read here.
type ProjectSpec struct {
	// SourceRepos are globs of the repositories that Applications may use; one
	// with a leading ! takes away.
	SourceRepos []string `json:"sourceRepos"`
	// SourceNamespaces are globs, and regular expressions between slashes, of the
	// namespaces besides Argo CD's own that Applications may be in.
	SourceNamespaces []string     `json:"sourceNamespaces"`
	SyncWindows      []SyncWindow `json:"syncWindows"`
}

// DecodeProject reads an AppProject from JSON. A missing namespace stays
// missing. What cannot be read as an AppProject, another kind and a name that
// is none are errors.
//
// A window or a repository that does not compile is no error here: it holds
// back the Applications that it may be about, and no others.
func DecodeProject(text []byte) (Project, error) {
	var m struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
		Spec ProjectSpec `json:"spec"`
	}
	err := json.Unmarshal(text, &m)
	key := Key{Namespace: m.Metadata.Namespace, Name: m.Metadata.Name}
	wrong := new(json.UnmarshalTypeError)
	switch {
	case errors.As(err, &wrong):
		return Project{}, fmt.Errorf("project %s: %s: %s where a %s is expected", key, wrong.Field, wrong.Value, wrong.Type.Kind())
	case err != nil:
		return Project{}, fmt.Errorf("project: %w", err)
	case m.Kind != "" && m.Kind != "AppProject":
		return Project{}, fmt.Errorf("kind %q: an AppProject expected", m.Kind)
	case !namePattern.MatchString(key.Name):
		return Project{}, fmt.Errorf("project name %q: lower-case letters, digits, - and . expected", key.Name)
	}
	return CompileProject(key, m.Spec), nil
}

// CompileProject makes a Project of what is written.
func CompileProject(key Key, spec ProjectSpec) Project {
	p := Project{Key: key}
	for i, text := range spec.SourceRepos {
		p.repos = append(p.repos, compileRepo(fmt.Sprintf("spec.sourceRepos[%d]", i), text))
	}
	for _, text := range spec.SourceNamespaces {
		p.namespaces = append(p.namespaces, compileNamespace(text))
	}
	for i, w := range spec.SyncWindows {
		p.windows = append(p.windows, w.compile(fmt.Sprintf("spec.syncWindows[%d]", i)))
	}
	return p
}

// repoRule is one of spec.sourceRepos.
type repoRule struct {
	text    string // place and value, for messages
	exclude bool
	glob    *regexp.Regexp
	err     error // the glob is none
}

func compileRepo(place, text string) repoRule {
	pattern, exclude := strings.CutPrefix(text, "!")
	separator := "/"
	if pattern == "*" {
		separator = "" // Argo CD means every repository by it
	}
	r := repoRule{text: fmt.Sprintf("%s %q", place, text), exclude: exclude}
	r.glob, r.err = compileGlob(normalURL(pattern), separator)
	return r
}

// Permits reports whether the Applications of the project may use a Git
// repository, and otherwise why not.
//
// As for Argo CD, URLs are compared in lower case, without .git, and
// git@host:path as ssh://git@host/path; the protocol has to be the same. In a
// glob * stops at a slash, except that "*" alone is every repository. No
// repository that an entry with ! names is permitted; all others are by any
// entry that names them, or by an entry with ! that does not name them. An
// entry that does not compile permits nothing, and with ! takes everything
// away.
func (p Project) Permits(repository string) (reason string, ok bool) {
	repository = normalURL(repository)
	for _, r := range p.repos {
		switch {
		case r.exclude && r.err != nil:
			return fmt.Sprintf("project %s: %s: %v", p.Key, r.text, r.err), false
		case r.exclude && r.glob.MatchString(repository):
			return fmt.Sprintf("project %s: %s takes the repository away", p.Key, r.text), false
		case r.exclude || r.err == nil && r.glob.MatchString(repository):
			ok = true
		}
	}
	if !ok {
		return fmt.Sprintf("project %s: none of spec.sourceRepos permits the repository: add it there", p.Key), false
	}
	return "", true
}

// scpURL is a URL of SSH: with its scheme, or as scp writes addresses.
var scpURL = regexp.MustCompile(`^(ssh://)?[^/:]*@[^@]+$`)

// normalURL is a repository's URL in the spelling in which Argo CD compares it.
func normalURL(repository string) string {
	text := strings.ToLower(strings.TrimSpace(repository))
	if scpURL.MatchString(text) && !strings.HasPrefix(text, "ssh://") {
		text = "ssh://" + strings.Replace(text, ":", "/", 1)
	}
	text = strings.TrimSuffix(text, ".git")
	if u, err := url.Parse(text); err == nil {
		text = u.String()
	}
	return strings.TrimPrefix(text, "ssh://")
}
