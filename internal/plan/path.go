package plan

import (
	"fmt"
	"path"
	"strings"

	"argocd-image-updater/internal/settings"
)

// join resolves a target's path against the source's path: relative to it, or
// to the repository's root where the target begins with "/". The result is
// clean, slash-separated and without a leading slash; "" is the root. A path
// that climbs past the root is refused.
func join(source, target string) (string, error) {
	p := target
	if !strings.HasPrefix(target, "/") {
		p = source + "/" + target
	}
	depth := 0
	for part := range strings.SplitSeq(p, "/") {
		switch part {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		if depth < 0 {
			return "", fmt.Errorf("path %q leaves the repository: it climbs past the root (source path %q)", target, source)
		}
	}
	return strings.TrimPrefix(path.Clean("/"+p), "/"), nil
}

// targetPath joins and names the annotation in the error.
func targetPath(source string, t settings.Target, fallback string) (string, error) {
	p := t.Path
	if p == "" {
		p = fallback
	}
	joined, err := join(source, p)
	if err != nil {
		return "", fmt.Errorf("write-back-target %q: %w", t.Text, err)
	}
	return joined, nil
}
