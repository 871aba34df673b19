package image

import (
	"fmt"
	"strings"
)

// Platform is an operating system, an architecture and, where it matters, a
// variant, in the words of Go (GOOS, GOARCH) that the OCI image index uses.
type Platform struct {
	OS      string
	Arch    string
	Variant string
}

// ParsePlatform parses os/arch[/variant].
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(strings.TrimSpace(s), "/")
	for _, part := range parts {
		if part == "" || strings.ContainsAny(part, " \t,") {
			parts = nil
			break
		}
	}
	switch len(parts) {
	case 2:
		return Platform{OS: parts[0], Arch: parts[1]}, nil
	case 3:
		return Platform{OS: parts[0], Arch: parts[1], Variant: parts[2]}, nil
	}
	return Platform{}, fmt.Errorf("invalid platform %q: os/arch or os/arch/variant expected, such as linux/amd64", s)
}

// Admits reports whether an image built for o runs where p is wanted: same
// system and architecture, and the same variant unless p leaves it open.
func (p Platform) Admits(o Platform) bool {
	return p.OS == o.OS && p.Arch == o.Arch && (p.Variant == "" || p.Variant == o.Variant)
}

// String is os/arch[/variant].
func (p Platform) String() string {
	s := p.OS + "/" + p.Arch
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}
