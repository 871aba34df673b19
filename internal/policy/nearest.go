package policy

import (
	"strings"

	"argocd-image-updater/internal/nearest"
)

// meantStrategy is the known strategy that a misspelt one most likely means,
// "" if none comes close.
func meantStrategy(name string) string {
	known := []string{nameSemver, nameNewestBuild, nameAlphabetical, nameDigest}
	for _, k := range known {
		if len(name) >= 3 && strings.HasPrefix(k, name) {
			return k
		}
	}
	return nearest.Word(name, known, 2)
}
