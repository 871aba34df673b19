package image

import (
	"fmt"
	"strings"
)

// Ref is an image reference: a repository with, where given, a tag and a
// digest. Two Refs are the same image when their Repo, Tag and Digest are
// equal; Name only tells how the repository was spelled.
type Ref struct {
	Repo   Repo   // canonical identity
	Name   string // the repository as it was written: "nginx", "docker.io/myorg/app"
	Tag    string // "" if none was written
	Digest Digest // "" if none was written
}

// ParseRef parses name[:tag][@digest] by the reference grammar of the OCI
// distribution specification. Nothing is filled in: a missing tag stays
// missing.
func ParseRef(s string) (Ref, error) {
	rest, digest, hasDigest := strings.Cut(s, "@")
	var ref Ref
	if hasDigest {
		d, err := ParseDigest(digest)
		if err != nil {
			return Ref{}, fmt.Errorf("image reference %q: %w", s, err)
		}
		ref.Digest = d
	}
	// A colon after the last slash starts the tag; one before it is a port.
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		ref.Tag, rest = rest[i+1:], rest[:i]
		if !ValidTag(ref.Tag) {
			return Ref{}, fmt.Errorf("image reference %q: invalid tag %q", s, ref.Tag)
		}
	}
	repo, err := ParseRepo(rest)
	if err != nil {
		return Ref{}, fmt.Errorf("image reference %q: %w", s, err)
	}
	ref.Repo, ref.Name = repo, rest
	return ref, nil
}

// String writes the reference as it was written; parsing it gives the same Ref.
func (r Ref) String() string {
	s := r.Name
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + string(r.Digest)
	}
	return s
}

// IsZero reports whether r is no reference at all.
func (r Ref) IsZero() bool { return r == Ref{} }

// Version is what a person would call the version of r: tag, tag@digest or
// digest, and "" where neither is known.
func (r Ref) Version() string {
	switch {
	case r.Digest == "":
		return r.Tag
	case r.Tag == "":
		return string(r.Digest)
	}
	return r.Tag + "@" + string(r.Digest)
}

// With returns r with the tag and digest of the given version and the
// spelling and repository of r.
func (r Ref) With(tag string, d Digest) Ref {
	r.Tag, r.Digest = tag, d
	return r
}

// HasRegistry reports whether the name was written with a registry host.
func (r Ref) HasRegistry() bool {
	_, ok := cutHost(r.Name)
	return ok
}

// ValidTag reports whether s is a tag by the grammar of the OCI distribution
// specification: [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
func ValidTag(s string) bool {
	if len(s) == 0 || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !isAlnum(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
