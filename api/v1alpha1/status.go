package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ImageUpdaterStatus is what was found in the last cycle.
type ImageUpdaterStatus struct {
	// The generation of the spec that this status is of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// When the images were last looked at.
	// +optional
	LastCheckedAt *metav1.Time `json:"lastCheckedAt,omitempty"`

	// When an image was last updated.
	// +optional
	LastUpdatedAt *metav1.Time `json:"lastUpdatedAt,omitempty"`

	// How many Applications this object governs.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ApplicationsMatched int32 `json:"applicationsMatched"`

	// How many images of them are followed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ImagesManaged int32 `json:"imagesManaged"`

	// The updates of the last cycle that had any, 100 at most.
	// +optional
	// +listType=atomic
	RecentUpdates []RecentUpdate `json:"recentUpdates,omitempty"`

	// Applications and what became of their images, those first that somebody has
	// to do something about. At most 100, with at most 200 images together.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Applications []ApplicationStatus `json:"applications,omitempty"`

	// How many Applications are governed and not in applications, for want of
	// room.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ApplicationsOmitted int32 `json:"applicationsOmitted,omitempty"`

	// Ready, Reconciling and Error.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// RecentUpdate is an image that was updated to one version, in one or more
// Applications.
type RecentUpdate struct {
	// Alias of the image.
	Alias string `json:"alias"`

	// The image, without version.
	Image string `json:"image"`

	// The version that was written.
	NewVersion string `json:"newVersion"`

	// How many Applications got it.
	// +kubebuilder:validation:Minimum=0
	ApplicationsUpdated int32 `json:"applicationsUpdated"`

	// When.
	UpdatedAt metav1.Time `json:"updatedAt"`

	// The same for a person.
	// +optional
	Message string `json:"message,omitempty"`
}

// ApplicationStatus is what became of one Application, which is in the
// ImageUpdater's namespace.
type ApplicationStatus struct {
	// Name of the Application.
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// What is wrong with the Application as a whole and what to do about it.
	// Nothing of it is updated meanwhile.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`

	// Who can do something about reason.
	// +optional
	Class Class `json:"class,omitempty"`

	// What became of its images, those first that somebody has to do something
	// about.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Images []ImageStatus `json:"images,omitempty"`

	// How many images of it are followed and not in images, for want of room.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ImagesOmitted int32 `json:"imagesOmitted,omitempty"`
}

// ImageStatus is what became of one image of one Application.
type ImageStatus struct {
	// Alias of the image, or its name where it has none.
	// +kubebuilder:validation:MaxLength=512
	Alias string `json:"alias"`

	// The image, without version.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// What became of it.
	State State `json:"state"`

	// The version that it should have: tag, tag@digest or @digest.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Version string `json:"version,omitempty"`

	// Why it has not that version, and what to do about it.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`

	// Who can do something about reason, where state is Failed.
	// +optional
	Class Class `json:"class,omitempty"`

	// Since when state, version and reason are what they are.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
}

// State says what became of an image.
//
// +kubebuilder:validation:Enum=Updated;AlreadyDeclared;NothingEligible;NotLive;Held;Undecided;Failed
type State string

// The states.
const (
	// Updated: a new version was written.
	Updated State = "Updated"
	// AlreadyDeclared: the version that it should have is the one that is
	// written down.
	AlreadyDeclared State = "AlreadyDeclared"
	// NothingEligible: no tag passes the rules.
	NothingEligible State = "NothingEligible"
	// NotLive: the Application does not run the image.
	NotLive State = "NotLive"
	// Held: something forbids the change for now.
	Held State = "Held"
	// Undecided: the registry's answer is not to be believed yet.
	Undecided State = "Undecided"
	// Failed: an error.
	Failed State = "Failed"
)

// Class says who can do something about an error, and when.
//
// +kubebuilder:validation:Enum=Invalid;Denied;Transient;Conflict
type Class string

// The classes.
const (
	// Invalid: somebody has to change a setting or a file.
	Invalid Class = "Invalid"
	// Denied: somebody has to grant access.
	Denied Class = "Denied"
	// Transient: trying again later may help.
	Transient Class = "Transient"
	// Conflict: others wrote the same thing, or follow the same image.
	Conflict Class = "Conflict"
)
