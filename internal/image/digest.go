package image

import (
	"fmt"
	"strings"
)

// Digest names content by its hash, algorithm:hex, as the OCI image
// specification describes (descriptor, Digests). "" is no digest.
type Digest string

// ParseDigest accepts the registered algorithms sha256 and sha512 with their
// full length of lower-case hex digits.
func ParseDigest(s string) (Digest, error) {
	algorithm, hex, _ := strings.Cut(s, ":")
	want := map[string]int{"sha256": 64, "sha512": 128}[algorithm]
	if want == 0 {
		return "", fmt.Errorf("invalid digest %q: sha256:<64 hex digits> or sha512:<128 hex digits> expected", s)
	}
	if len(hex) != want || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", fmt.Errorf("invalid digest %q: %s takes %d lower-case hex digits", s, algorithm, want)
	}
	return Digest(s), nil
}

// Short is the digest cut to what a person compares by eye:
// sha256:0123456789ab; "" for no digest.
func (d Digest) Short() string {
	const digits = 12
	if end := strings.IndexByte(string(d), ':') + 1 + digits; end < len(d) {
		return string(d[:end])
	}
	return string(d)
}
