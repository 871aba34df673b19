// Package settings turns what users write (annotations of an Application,
// ImageUpdaters, registries.conf, process defaults) into compiled, validated,
// immutable values.
//
// Whatever is wrong is an error that names the object, the key, the value and
// the remedy: an error of one image stays with its Track, one of the whole
// Application is returned. Nothing wrong ever falls back to a wider default.
package settings

import (
	"time"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/policy"
)

// Prefix of every annotation that the updater reads.
const Prefix = "argocd-image-updater.argoproj.io/"

// Defaults are the process-wide settings that an Application's own override.
type Defaults struct {
	// Platform is looked for by newest-build and digest where an image names
	// no platforms.
	Platform image.Platform
	// NoTrailers, IgnoreWindows and NoRefresh are those of WriteBack.
	NoTrailers, IgnoreWindows, NoRefresh bool
}

// Update is everything that one Application asks for.
type Update struct {
	Tracks    []Track // in the order of the image list
	WriteBack WriteBack
	// Warnings are for a person: old names in use, keys that do nothing.
	Warnings []string
}

// Track is one image of an Application that we were asked to follow.
type Track struct {
	// Name is the alias, or the image name as written where there is none, or
	// the whole entry of the image list where that does not parse.
	Name  string
	Alias string // "" if none was given
	// Image is the repository to follow; its Tag and Digest are empty.
	Image      image.Ref
	Constraint string // as written, for messages
	Strategy   string // canonical name, for messages
	Policy     policy.Policy
	Pin        Pin
	PullSecret credential.Reference
	// Force: handle the image even if the Application does not run it.
	Force bool
	Helm  Keys
	// Plugin are names of environment variables.
	Plugin Keys
	// KustomizeName is the original name in the manifests; "" is Image.Name.
	KustomizeName string
	// AllowDowngrade switches the downgrade guard off.
	AllowDowngrade bool
	// Err is set if this image cannot be followed; nothing else but Name is
	// then to be relied on. It joins a *ValueError for each thing that is wrong.
	Err error
}

// Keys are where the name and version of an image are written. An empty key is
// not written; Spec, which gets name:tag, excludes the other two.
type Keys struct {
	Name, Tag, Spec string
	// Given is set if at least one key was written by the user; otherwise Name
	// and Tag are the defaults image.name and image.tag (Helm only). A Helm tag
	// key is always there, since a version has to go somewhere; a name key of
	// its own is not invented beside keys that the user gave.
	Given bool
}

// Pin says which parts of a version are written.
type Pin uint8

// The pins.
const (
	PinTag       Pin = iota // tag
	PinTagDigest            // tag@digest
	PinDigest               // digest alone
)

// Method is the way an update is written.
type Method uint8

// The write-back methods.
const (
	MethodArgoCD    Method = iota // patch the Application
	MethodGit                     // commit to the base branch, or to a head where git-branch names one
	MethodGitBranch               // commit to a branch of our own
	MethodGitNoop                 // everything but the push
)

// InGit reports whether updates are written to a Git repository.
func (m Method) InGit() bool { return m != MethodArgoCD }

// WriteBack is where and how the updates of an Application are written.
type WriteBack struct {
	Method Method
	// Credential of the Git repository; RepoCreds where none was named.
	Credential credential.Reference
	Target     Target
	// Repository overrides the source's URL; "" is the source's.
	Repository string
	// Base is the branch to read and build on; "" is the source's
	// targetRevision.
	Base string
	// Head is the template of the branch to push to; nil: the base itself, or
	// for MethodGitBranch the name made of BranchPrefix.
	Head         *Head
	BranchPrefix string // "image-update/" where none was given
	NoTrailers   bool   // commit-trailers: false
	// IgnoreWindows: write also while sync windows forbid an automatic sync.
	IgnoreWindows bool // respect-sync-windows: false
	NoRefresh     bool // refresh-after-write: false
}

// TargetKind is the kind of file that an update is written to.
type TargetKind uint8

// The target kinds.
const (
	TargetDefault       TargetKind = iota // by the Application's type: an override file, or its manifests
	TargetKustomization                   // the kustomization file of a folder
	TargetHelmValues                      // a Helm values file
	TargetManifests                       // plain manifests: a file or a folder
	TargetOverride                        // a file in the format of .argocd-source at a path of the user's choice
)

// Target is the file or folder that an update is written to.
type Target struct {
	Kind TargetKind
	// Path is relative to the source's path, or to the repository's root if it
	// begins with "/"; always so for TargetOverride. "" is the kind's default. A
	// path from the root does not leave the repository; a relative one may, and
	// is judged where the source is known.
	Path string
	Text string // as written, for messages
}

// Registry is one entry of registries.conf, or one inferred from an image
// name.
type Registry struct {
	Name   string
	Prefix string // registry host, or host and the beginning of the path
	// API is the base URL without /v2 and without a trailing slash.
	API         string
	Credential  credential.Reference
	CredsExpire time.Duration // 0: never
	DefaultNS   string
	Default     bool
	Insecure    bool   // the certificate is not verified
	Limit       int    // requests per second; 0: unlimited
	CAFile      string // path of PEM certificates; "" is none
	CAData      string // PEM certificates; "" is none
	TagSortMode string // "", "none", "latest-first", "latest-last"
}

// Endpoint is where the tags of an image are asked for.
type Endpoint struct {
	Registry Registry
	Path     string // the repository's path in that registry
}

// String is the address of the repository for messages: "ghcr.io/org/app".
func (e Endpoint) String() string { return e.Registry.host() + "/" + e.Path }
