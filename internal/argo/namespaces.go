package argo

import (
	"fmt"
	"regexp"
	"strings"
)

// namespaceRule is one of spec.sourceNamespaces.
type namespaceRule struct {
	expression *regexp.Regexp
	err        error // it admits nothing
}

// compileNamespace reads a glob, or between slashes a regular expression, which
// is not anchored (Argo CD documentation, "Applications in any namespace").
func compileNamespace(text string) namespaceRule {
	var r namespaceRule
	if inner, ok := strings.CutPrefix(text, "/"); ok && strings.HasSuffix(inner, "/") {
		r.expression, r.err = regexp.Compile(strings.TrimSuffix(inner, "/"))
		return r
	}
	r.expression, r.err = compileGlob(text, "")
	return r
}

// Owns reports whether an Application of that namespace may be one of the
// project, and otherwise why not. Those of Argo CD's own namespace always may;
// without this, whoever can write an Application anywhere would have the
// repositories, and the logins, of any project.
func (p Project) Owns(app Key, argoNamespace string) (reason string, ok bool) {
	if app.Namespace == "" || app.Namespace == argoNamespace {
		return "", true
	}
	for _, r := range p.namespaces {
		if r.err == nil && r.expression.MatchString(app.Namespace) {
			return "", true
		}
	}
	return fmt.Sprintf("project %s: none of spec.sourceNamespaces admits Applications of namespace %s: add it there", p.Key, app.Namespace), false
}
