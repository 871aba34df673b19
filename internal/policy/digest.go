package policy

import (
	"strings"

	"argocd-image-updater/internal/image"
)

// digest follows one tag that is pushed again and again, and pins what it
// points to. The digest is that of the index where there is one: nodes of
// every platform find their image by it.
type digest struct{ follow string }

func compileDigest(tag string) (digest, error) {
	switch {
	case tag == "":
		return digest{}, &SpecError{Key: string(RuleConstraint),
			Remedy: "digest needs the tag to follow, after the image's name as in nginx:latest"}
	case !image.ValidTag(tag):
		return digest{}, &SpecError{Key: string(RuleConstraint), Value: tag,
			Remedy: "digest follows one tag, such as latest; for a version range use update-strategy semver"}
	}
	return digest{follow: tag}, nil
}

func (d digest) admit(tag string) (version, Rule) {
	if tag != d.follow {
		return version{}, RuleConstraint
	}
	return version{}, ""
}

func (digest) compare(a, b candidate) int { return strings.Compare(a.tag, b.tag) }

// behind is never asked: one tag alone is admitted.
func (digest) behind(_, winner candidate) string { return "not " + winner.tag }
