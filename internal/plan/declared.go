package plan

import (
	"fmt"
	"slices"
	"strings"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/edit"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/settings"
)

// containers are the images of all manifests of the site.
func (b *build) containers() []image.Ref {
	if b.in.Site.Format != edit.Manifests {
		return nil
	}
	var found []image.Ref
	for _, path := range b.in.Site.Files {
		refs, err := edit.Images(b.tree.file(path).Bytes)
		if err == nil { // a file that does not parse is none that could be meant
			found = append(found, refs...)
		}
	}
	return found
}

// othersFound tells what was found where the image was looked for.
func (b *build) othersFound(it *Item, found []image.Ref) string {
	if it.CloseName = argo.CloseNames(it.Image.Repo, found); len(it.CloseName) > 0 {
		return fmt.Sprintf(", but %q comes close", it.CloseName)
	}
	var names []string
	for _, ref := range found {
		if !slices.Contains(names, ref.Name) && len(names) < maxNamed {
			names = append(names, ref.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(" (found there: %s)", strings.Join(names, ", "))
}

// maxNamed bounds how many images a reason names.
const maxNamed = 5

// OfTrack keeps the references that are versions of the track's image, under
// its own name or the one that the manifests know it by.
func OfTrack(refs []image.Ref, t settings.Track) []image.Ref {
	original, _ := image.ParseRepo(t.KustomizeName)
	var out []image.Ref
	for _, ref := range refs {
		if ref.Repo == t.Image.Repo || !original.IsZero() && ref.Repo == original {
			out = append(out, ref)
		}
	}
	return out
}

// beneath is what is declared of the track's image in that which the target
// overrides: the Application's own parameters, else files of the source.
func (b *build) beneath(i int) []image.Ref {
	track := b.in.Update.Tracks[i]
	if own := OfTrack(inSource(b.in.Site.Source, track), track); len(own) > 0 {
		return own
	}
	for _, hint := range b.in.Site.Hints {
		f := b.tree.file(hint.Path)
		if !f.Exists || f.Err != nil {
			continue
		}
		if own := OfTrack(b.hinted(f.Bytes, hint.Format, i), track); len(own) > 0 {
			return own
		}
	}
	return nil
}

// inSource are the images that the Application's own parameters name.
func inSource(src argo.Source, track settings.Track) []image.Ref {
	var named []image.Ref
	if src.Kustomize != nil {
		for _, entry := range src.Kustomize.Images {
			_, name, ok := strings.Cut(entry, "=")
			if !ok {
				name = entry
			}
			named = appendRef(named, name)
		}
	}
	if src.Helm == nil {
		return named
	}
	values := map[string]string{}
	for _, p := range src.Helm.Parameters {
		values[p.Name] = p.Value
	}
	name, tag := values[track.Helm.Name], values[track.Helm.Tag]
	switch {
	case track.Helm.Spec != "":
		return appendRef(named, values[track.Helm.Spec])
	case tag == "":
		return appendRef(named, name)
	case name == "":
		name = track.Image.Name
	}
	return appendRef(named, name+":"+tag)
}

func appendRef(refs []image.Ref, s string) []image.Ref {
	if ref, err := image.ParseRef(s); err == nil {
		return append(refs, ref)
	}
	return refs
}

// hinted are the versions of the image that a file declares which is read and
// not written.
func (b *build) hinted(src []byte, format edit.Format, i int) []image.Ref {
	track := b.in.Update.Tracks[i]
	e := edit.Edit{Track: b.items[i].Track, New: b.items[i].New}
	switch format {
	case edit.Kustomization:
		e.At = kustomizeImage(track, nil)
	case edit.Manifests:
		e.New, e.At = hintedName(track), edit.PodImages{Only: b.owner(i)}
	default:
		e.At = edit.HelmValues{Name: track.Helm.Name, Tag: track.Helm.Tag, Spec: track.Helm.Spec}
	}
	found, err := edit.Declared(src, format, e)
	if err != nil {
		return nil // what cannot be read cannot tell
	}
	return found[e.Track]
}

// hintedName is the image as manifests name it: by the original name where a
// kustomization renames it.
func hintedName(t settings.Track) image.Ref {
	if original, err := image.ParseRef(t.KustomizeName); err == nil {
		return original
	}
	return t.Image
}

// silence tells why the file to write says nothing of an image.
func (b *build) silence(track settings.Track) string {
	file := b.in.Site.Files[0]
	switch {
	case !b.tree.file(file).Exists && b.in.Site.Format == edit.Values:
		return file + " does not exist: correct the write-back-target"
	case b.in.Site.Format == edit.Values && track.Helm.Name != "":
		return fmt.Sprintf("%s does not name the image at its key %s", file, track.Helm.Name)
	}
	return file + " does not name the image"
}
