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
	if original, err := image.ParseRepo(t.KustomizeName); err == nil {
		at.Rename = original != t.Image.Repo
	}
	return at
}

// owner tells which containers are meant where several tracks follow the
// repository of track i: those whose tag this track's rules admit and no
// other's do. With one track there is nothing to tell.
func (b *build) owner(i int) func(image.Ref) bool {
	tracks := b.in.Update.Tracks
	var others []settings.Track
	for j, t := range tracks {
		if j != i && t.Err == nil && t.Image.Repo == tracks[i].Image.Repo {
			others = append(others, t)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return func(declared image.Ref) bool {
		for _, o := range others {
			if o.Policy.Admits(declared.Tag) {
				return false
			}
		}
		return tracks[i].Policy.Admits(declared.Tag)
	}
}

func aliasOr(t settings.Track) string {
	if t.Alias == "" {
		return "<alias>"
	}
	return t.Alias
}

// hints reports whether a file that the target overrides declares the image:
// the chart's own values, or the kustomization.
func hints(src []byte, typ argo.Type, it Item, t settings.Track) bool {
	e := edit.Edit{Track: it.Track, New: it.New}
	format := edit.Values
	if typ == argo.TypeKustomize {
		format, e.At = edit.Kustomization, kustomizeImage(t, nil)
	} else {
		e.At = edit.HelmValues{Name: t.Helm.Name, Tag: t.Helm.Tag, Spec: t.Helm.Spec}
	}
	res, err := edit.Apply(src, format, e)
	return err == nil && len(ofRepo(res.Declared[it.Track], it.Image.Repo, t)) > 0
}
