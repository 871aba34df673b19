package policy

import "strings"

// nearestStrategy is the known strategy that a misspelt one most likely
// means, "" if none comes close.
func nearestStrategy(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	best, least := "", 3 // edits; more is another word
	for _, name := range []string{nameSemver, nameNewestBuild, nameAlphabetical, nameDigest} {
		if len(text) >= 3 && strings.HasPrefix(name, text) {
			return name
		}
		if n := distance(text, name); n < least {
			best, least = name, n
		}
	}
	return best
}

// distance is the Levenshtein distance: how many bytes have to be inserted,
// removed or replaced to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
