package v1alpha1

// CommonUpdateSettings say which version an image should have. None has a
// default in the schema: a stored default would override what stands further out.
type CommonUpdateSettings struct {
	// How versions are ordered: semver (the default), newest-build, alphabetical
	// or digest.
	// +optional
	UpdateStrategy *string `json:"updateStrategy,omitempty"`

	// Follow the image even if the Application does not run it.
	// +optional
	ForceUpdate *bool `json:"forceUpdate,omitempty"`

	// Tags that may be chosen: any, or regexp: and an RE2 expression, which is not
	// anchored.
	// +optional
	AllowTags *string `json:"allowTags,omitempty"`

	// Tags that may not be chosen: globs, or regexp: and an RE2 expression.
	// +optional
	// +listType=atomic
	IgnoreTags []string `json:"ignoreTags,omitempty"`

	// Credential of the registry: pullsecret:<namespace>/<name>,
	// secret:<namespace>/<name>[#<field>], env:<VARIABLE> or ext:</path>. Secrets
	// are those of the Application's own namespace.
	// +optional
	PullSecret *string `json:"pullSecret,omitempty"`

	// Platforms that a version must exist for, one of them at least:
	// os/arch[/variant].
	// +optional
	// +listType=atomic
	Platforms []string `json:"platforms,omitempty"`

	// What is written of a version: tag (the default), digest, or tag+digest (the
	// default of the digest strategy).
	// +optional
	// +kubebuilder:validation:Enum=tag;digest;tag+digest
	Pin *string `json:"pin,omitempty"`

	// Allow a version lower than the one that is declared.
	// +optional
	AllowDowngrade *bool `json:"allowDowngrade,omitempty"`
}

// WriteBackConfig says where and when updates are written.
type WriteBackConfig struct {
	// argocd (the default): change the Application itself. git: commit to the
	// branch that Argo CD follows, or to gitConfig.branch. git:branch: commit to
	// a branch of its own. git:noop: everything but the push. A git form may be
	// followed by :repocreds or :secret:[<namespace>/]<name>.
	// +optional
	// +kubebuilder:validation:Pattern=`^(argocd|git|git:[a-zA-Z0-9][a-zA-Z0-9-._/:]*)$`
	Method *string `json:"method,omitempty"`

	// The repository, branch and file of a git method.
	// +optional
	GitConfig *GitConfig `json:"gitConfig,omitempty"`

	// Write nothing while a sync window of the AppProject forbids to sync the
	// Application. True where nothing is said.
	// +optional
	RespectSyncWindows *bool `json:"respectSyncWindows,omitempty"`

	// Ask Argo CD to look at the repository as soon as an update is pushed. True
	// where nothing is said.
	// +optional
	RefreshAfterWrite *bool `json:"refreshAfterWrite,omitempty"`
}

// GitConfig is the repository, branch and file that updates are written to.
type GitConfig struct {
	// URL of the repository; where nothing is said, that of the Application's
	// source.
	// +optional
	Repository *string `json:"repository,omitempty"`

	// The branch: <base>, <base>:<template of the branch to push> or :<template>.
	// Where nothing is said, the one that Argo CD follows.
	// +optional
	Branch *string `json:"branch,omitempty"`

	// How the names of branches of our own begin, for method git:branch;
	// image-update/ where nothing is said.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	BranchPrefix *string `json:"branchPrefix,omitempty"`

	// The file: kustomization[:<folder>], helmvalues[:<file>],
	// manifests[:<path>] or a path of a file in the format of .argocd-source.
	// +optional
	WriteBackTarget *string `json:"writeBackTarget,omitempty"`

	// Append machine-readable lines to commit messages. True where nothing is
	// said.
	// +optional
	CommitTrailers *bool `json:"commitTrailers,omitempty"`

	// Propose updates on a branch of their own instead of committing them to the
	// branch itself.
	// +optional
	PullRequest *PullRequest `json:"pullRequest,omitempty"`
}

// PullRequest says where a pull request is opened.
//
// +kubebuilder:validation:XValidation:rule="has(self.github) != has(self.gitlab)",message="exactly one of github and gitlab must be set"
type PullRequest struct {
	// A pull request on GitHub.
	// +optional
	GitHub *PullRequestGitHub `json:"github,omitempty"`

	// A merge request on GitLab.
	// +optional
	GitLab *PullRequestGitLab `json:"gitlab,omitempty"`

	// Labels of the pull request.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	Labels []string `json:"labels,omitempty"`
}

// PullRequestGitHub has no settings: what is needed is known from the
// repository.
type PullRequestGitHub struct{}

// PullRequestGitLab has no settings: what is needed is known from the
// repository.
type PullRequestGitLab struct{}

// ManifestTarget says where in the source an image is named.
//
// +kubebuilder:validation:XValidation:rule="(has(self.helm) ? 1 : 0) + (has(self.kustomize) ? 1 : 0) + (has(self.plugin) ? 1 : 0) == 1",message="exactly one of helm, kustomize and plugin must be set"
type ManifestTarget struct {
	// The Helm values that hold the image.
	// +optional
	Helm *HelmTarget `json:"helm,omitempty"`

	// The entry of a kustomization that holds the image.
	// +optional
	Kustomize *KustomizeTarget `json:"kustomize,omitempty"`

	// The environment variables of a plugin that hold the image.
	// +optional
	Plugin *PluginTarget `json:"plugin,omitempty"`
}

// HelmTarget are paths of Helm values, such as frontend.image.tag.
type HelmTarget struct {
	// Value that gets the name of the image.
	// +optional
	Name *string `json:"name,omitempty"`

	// Value that gets the version.
	// +optional
	Tag *string `json:"tag,omitempty"`

	// Value that gets name:version; name and tag are not looked at then.
	// +optional
	Spec *string `json:"spec,omitempty"`
}

// KustomizeTarget is an entry under images of a kustomization.
type KustomizeTarget struct {
	// The name of the image as the manifests have it.
	Name *string `json:"name"`
}

// PluginTarget are environment variables of a config management plugin.
//
// +kubebuilder:validation:XValidation:rule="has(self.spec) || has(self.name)",message="spec or name must be set"
type PluginTarget struct {
	// Variable that gets the name of the image.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name *string `json:"name,omitempty"`

	// Variable that gets the version.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Tag *string `json:"tag,omitempty"`

	// Variable that gets name:version; name and tag are not looked at then.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Spec *string `json:"spec,omitempty"`
}

// ImagesVerification demands signatures of images. This version cannot verify
// them: an image that it holds for is not updated.
//
// +kubebuilder:validation:XValidation:rule="(has(self.enabled) && !self.enabled) || has(self.cosignKey)",message="cosignKey must be set unless enabled is false"
type ImagesVerification struct {
	// True where nothing is said; false exempts from what is demanded further
	// out.
	// +optional
	// +nullable
	Enabled *bool `json:"enabled,omitempty"`

	// The public key of signatures made with cosign.
	// +optional
	CosignKey *SecretRef `json:"cosignKey,omitempty"`
}

// SecretRef is a field of a Secret in the ImageUpdater's namespace.
type SecretRef struct {
	// Name of the Secret.
	SecretName string `json:"secretName"`

	// Key of the field.
	Key string `json:"key"`
}
