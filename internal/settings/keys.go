package settings

import (
	"maps"
	"slices"
	"strings"
)

// The keys, without Prefix.
var (
	// applicationKeys stand for the whole Application.
	applicationKeys = []string{
		keyImageList, "write-back-method", "write-back-target", "git-branch", "git-branch-prefix", "git-repository",
		"commit-trailers", "respect-sync-windows", "refresh-after-write",
	}
	// imageKeys stand for one image, as <alias>.<key>, or for all of them.
	imageKeys = []string{
		"update-strategy", "allow-tags", "ignore-tags", "platforms", "pull-secret", "force-update", "pin", "allow-downgrade",
	}
	// aliasKeys stand for one image only.
	aliasKeys = []string{
		"helm.image-name", "helm.image-tag", "helm.image-spec", "kustomize.image-name",
		"plugin.image-name", "plugin.image-tag", "plugin.image-spec", "tag-match",
	}
)

// warnOfKeys warns of keys that do nothing: misspelt, or of an image that the
// list does not have.
func (r *reader) warnOfKeys(entries []listEntry) {
	known, aliases := knownKeys(entries)
	for _, key := range slices.Sorted(maps.Keys(r.values)) {
		if _, ok := slices.BinarySearch(known, key); ok {
			continue
		}
		alias, ofImage := cutImageKey(key)
		switch near := nearest(key, known); {
		case ofImage && alias == "":
			r.warn("%s: does nothing without an alias: write <alias>.%s", key, key)
		case ofImage:
			r.warn("%s: %s has no alias %q, so it does nothing: %s", key, keyImageList, alias, aliasRemedy(alias, aliases))
		case near != "":
			r.warn("%s: unknown key, does nothing: did you mean %s?", key, near)
		default:
			r.warn("%s: unknown key, does nothing", key)
		}
	}
}

// knownKeys are all keys that do something for a list, sorted, and its aliases.
func knownKeys(entries []listEntry) (known, aliases []string) {
	known = slices.Concat(applicationKeys, imageKeys)
	for _, e := range entries {
		switch {
		case e.alias != "":
			aliases = append(aliases, e.alias)
			for _, key := range slices.Concat(imageKeys, aliasKeys) {
				known = append(known, keyAlias(e.alias)+"."+key)
			}
		case e.err == nil:
			for _, key := range []string{"helm.image-name", "helm.image-tag", "helm.image-spec"} {
				known = append(known, helmAlias(e)+"."+key)
			}
		}
	}
	slices.Sort(known)
	return known, aliases
}

// cutImageKey reports whether key is a key of one image, and of which.
func cutImageKey(key string) (alias string, ok bool) {
	for _, k := range slices.Concat(imageKeys, aliasKeys) {
		if key == k {
			return "", true
		}
		if alias, ok := strings.CutSuffix(key, "."+k); ok {
			return alias, true
		}
	}
	return "", false
}

func aliasRemedy(alias string, aliases []string) string {
	if len(aliases) == 0 {
		return "give the image one, as in " + alias + "=<image>"
	}
	return "it has " + strings.Join(aliases, ", ")
}

// nearest is the word that somebody most likely meant, "" if none is near.
// words are sorted, so that the first of equals is always the same.
func nearest(word string, words []string) string {
	best, least := "", min(4, 1+len(word)/3)
	for _, w := range words {
		if n := editDistance(word, w); n < least {
			best, least = w, n
		}
	}
	return best
}
