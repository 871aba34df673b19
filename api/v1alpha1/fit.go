package v1alpha1

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a status, which the schema repeats. An object is stored whole, in
// at most 1.5 MB; a status within these bounds stays below half of that.
const (
	MaxApplications  = 100  // in Applications
	MaxImages        = 200  // in Applications, all of them together
	MaxRecentUpdates = 100  // in RecentUpdates
	MaxReason        = 1024 // bytes of a Reason
	MaxName          = 512  // bytes of an Alias or Image
	MaxVersion       = 256  // bytes of a Version
)

// mostUrgent are the states, those first that somebody has to do something about.
var mostUrgent = []State{Failed, NotLive, NothingEligible, Held, Undecided, Updated, AlreadyDeclared}

// Fit is s within the bounds: the Applications and images that somebody has to
// do something about first, then by name, and a count of those for which there
// is no room. It takes a status that tells of all of them.
func (s ImageUpdaterStatus) Fit() ImageUpdaterStatus {
	s.RecentUpdates = s.RecentUpdates[:min(len(s.RecentUpdates), MaxRecentUpdates)]
	apps := slices.Clone(s.Applications)
	for i := range apps {
		apps[i].Reason = Cut(apps[i].Reason, MaxReason)
		apps[i].Images = sorted(apps[i].Images)
	}
	slices.SortFunc(apps, func(a, b ApplicationStatus) int {
		return cmp.Or(cmp.Compare(a.urgency(), b.urgency()), strings.Compare(a.Name, b.Name))
	})
	kept := apps[:min(len(apps), MaxApplications)]
	s.Applications, s.ApplicationsOmitted = kept, int32(len(apps)-len(kept))
	for i, n := range room(kept) {
		kept[i].ImagesOmitted = int32(len(kept[i].Images) - n)
		kept[i].Images = kept[i].Images[:n]
	}
	return s
}

// sorted are images by urgency and alias, their texts within the bounds.
func sorted(images []ImageStatus) []ImageStatus {
	images = slices.Clone(images)
	for i := range images {
		img := &images[i]
		img.Alias, img.Image = Cut(img.Alias, MaxName), Cut(img.Image, MaxName)
		img.Version, img.Reason = Cut(img.Version, MaxVersion), Cut(img.Reason, MaxReason)
	}
	slices.SortFunc(images, func(a, b ImageStatus) int {
		return cmp.Or(cmp.Compare(a.urgency(), b.urgency()), strings.Compare(a.Alias, b.Alias))
	})
	return images
}

// room is how many images of each Application are told of: the most urgent of
// all, whosever they are.
func room(apps []ApplicationStatus) []int {
	counts := make([]int, len(apps))
	left := MaxImages
	for u := range len(mostUrgent) + 1 {
		for i, app := range apps {
			for counts[i] < len(app.Images) && app.Images[counts[i]].urgency() <= u && left > 0 {
				counts[i]++
				left--
			}
		}
	}
	return counts
}

func (i ImageStatus) urgency() int {
	for u, state := range mostUrgent {
		if state == i.State {
			return u
		}
	}
	return len(mostUrgent)
}

// urgency of an Application is that of its most urgent image, which comes first.
func (a ApplicationStatus) urgency() int {
	switch {
	case a.Reason != "":
		return -1
	case len(a.Images) > 0:
		return a.Images[0].urgency()
	}
	return len(mostUrgent)
}

// Cut shortens a text to so many bytes and says that something is missing.
func Cut(text string, most int) string {
	const more = "…"
	if len(text) <= most {
		return text
	}
	n := most - len(more)
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + more
}
