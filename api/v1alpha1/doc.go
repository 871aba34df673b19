// Package v1alpha1 holds the ImageUpdater, the custom resource that says which
// Applications are to be updated and how.
//
// It is a superset of the resource that the argocd-image-updater of
// argoproj-labs defines under the same group, version and kind: each of its
// valid objects is valid here and means the same. What was added is marked so
// in docs/imageupdater.md.
//
// The package says what an object looks like and judges nothing; what an
// object means is decided in internal/settings. It depends on apimachinery
// alone, so that other programs can import it.
//
// +kubebuilder:object:generate=true
// +groupName=argocd-image-updater.argoproj.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group and Version name the API.
const (
	Group   = "argocd-image-updater.argoproj.io"
	Version = "v1alpha1"
)

// Kind and Resource name the ImageUpdater in manifests and in URLs.
const (
	Kind     = "ImageUpdater"
	Resource = "imageupdaters"
)

// Finalizer is what the incumbent puts on its ImageUpdaters. There is nothing to
// be finalised; who finds it takes it off, so that the object can be deleted.
const Finalizer = "resources-finalizer.argocd-image-updater.argoproj.io"

// GroupVersion is Group and Version as apimachinery writes them.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: Version}
}

// AddToScheme registers the kinds of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion(), &ImageUpdater{}, &ImageUpdaterList{})
	metav1.AddToGroupVersion(s, GroupVersion())
	return nil
}
