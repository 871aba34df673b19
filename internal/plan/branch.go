package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/settings"
)

// HeadName is the branch that the changes of p are pushed to: the base itself,
// the rendered git-branch template, or a name made of the prefix and what
// changes. The error says which part of a name Git would refuse.
func HeadName(p Plan, wb settings.WriteBack) (string, error) {
	changed := p.Changed()
	switch {
	case wb.Head != nil:
		name, err := wb.Head.Render(headFields(p, wb, changed))
		if err != nil {
			return "", fmt.Errorf("git-branch %q: %w", wb.Head, err)
		}
		return name, nil
	case wb.Method != settings.MethodGitBranch:
		return p.To.Base, nil
	}
	name := wb.BranchPrefix + p.App.Name + "-" + fingerprint(changed)[:8]
	if len(changed) == 1 {
		name = wb.BranchPrefix + path.Base(changed[0].Image.Repo.Path()) + "-" + refSafe(changed[0].New)
	}
	if err := settings.CheckBranch(name); err != nil {
		return "", fmt.Errorf("branch for %s (git-branch-prefix %q): %w: set git-branch to a template that gives another name", changed[0].New, wb.BranchPrefix, err)
	}
	return name, nil
}

func headFields(p Plan, wb settings.WriteBack, changed []Item) settings.HeadFields {
	f := settings.HeadFields{
		AppName: p.App.Name, AppNamespace: p.App.Namespace, SHA256: fingerprint(changed),
		TargetKey: hash(p.To.URL + "|" + p.To.Base + "|" + wb.Target.Text)[:8],
	}
	for _, it := range changed {
		f.Images = append(f.Images, settings.HeadImage{
			Name: nameInRegistry(it.Image), Alias: it.Alias, OldTag: shownVersion(it.Old()), NewTag: shownVersion(it.New),
		})
	}
	return f
}

// refSafe is a version as part of a branch name: a digest has a colon, which
// Git refuses, and 64 digits, which nobody reads.
func refSafe(ref image.Ref) string {
	_, hex, _ := strings.Cut(ref.Digest.Short(), ":")
	switch {
	case ref.Digest == "":
		return ref.Tag
	case ref.Tag == "":
		return hex
	}
	return ref.Tag + "-" + hex
}

// shownVersion is a version as templates of the incumbent saw it: the digest
// where there is one, else the tag.
func shownVersion(ref image.Ref) string {
	if ref.Digest != "" {
		return string(ref.Digest)
	}
	return ref.Tag
}

// nameInRegistry is the name as it was written, without the registry.
func nameInRegistry(ref image.Ref) string {
	if !ref.HasRegistry() {
		return ref.Name
	}
	_, name, _ := strings.Cut(ref.Name, "/")
	return name
}

// fingerprint tells sets of changes apart, in hex; it is the SHA256 of the
// incumbent's branch templates.
func fingerprint(items []Item) string {
	var text strings.Builder
	for _, it := range items {
		fmt.Fprintf(&text, "%s-%s-%s,", nameInRegistry(it.Image), shownVersion(it.Old()), shownVersion(it.New))
	}
	return hash(text.String())
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
