package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"argocd-image-updater/internal/plan"
)

// paint colours text on a terminal.
type paint struct{ on bool }

func (sh shell) paint() paint { return paint{on: sh.tty && sh.env("NO_COLOR") == ""} }

// Colours are escape sequences of ECMA-48, 8.3.117 (SGR). All have the same
// length, so that a column of painted cells stays aligned.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	faint  = "\x1b[90m"
	plain  = "\x1b[39m"
)

func (p paint) with(colour, s string) string {
	if !p.on {
		return s
	}
	return colour + s + plain
}

func (p paint) state(s plan.State) string {
	colour := plain
	switch s {
	case plan.Pending, plan.Updated:
		colour = green
	case plan.Held, plan.Undecided, plan.NotLive, plan.NothingEligible:
		colour = yellow
	case plan.Failed:
		colour = red
	case plan.AlreadyDeclared:
		colour = faint
	}
	return p.with(colour, s.String())
}

// newTable aligns columns that are separated by tabs.
func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 3, ' ', 0) }

// summary is a table of all tracks and, below it, the reasons in full.
func (p paint) summary(w io.Writer, plans []plan.Plan) {
	t := newTable(w)
	fmt.Fprintln(t, "APPLICATION\tIMAGE\t"+p.with(plain, "STATE")+"\tDECLARED\tCHOSEN")
	var notes []string
	for _, each := range plans {
		if each.Err != nil {
			fmt.Fprintf(t, "%s\t-\t%s\t-\t-\n", each.App, p.state(plan.Failed))
			notes = append(notes, fmt.Sprintf("%s: %v", each.App, each.Err))
		}
		for _, it := range each.Items {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", each.App, it.Track, p.state(it.State), orDash(shortVersion(it.Declared)), orDash(shortVersion(it.New)))
			if it.Reason != "" && it.State != plan.Pending {
				notes = append(notes, fmt.Sprintf("%s, %s: %s", each.App, it.Track, it.Reason))
			}
		}
		for _, warning := range each.Warnings {
			notes = append(notes, fmt.Sprintf("%s: warning: %s", each.App, warning))
		}
	}
	_ = t.Flush() // a broken pipe ends the program at the next write
	if len(notes) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(notes, "\n"))
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// diffText paints a unified diff line by line.
func (p paint) diffText(d []byte) string {
	if !p.on {
		return string(d)
	}
	var out strings.Builder
	for line := range strings.Lines(string(d)) {
		text, end := strings.TrimSuffix(line, "\n"), line[len(strings.TrimSuffix(line, "\n")):]
		switch {
		case strings.HasPrefix(text, "+"):
			text = p.with(green, text)
		case strings.HasPrefix(text, "-"):
			text = p.with(red, text)
		case strings.HasPrefix(text, "diff "), strings.HasPrefix(text, "@@"):
			text = p.with(faint, text)
		}
		out.WriteString(text + end)
	}
	return out.String()
}
