package settings

import (
	"errors"
	"strconv"
	"strings"

	"argocd-image-updater/api/v1alpha1"
)

// fields are the fields of an ImageUpdater by the keys of the annotations that
// mean the same.
var fields = map[string]string{
	"update-strategy": "commonUpdateSettings.updateStrategy",
	"allow-tags":      "commonUpdateSettings.allowTags",
	"ignore-tags":     "commonUpdateSettings.ignoreTags",
	"platforms":       "commonUpdateSettings.platforms",
	"pull-secret":     "commonUpdateSettings.pullSecret",
	"force-update":    "commonUpdateSettings.forceUpdate",
	"pin":             "commonUpdateSettings.pin",
	"allow-downgrade": "commonUpdateSettings.allowDowngrade",

	"write-back-method":    "writeBackConfig.method",
	"git-repository":       "writeBackConfig.gitConfig.repository",
	"git-branch":           "writeBackConfig.gitConfig.branch",
	"git-branch-prefix":    "writeBackConfig.gitConfig.branchPrefix",
	"write-back-target":    "writeBackConfig.gitConfig.writeBackTarget",
	"commit-trailers":      "writeBackConfig.gitConfig.commitTrailers",
	"pull-request":         "writeBackConfig.gitConfig.pullRequest", // no annotation
	"respect-sync-windows": "writeBackConfig.respectSyncWindows",
	"refresh-after-write":  "writeBackConfig.refreshAfterWrite",

	"helm.image-name":      "manifestTargets.helm.name",
	"helm.image-tag":       "manifestTargets.helm.tag",
	"helm.image-spec":      "manifestTargets.helm.spec",
	"kustomize.image-name": "manifestTargets.kustomize.name",
	"plugin.image-name":    "manifestTargets.plugin.name",
	"plugin.image-tag":     "manifestTargets.plugin.tag",
	"plugin.image-spec":    "manifestTargets.plugin.spec",
}

// gitKeys are those of gitConfig.
var gitKeys = []string{"git-repository", "git-branch", "git-branch-prefix", "write-back-target", "commit-trailers", "pull-request"}

// sheet puts the fields of one level of an ImageUpdater among the values of a
// reader, in place of what an outer level put there.
type sheet struct {
	reader *reader
	at     string // the path of the level: "spec", "spec.applicationRefs[2]"
	alias  string // of the image, where the level is one
}

func (s sheet) put(key string, v value) {
	v.key = s.at + "." + fields[key]
	if s.alias != "" {
		key = s.alias + "." + key
	}
	s.reader.values[key] = v
}

func (s sheet) text(key string, text *string) {
	if text != nil {
		s.put(key, value{text: strings.TrimSpace(*text)})
	}
}

func (s sheet) truth(key string, b *bool) {
	if b != nil {
		s.put(key, value{text: strconv.FormatBool(*b)})
	}
}

func (s sheet) list(key string, list []string) {
	if list != nil {
		s.put(key, value{list: list})
	}
}

func (s sheet) common(c *v1alpha1.CommonUpdateSettings) {
	if c == nil {
		return
	}
	s.text("update-strategy", c.UpdateStrategy)
	s.text("allow-tags", c.AllowTags)
	s.list("ignore-tags", c.IgnoreTags)
	s.list("platforms", c.Platforms)
	s.text("pull-secret", c.PullSecret)
	s.truth("force-update", c.ForceUpdate)
	s.text("pin", c.Pin)
	s.truth("allow-downgrade", c.AllowDowngrade)
}

func (s sheet) writeBack(c *v1alpha1.WriteBackConfig) {
	if c == nil {
		return
	}
	if c.Method != nil && strings.TrimSpace(*c.Method) == "argocd" {
		// What is said of Git further out is meant for others.
		for _, key := range gitKeys {
			delete(s.reader.values, key)
		}
	}
	s.text("write-back-method", c.Method)
	s.truth("respect-sync-windows", c.RespectSyncWindows)
	s.truth("refresh-after-write", c.RefreshAfterWrite)
	if git := c.GitConfig; git != nil {
		s.text("git-repository", git.Repository)
		s.text("git-branch", git.Branch)
		s.text("git-branch-prefix", git.BranchPrefix)
		s.text("write-back-target", git.WriteBackTarget)
		s.truth("commit-trailers", git.CommitTrailers)
		if git.PullRequest != nil {
			s.put("pull-request", value{})
		}
	}
}

func (s sheet) targets(t *v1alpha1.ManifestTarget) {
	if t == nil {
		return
	}
	if t.Helm != nil {
		s.text("helm.image-name", t.Helm.Name)
		s.text("helm.image-tag", t.Helm.Tag)
		s.text("helm.image-spec", t.Helm.Spec)
	}
	if t.Kustomize != nil {
		s.text("kustomize.image-name", t.Kustomize.Name)
	}
	if t.Plugin != nil {
		s.text("plugin.image-name", t.Plugin.Name)
		s.text("plugin.image-tag", t.Plugin.Tag)
		s.text("plugin.image-spec", t.Plugin.Spec)
	}
}

// entry is what an entry of the image list would be.
func (s sheet) entry(img v1alpha1.ImageConfig) listEntry {
	text := strings.Join(strings.Fields(img.ImageName), " ")
	e := listEntry{key: s.at + ".imageName", text: text, alias: img.Alias}
	if text == "" {
		e.err = errors.New("<image>[:<constraint>] expected")
		return e
	}
	e.image, e.constraint, e.err = parseListImage(text)
	return e
}

// demand is whether signatures are demanded of an image, and where that is
// said.
type demand struct {
	signed bool
	at     string
}

// inner is what holds at the next inner level.
func (d demand) inner(v *v1alpha1.ImagesVerification, at string) demand {
	if v == nil {
		return d
	}
	return demand{signed: v.Enabled == nil || *v.Enabled, at: at + ".imagesVerification"}
}

// refuse sets the error of a Track whose signatures would have to be verified.
func (d demand) refuse(t *Track, owner string) {
	if d.signed {
		t.Err = errors.Join(t.Err, &ValueError{Object: owner + ", image " + t.Name, Key: d.at,
			Reason: "this version cannot verify signatures, so the image is not updated; to update it unverified, give it imagesVerification with enabled: false"})
	}
}
