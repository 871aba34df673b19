// Package nearest finds the word that somebody most likely meant who wrote
// another one, for the remedies in error texts. It decides nothing.
package nearest

// Word gives the known word with the fewest edits from word, the first of
// equals; "" if all are more than most edits away. An edit inserts, removes or
// replaces one byte.
func Word(word string, known []string, most int) string {
	best, least := "", most+1
	for _, k := range known {
		if n := distance(word, k); n < least {
			best, least = k, n
		}
	}
	return best
}

// longest bounds the work on a word from outside; nothing that long resembles a
// word of ours.
const longest = 64

// distance is the Levenshtein distance.
func distance(a, b string) int {
	a = a[:min(len(a), longest)]
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
