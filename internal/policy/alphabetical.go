package policy

import "strings"

// alphabetical takes the tag that sorts last, byte by byte: v9 is after v10.
// It suits names of equal length, such as 2024-11-30.
type alphabetical struct{}

func (alphabetical) admit(string) (version, Rule) { return version{}, "" }

func (alphabetical) compare(a, b candidate) int { return strings.Compare(a.tag, b.tag) }

func (alphabetical) behind(_, winner candidate) string { return "sorts before " + winner.tag }
