package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Changed are the items that p is to write or has written.
func (p Plan) Changed() []Item {
	var out []Item
	for _, it := range p.Items {
		if it.State == Pending || it.State == Updated {
			out = append(out, it)
		}
	}
	return out
}

// Compare orders plans by Application, then by ImageUpdater.
func (p Plan) Compare(o Plan) int {
	return cmp.Or(p.App.Compare(o.App), p.ImageUpdater.Compare(o.ImageUpdater))
}

// Group gathers the plans that go to one branch, so that each branch is pushed
// once. Plans without changes are left out; the order of the input does not
// matter.
func Group(plans []Plan) []Changeset {
	by := map[Destination]*Changeset{}
	for _, p := range plans {
		if p.Err != nil || len(p.Files) == 0 || !p.Method.InGit() {
			continue
		}
		c := by[p.To]
		if c == nil {
			c = &Changeset{To: p.To, At: p.At, Old: p.Old}
			by[p.To] = c
		}
		c.Plans = append(c.Plans, p)
	}
	out := make([]Changeset, 0, len(by))
	for _, c := range by {
		slices.SortFunc(c.Plans, Plan.Compare)
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Changeset) int { return a.To.Compare(b.To) })
	return out
}

// Compare orders destinations by repository, base and head.
func (d Destination) Compare(o Destination) int {
	return cmp.Or(strings.Compare(d.URL, o.URL), strings.Compare(d.Base, o.Base), strings.Compare(d.Head, o.Head), d.Location.Compare(o.Location))
}

// Grouping says how many commits a push has.
type Grouping uint8

// The groupings.
const (
	PerApplication Grouping = iota // one commit for each Application
	PerRepository                  // one commit for all of them
)

// CommitOptions are what a Changeset does not know of itself.
type CommitOptions struct {
	Author   Identity
	When     time.Time
	Grouping Grouping
}

// Commits are the commits of one push, in the order of the plans; a plan that
// changes nothing makes none.
func (c Changeset) Commits(o CommitOptions) []Commit {
	c.Plans = slices.DeleteFunc(slices.Clone(c.Plans), func(p Plan) bool { return len(p.Files) == 0 })
	if o.Grouping == PerRepository && len(c.Plans) > 1 {
		return []Commit{c.together(o)}
	}
	out := make([]Commit, 0, len(c.Plans))
	for _, p := range c.Plans {
		out = append(out, Commit{Message: p.Message, Author: o.Author, When: o.When, Files: p.writes()})
	}
	return out
}

func (p Plan) writes() []FileWrite {
	out := make([]FileWrite, 0, len(p.Files))
	for _, f := range p.Files {
		out = append(out, FileWrite{Path: f.Path, Bytes: f.After})
	}
	return out
}

// together makes one commit: the last content of each file, and the messages
// one after the other with all trailers in one block at the end, where Git
// looks for them.
func (c Changeset) together(o CommitOptions) Commit {
	last := map[string][]byte{}
	var bodies, trailers []string
	for _, p := range c.Plans {
		for _, f := range p.Files {
			last[f.Path] = f.After
		}
		body, trailer := cutTrailers(p.Message)
		bodies = append(bodies, body)
		if trailer != "" {
			trailers = append(trailers, trailer)
		}
	}
	message := fmt.Sprintf("build: automatic update of %d applications\n\n%s\n", len(c.Plans), strings.Join(bodies, "\n\n"))
	if len(trailers) > 0 {
		message += "\n" + strings.Join(trailers, "\n") + "\n"
	}
	commit := Commit{Message: message, Author: o.Author, When: o.When}
	for path, content := range last {
		commit.Files = append(commit.Files, FileWrite{Path: path, Bytes: content})
	}
	slices.SortFunc(commit.Files, func(a, b FileWrite) int { return strings.Compare(a.Path, b.Path) })
	return commit
}

func cutTrailers(message string) (body, trailers string) {
	message = strings.TrimRight(message, "\n")
	if !endsInTrailers(message) {
		return message, ""
	}
	i := strings.LastIndex(message, "\n\n")
	return message[:i], message[i+2:]
}

// String tells a person where changes go: repository and branch.
func (d Destination) String() string {
	if d.Head == d.Base {
		return fmt.Sprintf("repository %s, branch %s", d.Location, d.Base)
	}
	return fmt.Sprintf("repository %s, branch %s (from %s)", d.Location, d.Head, d.Base)
}
