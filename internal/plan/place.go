package plan

import (
	"fmt"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/edit"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/settings"
)

// edits are the edits of all open tracks. A track that has no place in the
// target's format is closed with the remedy.
func (b *build) edits() []edit.Edit {
	var out []edit.Edit
	for i, it := range b.items {
		if it.State != Pending {
			continue
		}
		at, err := b.place(i)
		if err != nil {
			b.fail(i, err)
			continue
		}
		out = append(out, edit.Edit{Track: it.Track, New: it.New, At: at})
	}
	return out
}

func (b *build) place(i int) (edit.Place, error) {
	site, track := b.in.Site, b.in.Update.Tracks[i]
	switch site.Format {
	case edit.Kustomization:
		return kustomizeImage(track, nil), nil
	case edit.Values:
		if !track.Helm.Given {
			return nil, fmt.Errorf("write-back-target %q: no key is named for this image: set %s%s.helm.image-tag (and .helm.image-name), or .helm.image-spec",
				site.Target.Text, settings.Prefix, aliasOr(track))
		}
		return edit.HelmValues{Name: track.Helm.Name, Tag: track.Helm.Tag, Spec: track.Helm.Spec}, nil
	case edit.Manifests:
		return edit.PodImages{Only: b.owner(i)}, nil
	}
	if site.Type == argo.TypePlugin && !track.Plugin.Given && !b.in.Update.WriteBack.Method.InGit() {
		return nil, fmt.Errorf("application of type Plugin: no variable is named for this image: set %s%s.plugin.image-tag (and .plugin.image-name), or .plugin.image-spec",
			settings.Prefix, aliasOr(track))
	}
	return overridePlace(site, track)
}

func overridePlace(site Resolved, track settings.Track) (edit.Place, error) {
	switch {
	case site.Type == argo.TypeKustomize:
		var base []string
		if site.Source.Kustomize != nil {
			base = site.Source.Kustomize.Images
		}
		return kustomizeImage(track, base), nil
	case site.Type == argo.TypePlugin && track.Plugin.Given:
		at := edit.PluginEnv{Name: track.Plugin.Name, Tag: track.Plugin.Tag, Spec: track.Plugin.Spec}
		if site.Source.Plugin != nil {
			for _, v := range site.Source.Plugin.Env {
				at.Base = append(at.Base, edit.EnvVar(v))
			}
		}
		return at, nil
	case site.Type == argo.TypeHelm, site.Type == argo.TypePlugin:
		at := edit.HelmParameters{Name: track.Helm.Name, Tag: track.Helm.Tag, Spec: track.Helm.Spec}
		if site.Source.Helm != nil {
			for _, p := range site.Source.Helm.Parameters {
				at.Base = append(at.Base, edit.Parameter(p))
			}
		}
		return at, nil
	}
	return nil, fmt.Errorf("an application of type %q has no override file: set %swrite-back-target to manifests, kustomization or helmvalues", site.Type, settings.Prefix)
}

func kustomizeImage(t settings.Track, base []string) edit.KustomizeImage {
	at := edit.KustomizeImage{Original: t.KustomizeName, Base: base}
	if t.KustomizeName != "" {
		// A placeholder in the manifests need not be the name of an image.
		original, err := image.ParseRepo(t.KustomizeName)
		at.Rename = err != nil || original != t.Image.Repo
	}
	return at
}

// owner tells which containers are meant where several tracks follow the
// repository of track i. With one track there is nothing to tell.
func (b *build) owner(i int) func(image.Ref) bool {
	tracks := b.in.Update.Tracks
	if len(siblings(tracks, i)) == 0 {
		return nil
	}
	return func(declared image.Ref) bool { return Owns(tracks, i, declared.Tag) }
}

// Owns reports whether an image with that tag belongs to track i: where other
// tracks follow the same repository it does if the rules of track i admit the
// tag, and those of no other. A sibling whose rules are broken might admit any.
func Owns(tracks []settings.Track, i int, tag string) bool {
	others := siblings(tracks, i)
	if len(others) == 0 {
		return true
	}
	for _, o := range others {
		if o.Err != nil || o.Policy.Admits(tag) {
			return false
		}
	}
	return tracks[i].Policy.Admits(tag)
}

// siblings are the other tracks of the same repository.
func siblings(tracks []settings.Track, i int) []settings.Track {
	var out []settings.Track
	for j, t := range tracks {
		if j != i && t.Image.Repo == tracks[i].Image.Repo {
			out = append(out, t)
		}
	}
	return out
}

func aliasOr(t settings.Track) string {
	if t.Alias == "" {
		return "<alias>"
	}
	return t.Alias
}
