package nearest_test

import (
	"strings"
	"testing"

	"argocd-image-updater/internal/nearest"
)

func TestWord(t *testing.T) {
	known := []string{"semver", "newest-build", "digest", "direct"}
	for _, c := range []struct {
		word string
		most int
		want string
	}{
		{"semvr", 2, "semver"},
		{"semver", 0, "semver"},
		{"newst-buidl", 3, "newest-build"},
		{"digect", 2, "digest"}, // direct is as near; the first of equals
		{"calver", 1, ""},
		{"", 5, ""},
		{strings.Repeat("semver", 1000), 10, ""},
	} {
		if got := nearest.Word(c.word, known, c.most); got != c.want {
			t.Errorf("Word(%.20q, %d) = %q, want %q", c.word, c.most, got, c.want)
		}
	}
}
