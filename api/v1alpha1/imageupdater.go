package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ImageUpdater says which Applications of its namespace are to be updated, which
// of their images, and how.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=imageupdaters,singular=imageupdater,scope=Namespaced
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Apps",type=integer,JSONPath=`.status.applicationsMatched`
// +kubebuilder:printcolumn:name="Images",type=integer,JSONPath=`.status.imagesManaged`
// +kubebuilder:printcolumn:name="Last Checked",type=date,JSONPath=`.status.lastCheckedAt`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
type ImageUpdater struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec ImageUpdaterSpec `json:"spec,omitempty"`
	// +optional
	Status ImageUpdaterStatus `json:"status,omitempty"`
}

// ImageUpdaterList is a list of ImageUpdaters.
//
// +kubebuilder:object:root=true
type ImageUpdaterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ImageUpdater `json:"items"`
}

// ImageUpdaterSpec is what is wanted. The settings beside applicationRefs hold
// for all of them; a reference, and then an image, overrides them field by
// field. A list that is given replaces the outer one, also if it is empty.
type ImageUpdaterSpec struct {
	// Settings for all images, unless a reference or an image has its own.
	// +optional
	CommonUpdateSettings *CommonUpdateSettings `json:"commonUpdateSettings,omitempty"`

	// Where updates are written, unless a reference has its own.
	// +optional
	WriteBackConfig *WriteBackConfig `json:"writeBackConfig,omitempty"`

	// Signatures to demand of all images, unless a reference or an image has
	// its own.
	// +optional
	ImagesVerification *ImagesVerification `json:"imagesVerification,omitempty"`

	// The Applications to update. Of several references that match one
	// Application the most specific one holds, and it alone.
	// +kubebuilder:validation:MinItems=1
	// +listType=map
	// +listMapKey=namePattern
	ApplicationRefs []ApplicationRef `json:"applicationRefs"`
}

// ApplicationRef selects Applications of the ImageUpdater's namespace and says
// what holds for them.
//
// +kubebuilder:validation:XValidation:rule="(has(self.useAnnotations) && self.useAnnotations) || (has(self.images) && size(self.images) > 0)",message="images must have at least one item unless useAnnotations is true"
type ApplicationRef struct {
	// Glob on the name of the Application: * is any text, ? one character,
	// [a-z] one of a set, \ takes the meaning from the next character.
	NamePattern string `json:"namePattern"`

	// Labels that the Application must have besides.
	// +optional
	LabelSelectors *metav1.LabelSelector `json:"labelSelectors,omitempty"`

	// Take images, settings and write-back from the annotations
	// argocd-image-updater.argoproj.io/... of the Application. The same fields
	// of this object are not looked at then.
	// +optional
	// +nullable
	UseAnnotations *bool `json:"useAnnotations,omitempty"`

	// Settings for the images of these Applications.
	// +optional
	CommonUpdateSettings *CommonUpdateSettings `json:"commonUpdateSettings,omitempty"`

	// Where updates of these Applications are written.
	// +optional
	WriteBackConfig *WriteBackConfig `json:"writeBackConfig,omitempty"`

	// Signatures to demand of the images of these Applications.
	// +optional
	ImagesVerification *ImagesVerification `json:"imagesVerification,omitempty"`

	// The images to follow.
	// +optional
	// +listType=map
	// +listMapKey=alias
	Images []ImageConfig `json:"images,omitempty"`
}

// ImageConfig is one image to follow.
type ImageConfig struct {
	// Name of the image in this reference, in messages and in status.
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9][a-zA-Z0-9-._]*$`
	Alias string `json:"alias"`

	// The image, as name[:constraint], with its registry unless that is Docker
	// Hub. What stands behind the colon limits the versions, as in
	// ghcr.io/org/app:1.x; for the digest strategy it is the tag to follow.
	ImageName string `json:"imageName"`

	// Settings for this image.
	// +optional
	CommonUpdateSettings *CommonUpdateSettings `json:"commonUpdateSettings,omitempty"`

	// Where in the source of the Application the image is named.
	// +optional
	ManifestTargets *ManifestTarget `json:"manifestTargets,omitempty"`

	// Signatures to demand of this image.
	// +optional
	ImagesVerification *ImagesVerification `json:"imagesVerification,omitempty"`
}
