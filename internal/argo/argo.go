// Package argo holds the Argo CD Application as far as the updater needs it:
// its sources, its type, the images it runs, the name of its override file.
//
// It reads what it is given and refuses to go and look: Applications come from
// its child packages, files of the repository as plain lists of names.
package argo

import (
	"cmp"
	"strings"
)

// Key names an Application.
type Key struct {
	Namespace string
	Name      string
}

// String is namespace/name, or the name alone where the namespace is unknown.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Name
	}
	return k.Namespace + "/" + k.Name
}

// Compare orders keys by namespace, then name.
func (k Key) Compare(o Key) int {
	return cmp.Or(strings.Compare(k.Namespace, o.Namespace), strings.Compare(k.Name, o.Name))
}

// Application is an Argo CD Application, trimmed. It is never written back:
// what was trimmed would be lost.
type Application struct {
	Key
	Annotations map[string]string
	Labels      map[string]string
	Project     string
	Destination Destination
	// Sources in the order of spec.sources; one for spec.source. With a source
	// hydrator, the dry source.
	Sources []Source
	// Multi is set if the Application has spec.sources.
	Multi bool
	// Hydrated is set if it has a source hydrator.
	Hydrated bool
	Status   Status
	// ResourceVersion is the version that was read, and UID the identity of the
	// object; "" where no API server gave the Application.
	ResourceVersion string
	UID             string
	// Origin is where the Application was read, for messages: "apps/web.yaml:12"
	// or "".
	Origin string
}

// Destination is where an Application is deployed to: a cluster, by its server
// or by its name, and a namespace.
type Destination struct {
	Server    string `json:"server"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// Source is one source of an Application.
type Source struct {
	RepoURL        string     `json:"repoURL"`
	Path           string     `json:"path"`
	TargetRevision string     `json:"targetRevision"`
	Chart          string     `json:"chart"`
	Ref            string     `json:"ref"`
	Helm           *Helm      `json:"helm"`
	Kustomize      *Kustomize `json:"kustomize"`
	Plugin         *Plugin    `json:"plugin"`
	Directory      *Directory `json:"directory"`
}

// RefOnly reports whether the source renders nothing and is only there so that
// the value files of other sources can be found in it.
func (s Source) RefOnly() bool { return s.Ref != "" && s.Path == "" && s.Chart == "" }

// InGit reports whether the source is a Git repository, and neither a chart of
// a Helm repository nor an OCI artifact.
func (s Source) InGit() bool { return s.Chart == "" && !strings.HasPrefix(s.RepoURL, "oci://") }

// Helm is the helm block of a source.
type Helm struct {
	Parameters []HelmParameter `json:"parameters"`
	ValueFiles []string        `json:"valueFiles"`
}

// HelmParameter is one of spec.source.helm.parameters.
type HelmParameter struct {
	Name        string `json:"name"`
	Value       string `json:"value"`
	ForceString bool   `json:"forceString"`
}

// Kustomize is the kustomize block of a source. Images are written as
// [original=]name[:tag][@digest].
type Kustomize struct {
	Images []string `json:"images"`
}

// Plugin is the plugin block of a source.
type Plugin struct {
	Name string   `json:"name"`
	Env  []EnvVar `json:"env"`
}

// EnvVar is an environment variable of a plugin.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Directory is the directory block of a source. Include and Exclude are the
// globs of Argo CD, with {a,b} groups; "" is none.
type Directory struct {
	Recurse bool   `json:"recurse"`
	Include string `json:"include"`
	Exclude string `json:"exclude"`
}

// Type is the tool that renders a source.
type Type string

// The types, spelled as in status.sourceType. Unknown: not reconciled yet.
const (
	TypeUnknown   Type = ""
	TypeHelm      Type = "Helm"
	TypeKustomize Type = "Kustomize"
	TypeDirectory Type = "Directory"
	TypePlugin    Type = "Plugin"
)

// Status is what Argo CD last saw.
type Status struct {
	// Reported is set if the Application carries a status with a summary; a
	// manifest that was never in a cluster has none, and its Images say nothing.
	Reported bool
	Images   []string // status.summary.images as they stand there
	// Types are status.sourceTypes in the order of the sources, or one for
	// status.sourceType. None with a source hydrator, whose status tells the type
	// of the hydrated source and not that of the dry one.
	Types []Type
}
