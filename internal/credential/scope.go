package credential

import (
	"fmt"
	"strings"
)

// Scope says which namespaces a reference may name Secrets of; that depends
// on where the reference is written. The zero Scope reaches no Secret.
type Scope struct {
	namespaces []string
	where      string
}

// ApplicationScope is the scope of an Application's annotations: Secrets of
// its own namespace.
func ApplicationScope(namespace string) Scope {
	return Scope{namespaces: []string{namespace}, where: "the Application's own namespace"}
}

// ProcessScope is the scope of process-wide configuration such as
// registries.conf: Secrets of the updater's and of Argo CD's namespace.
func ProcessScope(updater, argocd string) Scope {
	return Scope{namespaces: []string{updater, argocd}, where: "the namespaces of the updater and of Argo CD"}
}

// Resolve fills in the namespace of a reference that has none, and refuses a
// reference to a Secret out of scope. References to anything but a Secret
// pass unchanged.
func (s Scope) Resolve(r Reference) (Reference, error) {
	if !r.IsSecret() {
		return r, nil
	}
	for _, namespace := range s.namespaces {
		if r.Namespace == "" {
			r.Namespace = namespace
		}
		if r.Namespace == namespace && namespace != "" {
			return r, nil
		}
	}
	return Reference{}, fmt.Errorf("credential %q: a Secret of namespace %q may not be used here: move it to %s (%s)",
		r, r.Namespace, s.where, strings.Join(s.namespaces, ", "))
}
