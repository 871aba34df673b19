package edit

import (
	"strings"

	"argocd-image-updater/internal/image"
)

// keys are the names under which the parts of an image stand: name and tag, or
// both in one.
type keys struct{ name, tag, spec string }

// part is a value and the key to write it under.
type part struct{ key, value string }

// said tells what stands at a key; ok is false if nothing does.
type said func(key string) (value string, ok bool)

// parts gives what the image ref is to be written as, given what stands there:
// a name that means the repository already stays as it is spelled.
func (k keys) parts(ref image.Ref, s said) []part {
	if k.spec != "" {
		text, _ := s(k.spec)
		if old, err := image.ParseRef(text); err == nil && sameRepo(old, ref) {
			ref.Name = old.Name
		}
		return []part{{k.spec, ref.String()}}
	}
	var ps []part
	if k.name != "" {
		text, _ := s(k.name)
		if old, err := image.ParseRef(text); err == nil && old.Version() == "" && sameRepo(old, ref) {
			ref.Name = old.Name
		}
		ps = append(ps, part{k.name, ref.Name})
	}
	if k.tag != "" {
		text, _ := s(k.tag)
		ps = append(ps, part{k.tag, tagValue(ref, text)})
	}
	return ps
}

// tagValue is the version for a key that holds a tag. A bare digest stays one;
// elsewhere a digest needs a tag before it, since charts write name:tag.
func tagValue(ref image.Ref, old string) string {
	if ref.Digest == "" {
		return ref.Tag
	}
	if _, err := image.ParseDigest(old); err == nil {
		return string(ref.Digest)
	}
	if ref.Tag == "" {
		ref.Tag = "latest"
	}
	return ref.Version()
}

// sameRepo reports whether the name old, as it is written in a file, means the
// repository of ref: it is that, or its path where the registry stands under
// another key.
func sameRepo(old, ref image.Ref) bool {
	return old.Repo == ref.Repo || !old.HasRegistry() && old.Repo.Path() == ref.Repo.Path()
}

// declared is the image that stands there; ok is false if none does.
func (k keys) declared(ref image.Ref, s said) (image.Ref, bool) {
	if k.spec != "" {
		text, _ := s(k.spec)
		old, err := image.ParseRef(text)
		if err != nil {
			return image.Ref{}, false
		}
		return known(old, ref), true
	}
	name, hasName := "", false
	if k.name != "" {
		name, hasName = s(k.name)
	}
	version, hasTag := "", false
	if k.tag != "" {
		version, hasTag = s(k.tag)
	}
	old := ref.With("", "")
	if hasName {
		parsed, err := image.ParseRef(name)
		if err != nil {
			return image.Ref{}, false
		}
		old = known(parsed, ref)
	}
	if hasTag {
		old.Tag, old.Digest = parseVersion(version)
	}
	return old, hasName || hasTag
}

// known gives a name without registry the repository that it stands for.
func known(old, ref image.Ref) image.Ref {
	if sameRepo(old, ref) {
		old.Repo = ref.Repo
	}
	return old
}

// parseVersion reads tag, digest or tag@digest. What is none of them is no
// version.
func parseVersion(s string) (tag string, digest image.Digest) {
	if d, err := image.ParseDigest(s); err == nil {
		return "", d
	}
	tag, rest, has := strings.Cut(s, "@")
	if !image.ValidTag(tag) {
		return "", ""
	}
	if has {
		d, err := image.ParseDigest(rest)
		if err != nil {
			return "", ""
		}
		digest = d
	}
	return tag, digest
}

// none reports whether no key is given at all.
func (k keys) none() bool { return k == keys{} }

// homeless refuses an edit that says nowhere where to write.
func homeless(e Edit) error {
	return &RefusedError{Track: e.Track, Reason: "names no key to write", Remedy: "set the key of the image's tag, or of name and tag in one"}
}

// repoKey names a repository for look-ups, whichever way it is spelled. Kustomize
// also takes names that are no image names; those mean themselves.
func repoKey(name string) string {
	repo, err := image.ParseRepo(name)
	if err != nil {
		return "=" + name
	}
	return repo.String()
}
