package settings

import (
	"maps"
	"slices"
	"strings"

	"argocd-image-updater/internal/nearest"
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
	aliases := aliasesOf(entries)
	for _, key := range slices.Sorted(maps.Keys(r.values)) {
		alias, own := cutImageKey(key)
		switch {
		case slices.Contains(applicationKeys, key), slices.Contains(imageKeys, key), aliases.have(alias, own):
		case own != "" && alias == "":
			r.warn("%s: does nothing without an alias: write <alias>.%s", key, key)
		case own != "":
			r.warn("%s: %s has no alias %q, so it does nothing: %s", key, keyImageList, alias, aliases.remedy(alias))
		default:
			r.warnOfKey(key, aliases.nearest(key))
		}
	}
}

// warnOfKey warns of a key that nobody knows; near is "" or a known one.
func (r *reader) warnOfKey(key, near string) {
	if near != "" {
		r.warn("%s: unknown key, does nothing: did you mean %s?", key, near)
		return
	}
	r.warn("%s: unknown key, does nothing", key)
}

// cutImageKey takes a key of one image apart; own is "" for other keys.
func cutImageKey(key string) (alias, own string) {
	for _, own := range slices.Concat(imageKeys, aliasKeys) {
		if key == own {
			return "", own
		}
		if alias, ok := strings.CutSuffix(key, "."+own); ok {
			return alias, own
		}
	}
	return "", ""
}

// aliases are the aliases of an image list, as they stand in keys.
type aliases struct {
	given []string
	// implied are those that helm keys of images without alias begin with.
	implied []string
}

func aliasesOf(entries []listEntry) aliases {
	var a aliases
	for _, e := range entries {
		switch {
		case e.alias != "":
			a.given = append(a.given, keyAlias(e.alias))
		case e.err == nil:
			a.implied = append(a.implied, helmAlias(e))
		}
	}
	return a
}

// have reports whether <alias>.<own> is read.
func (a aliases) have(alias, own string) bool {
	return own != "" && (slices.Contains(a.given, alias) || strings.HasPrefix(own, "helm.") && slices.Contains(a.implied, alias))
}

// nearest is the key that somebody most likely meant, "" if none is near.
func (a aliases) nearest(key string) string {
	for _, alias := range a.given {
		if own, ok := strings.CutPrefix(key, alias+"."); ok {
			if near := nearKey(own, slices.Concat(imageKeys, aliasKeys)); near != "" {
				return alias + "." + near
			}
		}
	}
	return nearKey(key, slices.Concat(applicationKeys, imageKeys))
}

// nearKey allows for more errors in longer keys.
func nearKey(key string, known []string) string {
	return nearest.Word(key, known, min(3, len(key)/3))
}

func (a aliases) remedy(alias string) string {
	if len(a.given) == 0 {
		return "give the image one, as in " + alias + "=<image>"
	}
	const enough = 5
	known := strings.Join(a.given[:min(len(a.given), enough)], ", ")
	if len(a.given) > enough {
		known += ", …"
	}
	return "it has " + known
}
