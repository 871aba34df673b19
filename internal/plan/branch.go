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

// branchFields is what a git-branch template sees.
type branchFields struct {
	Images       []branchImage
	SHA256       string // hex over name-old-new, of each change
	AppName      string
	AppNamespace string
}

type branchImage struct {
	Name   string // without registry
	Alias  string
	OldTag string
	NewTag string
}

// maxBranch is where a rendered branch name is cut, in bytes.
const maxBranch = 255

// HeadName is the branch that the changes of p are pushed to: the base itself,
// the rendered git-branch template, or a name made of the prefix and what
// changes. The error says which part of a name Git would refuse.
func HeadName(p Plan, wb settings.WriteBack) (string, error) {
	if wb.Head == nil && wb.Method != settings.MethodGitBranch {
		return p.To.Base, nil
	}
	changed := p.Changed()
	name := ""
	switch {
	case wb.Head != nil:
		data := branchFields{AppName: p.App.Name, AppNamespace: p.App.Namespace, SHA256: fingerprint(changed)}
		for _, it := range changed {
			data.Images = append(data.Images, branchImage{
				Name: nameInRegistry(it.Image), Alias: it.Alias, OldTag: shownVersion(it.Old()), NewTag: shownVersion(it.New),
			})
		}
		var err error
		if name, err = render(wb.Head, data); err != nil {
			return "", fmt.Errorf("git-branch %q: %w", wb.HeadText, err)
		}
		name = strings.TrimSpace(name[:min(len(name), maxBranch)])
	case len(changed) == 1:
		name = wb.BranchPrefix + path.Base(changed[0].Image.Repo.Path()) + "-" + refSafe(changed[0].New)
	default:
		name = wb.BranchPrefix + p.App.Name + "-" + fingerprint(changed)[:8]
	}
	if err := CheckBranch(name); err != nil {
		return "", fmt.Errorf("git-branch %q gives the branch name %q: %w", wb.HeadText, name, err)
	}
	return name, nil
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

func fingerprint(items []Item) string {
	h := sha256.New()
	for _, it := range items {
		fmt.Fprintf(h, "%s-%s-%s,", nameInRegistry(it.Image), shownVersion(it.Old()), shownVersion(it.New))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// CheckBranch applies the rules of git check-ref-format --branch.
func CheckBranch(name string) error {
	if name == "" || name == "@" || name == "HEAD" || strings.HasPrefix(name, "-") {
		return fmt.Errorf("not a branch name")
	}
	for _, bad := range []string{"..", "@{", "//", " ", "~", "^", ":", "?", "*", "[", "\\"} {
		if strings.Contains(name, bad) {
			return fmt.Errorf("a branch name must not contain %q", bad)
		}
	}
	for _, r := range name {
		if r < 0x20 || r == 0x7f {
			return fmt.Errorf("a branch name must not contain control characters")
		}
	}
	if strings.HasSuffix(name, ".") {
		return fmt.Errorf("a branch name must not end in a dot")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return fmt.Errorf("a part of a branch name must not be empty, begin with a dot or end in .lock: %q", part)
		}
	}
	return nil
}
