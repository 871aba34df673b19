package settings

import (
	"path"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"argocd-image-updater/api/v1alpha1"
	"argocd-image-updater/internal/argo"
)

// selector says which Applications a reference means.
type selector struct {
	glob string
	// prefix is what every matching name begins with, all of it if exact.
	prefix string
	exact  bool
	// parts are what stands between the stars of a glob without other signs, two
	// at least; nil for other globs.
	parts  []string
	labels labels.Selector // nil: any
	// specificity decides which of several references of one ImageUpdater holds:
	// the one with the highest.
	specificity int
}

// compileSelector gives the selector of a reference. It is not ok if the name
// pattern does not parse; where only the labels do not, it takes any. What is
// wrong is reported to fail.
func compileSelector(ref *v1alpha1.ApplicationRef, fail func(field, text, reason string)) (s selector, ok bool) {
	s.glob = ref.NamePattern
	if _, err := path.Match(s.glob, ""); err != nil {
		fail("namePattern", s.glob, `the glob does not parse: close each [ with ], and end with no \`)
		return selector{}, false
	}
	s.exact = isWhole(s.glob)
	s.prefix = s.glob
	if s.exact {
		s.prefix = strings.ReplaceAll(s.glob, `\`, "")
	} else if i := strings.IndexAny(s.glob, `*?[\`); i >= 0 {
		s.prefix = s.glob[:i]
		if !strings.ContainsAny(s.glob, `?[]\`) {
			s.parts = strings.Split(s.glob, "*")
		}
	}
	s.specificity = specificity(ref)
	if ref.LabelSelectors != nil {
		var err error
		if s.labels, err = metav1.LabelSelectorAsSelector(ref.LabelSelectors); err != nil {
			fail("labelSelectors", "", err.Error())
		}
	}
	return s, true
}

// matches reports whether an Application is meant whose name begins with the
// prefix.
func (s *selector) matches(app *argo.Application) bool {
	return s.matchesName(app.Name) && (s.labels == nil || s.labels.Matches(labels.Set(app.Labels)))
}

// matchesName is path.Match, with a short way for globs that have nothing but
// stars: nearly all have, and each is tried on each Application.
func (s *selector) matchesName(name string) bool {
	switch {
	case s.exact:
		return true
	case s.parts == nil || strings.Contains(name, "/"):
		ok, _ := path.Match(s.glob, name) // its syntax was checked
		return ok
	}
	last := len(s.parts) - 1
	rest, ok := strings.CutSuffix(name[len(s.prefix):], s.parts[last])
	for _, part := range s.parts[1:last] {
		i := strings.Index(rest, part)
		if !ok || i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return ok
}

// isWhole reports whether a pattern is a whole name.
func isWhole(glob string) bool { return !strings.ContainsAny(glob, "*?[]") }

// bracketSet is a set of characters in a glob.
var bracketSet = regexp.MustCompile(`\[.*?\]`)

// specificity is computed as ever, so that the same reference wins as with the
// incumbent: a whole name counts more than any labels, labels more than any
// pattern, and a longer pattern more than a shorter one.
func specificity(ref *v1alpha1.ApplicationRef) int {
	literals := bracketSet.ReplaceAllString(ref.NamePattern, "")
	n := len(literals) - strings.Count(literals, "*") - strings.Count(literals, "?")
	if isWhole(ref.NamePattern) {
		n += 1_000_000
	}
	if l := ref.LabelSelectors; l != nil {
		n += 10_000 + 100*(len(l.MatchLabels)+len(l.MatchExpressions))
	}
	return n
}
