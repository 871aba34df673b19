package image

import (
	"cmp"
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

// ParsePlatform parses os/arch[/variant], each of letters, digits and . _ -.
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(strings.TrimSpace(s), "/")
	for _, part := range parts {
		if !isPlatformPart(part) {
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

func isPlatformPart(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return s != ""
}

// Admits reports whether an image built for o is one for p: same system and
// architecture, and the same variant unless p leaves it open. An image that
// names no variant is of the first one, as builders leave it out: arm64 is
// arm64/v8.
func (p Platform) Admits(o Platform) bool {
	return p.OS == o.OS && p.Arch == o.Arch &&
		(p.Variant == "" || p.Variant == cmp.Or(o.Variant, plainVariant(o.Arch)))
}

// plainVariant is the variant that an architecture means when it names none.
func plainVariant(arch string) string {
	switch arch {
	case "amd64":
		return "v1"
	case "arm":
		return "v7"
	case "arm64":
		return "v8"
	}
	return ""
}

// String is os/arch[/variant].
func (p Platform) String() string {
	s := p.OS + "/" + p.Arch
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}
