// Package edit changes image versions inside configuration files: bytes in,
// bytes out.
//
// A value is spliced into the original bytes at the position where the parser
// saw it; the result is parsed again and compared with the original, and
// unless exactly the intended values differ the edit is refused. Comments,
// quotes, anchors, blank lines, line endings, a byte order mark, a missing
// final newline, other documents and unknown keys stay as they were.
//
// The package never re-marshals a document and never guesses: a file that does
// not parse or is larger than 8 MiB, a key that leads through a list without an
// index, a key that means two places or stands twice, two images that want one
// value to be different, a value that no version can replace are a
// *RefusedError.
//
// A new value keeps the quotes of the old one. What has none stays without as
// long as readers of YAML 1.1 and 1.2 both take it for a string; 1.20,
// 2024-01-15, 1e3 and yes get quotes. An edited anchor takes its aliases along;
// a value that is an alias itself becomes a literal.
package edit

import (
	"argocd-image-updater/internal/image"
)

// Format is the kind of a file, and with it where images stand in it.
type Format uint8

// The formats.
const (
	Override      Format = iota // .argocd-source-<app>.yaml, which Argo CD merges over the source
	Kustomization               // the images list of a kustomization file
	Values                      // Helm values
	Manifests                   // Kubernetes resources with pod templates
)

// Edit is the intention that one image be declared with a version in one
// file.
type Edit struct {
	// Track names the edit in results and errors: the alias or image name that
	// the user knows it by.
	Track string
	// New is the image to declare: New.Name is the name to write where a name
	// is written, New.Tag and New.Digest the version.
	New image.Ref
	// At says where in the file. Its kind has to fit the file's Format.
	At Place
}

// Place is where an image stands in a file of some format: HelmParameters,
// KustomizeImage, PluginEnv, HelmValues or PodImages.
type Place interface{ place() }

func (HelmParameters) place() {}
func (KustomizeImage) place() {}
func (PluginEnv) place()      {}
func (HelmValues) place()     {}
func (PodImages) place()      {}

// HelmParameters are the names of Helm parameters in an Override file. Spec
// gets name:tag and excludes the other two; an empty one is not written.
type HelmParameters struct {
	Name, Tag, Spec string
	// Base are the parameters that the source itself holds. Argo CD replaces
	// the whole list with the file's, so they have to stand in the file too;
	// one that the file already has is left as it is there.
	Base []Parameter
}

// Parameter is a Helm parameter as it stands in an Application.
type Parameter struct {
	Name        string
	Value       string
	ForceString bool
}

// KustomizeImage is an entry of the images list, of kustomize.images in an
// Override file or of a kustomization file.
type KustomizeImage struct {
	// Original is the name that the manifests use; "" is that of Edit.New.
	// Entries are found by it after normalisation and keep their spelling.
	Original string
	// Rename: write Edit.New.Name as the new name (newName, or orig=new:tag).
	Rename bool
	// Base are the entries that the source itself holds (Override only), as
	// they are written there; see HelmParameters.Base.
	Base []string
}

// PluginEnv are the names of environment variables of a config management
// plugin in an Override file, with the meaning of HelmParameters.
type PluginEnv struct {
	Name, Tag, Spec string
	Base            []EnvVar
}

// EnvVar is an environment variable of a plugin source.
type EnvVar struct{ Name, Value string }

// HelmValues are the keys of a Values file: a literal key at the root, or a
// dotted path whose parts may end in [n] and may be literal keys with dots.
// Spec gets name:tag and excludes the other two; an empty one is not written.
type HelmValues struct {
	Name, Tag, Spec string
}

// PodImages are the containers of a Manifests file (all kinds of containers,
// any resource with a pod template) whose image is the repository of Edit.New.
// Names keep their spelling.
type PodImages struct {
	// Only tells whose container it is where two tracks follow one repository,
	// by the reference that stands there. Nil: every container of the
	// repository is meant.
	Only func(declared image.Ref) bool
}

// Result is an edited file.
type Result struct {
	Out []byte // equal to the source if nothing had to be changed
	// Changes are the values that the edits stand for, in the order of the file:
	// those that were changed and those that already were as intended.
	Changes []Change
	// Declared is what the file said of each edit's image before, by
	// Edit.Track: all versions found, in the order of the file, without
	// doubles; none if the image was not there.
	Declared map[string][]image.Ref
}

// Change is one value of the file that an edit stands for.
type Change struct {
	Track string // of the edit
	Path  string // "helm.parameters[image.tag].value", "images[nginx].newTag", "Deployment/web: containers[app].image"
	Line  int    // 1-based, in the source; 0 for an inserted element
	Old   string // "" for an inserted element; with its tag where it is no string: "!!float 1.20"
	New   string // "" for a key that was removed, a digest beside which a tag would say nothing
	// Via names the aliases that follow an edited anchor; nil otherwise.
	Via []string
}

// Changed reports whether the file said something else before.
func (c Change) Changed() bool { return c.Line == 0 || c.Old != c.New }

// RefusedError says why a file cannot be edited; nothing of it was changed.
type RefusedError struct {
	Track  string // "" if the file as a whole is the reason
	Other  string // the second track, where two want one value to be different
	Key    string // the key or path that was looked for; "" if the file as a whole is the reason
	Line   int    // 1-based; 0 if unknown
	Reason string
	Remedy string
}
