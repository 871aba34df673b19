package policy

import (
	"cmp"
	"strings"
	"time"
)

// newestBuild takes the tag whose image was built last.
//
// The date is the created field of the image's configuration, of the newest
// image where a tag has several for the platforms. It is not the time of the
// push: reproducible builds all carry one date, mostly the epoch. Tags of
// equal date are ordered as strings; a date that is missing is the epoch.
type newestBuild struct{}

func (newestBuild) admit(string) (version, Rule) { return version{}, "" }

// compare puts tags whose date is not known first: they decide whether
// anything can be said at all.
func (newestBuild) compare(a, b candidate) int {
	return cmp.Or(
		cmp.Compare(a.state, b.state),
		dated(a.created).Compare(dated(b.created)),
		strings.Compare(a.tag, b.tag),
	)
}

func (newestBuild) behind(loser, winner candidate) string {
	if dated(loser.created).Equal(dated(winner.created)) {
		return "the same date as " + winner.tag + ", which sorts after it"
	}
	return "older than " + winner.tag
}

func dated(created time.Time) time.Time {
	if created.IsZero() {
		return time.Unix(0, 0)
	}
	return created
}
