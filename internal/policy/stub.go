package policy

import "strconv"

func quote(s string) string { return strconv.Quote(s) }

// Policy is a compiled Spec. It is immutable and safe for use by many
// goroutines.
type Policy struct{}

// Compile checks s and makes a Policy of it. The error is a *SpecError.
func Compile(s Spec) (Policy, error) { return Policy{}, nil }

// Choose says what the image should be.
func (p Policy) Choose(in Input) Decision { return Decision{} }

// Explain lists every tag that was not chosen with the rule that dropped it,
// the best first.
func (p Policy) Explain(in Input) []Rejection { return nil }

// Admits reports whether a tag passes filters and constraint, by its name.
func (p Policy) Admits(tag string) bool { return false }

// Guard reports whether writing chosen over declared would be a downgrade,
// with the reason for a person.
func (p Policy) Guard(declared, chosen string) (reason string, held bool) { return "", false }

// Strategy is the canonical name: "semver", "newest-build", …
func (p Policy) Strategy() string { return "" }

// Deprecated is the new name of the strategy if Spec used an old one, else "".
func (p Policy) Deprecated() string { return "" }
