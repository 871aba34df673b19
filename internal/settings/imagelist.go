package settings

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"argocd-image-updater/internal/image"
)

// listEntry is one entry of an image list: [<alias>=]<image>[:<constraint>].
type listEntry struct {
	key        string // where it stands, for messages
	text       string // as written, without line breaks
	alias      string
	image      image.Ref // without tag; the digest is what was written
	constraint string
	err        error // says what is wrong and what would be right
}

// name is what the entry is called in messages.
func (e listEntry) name() string {
	switch {
	case e.alias != "":
		return e.alias
	case e.err != nil:
		return e.text
	}
	return e.image.Name
}

// identity is equal for entries that no key and no message can tell apart.
func (e listEntry) identity() string {
	if e.alias != "" {
		return keyAlias(e.alias)
	}
	return e.image.Repo.String()
}

// keyAlias is an alias as it stands in annotation keys, which allow no slash
// after the prefix.
func keyAlias(alias string) string { return strings.ReplaceAll(alias, "/", "_") }

// aliasPattern allows what an annotation key can hold, and the slash.
var aliasPattern = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9._/-]*[a-zA-Z0-9])?$`)

// parseImageList takes an image list apart. Empty entries are passed over.
func parseImageList(text string) []listEntry {
	var entries []listEntry
	for part := range strings.SplitSeq(text, ",") {
		// A folded value has line breaks wherever its author liked them.
		if part = strings.Join(strings.Fields(part), " "); part != "" {
			entries = append(entries, parseListEntry(part))
		}
	}
	return entries
}

func parseListEntry(text string) listEntry {
	e := listEntry{key: keyImageList, text: text}
	rest := text
	// A = behind the colon belongs to a constraint: nginx:>=1.0.
	if before, after, ok := strings.Cut(text, "="); ok && !strings.Contains(before, ":") {
		alias := strings.TrimSpace(before)
		if !aliasPattern.MatchString(alias) {
			e.err = fmt.Errorf("invalid alias %q: an alias is letters, digits, - . _ and / before the =", alias)
			return e
		}
		e.alias, rest = alias, strings.TrimSpace(after)
	}
	if rest == "" {
		e.err = errors.New("the image is missing after the =")
		return e
	}
	if strings.ContainsAny(rest[:1], "<>=~^!|*") {
		e.err = errors.New("a comma separates images; join the parts of one constraint with a space, as in app=nginx:>=1.0 <2.0")
		return e
	}
	e.image, e.constraint, e.err = parseListImage(rest)
	return e
}

// parseListImage parses <image>[:<constraint>]. A constraint has characters
// that no tag may have, but never a slash, so that the last colon behind the
// last slash is the one between name and constraint.
func parseListImage(text string) (ref image.Ref, constraint string, err error) {
	rest, digest, hasDigest := strings.Cut(text, "@")
	name := rest
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		name, constraint = rest[:i], strings.TrimSpace(rest[i+1:])
		if constraint == "" {
			return image.Ref{}, "", errors.New("a constraint is missing after the colon")
		}
	}
	ref.Name = strings.TrimSpace(name)
	if ref.Repo, err = image.ParseRepo(ref.Name); err != nil {
		return image.Ref{}, "", err
	}
	if hasDigest {
		if ref.Digest, err = image.ParseDigest(strings.TrimSpace(digest)); err != nil {
			return image.Ref{}, "", err
		}
	}
	return ref, constraint, nil
}
