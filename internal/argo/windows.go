package argo

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// SyncWindow is one of spec.syncWindows as it is written: spans of time in
// which synchronisation is allowed or denied.
type SyncWindow struct {
	Kind     string `json:"kind"`     // "allow" or "deny"
	Schedule string `json:"schedule"` // five fields of cron: when a span begins
	Duration string `json:"duration"` // a Go duration: how long it is
	TimeZone string `json:"timeZone"` // IANA name; "" is UTC
	// ManualSync and SyncOverrun do not matter to an automatic sync that has
	// not begun.
	Applications []string `json:"applications"` // globs of names
	Namespaces   []string `json:"namespaces"`   // globs of destination namespaces
	Clusters     []string `json:"clusters"`     // globs of destination clusters, by server or name
	// UseAndOperator: all of the three that are given have to match, instead of
	// any.
	UseAndOperator bool `json:"andOperator"`

	// Active is whether the window is active now, where a server says so: Argo
	// CD's tells no time zones. When that changes is not known then. Nil: the
	// clock tells.
	Active *bool `json:"-"`
}

// window is a SyncWindow, compiled. It is active from each start that the
// schedule gives, for the duration; the start belongs to it and the end does
// not.
//
// As in Argo CD it follows the clock on the wall: a window from 01:00 for 3h
// ends when clocks in its zone show 04:00, also in a night in which they were
// put forward or back. What they show is held in a time.Time of UTC and called
// wall below.
type window struct {
	text     string // place and value, for messages
	deny     bool
	schedule *cron.SpecSchedule
	duration time.Duration
	zone     *time.Location
	told     *bool // SyncWindow.Active
	// lastStart is the last start of a day, after its midnight, if all spans that
	// begin on one day make one; -1 otherwise.
	lastStart time.Duration

	// selectors are globs for what Application.selected gives; needsAll: all that
	// are given have to match, instead of any.
	selectors [3][]*regexp.Regexp
	needsAll  bool

	// err is set if the window does not compile. A glob that does not is one
	// that matches everything.
	err error
}

func (s SyncWindow) compile(place string) *window {
	w := &window{deny: s.Kind == "deny", needsAll: s.UseAndOperator, told: s.Active}
	wrong := func(key, value, reason string) {
		if w.err == nil {
			w.err = fmt.Errorf("%s.%s %q: %s", place, key, value, reason)
		}
	}
	var err error
	if s.Kind != "allow" && s.Kind != "deny" {
		wrong("kind", s.Kind, "allow or deny expected")
	}
	if w.schedule, err = parseSchedule(s.Schedule); err != nil {
		wrong("schedule", s.Schedule, err.Error())
	}
	if w.duration, err = time.ParseDuration(s.Duration); err != nil {
		wrong("duration", s.Duration, "a duration such as 1h30m expected")
	}
	// The database of time zones is a constant, wherever it is read from.
	if w.zone, err = time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
		wrong("timeZone", s.TimeZone, "the IANA name of a time zone expected, as in Europe/Berlin")
	}
	for i, key := range []string{"applications", "clusters", "namespaces"} {
		for _, text := range [][]string{s.Applications, s.Clusters, s.Namespaces}[i] {
			glob, err := compileGlob(text, "")
			if err != nil {
				wrong(key, text, err.Error())
				glob = regexp.MustCompile("")
			}
			w.selectors[i] = append(w.selectors[i], glob)
		}
	}
	if w.err == nil {
		w.text = fmt.Sprintf("%s, %s %q for %s", place, s.Kind, s.Schedule, s.Duration)
		if s.Active == nil {
			w.text += " in " + w.zone.String()
		}
		w.lastStart = lastStart(w.schedule, w.duration)
	}
	return w
}

// parseSchedule takes what Argo CD takes: five fields and no @daily, before them
// possibly TZ=<zone>. A schedule that never comes, such as 31 February, is an
// error; for Argo CD such a window is always active.
func parseSchedule(text string) (*cron.SpecSchedule, error) {
	const remedy = `five fields of cron expected, as in "0 22 * * 1-5"`
	if strings.Contains(text, "TZ=") && !strings.Contains(text, " ") {
		return nil, errors.New(remedy) // the parser would panic
	}
	schedule, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, remedy)
	}
	spec, ok := schedule.(*cron.SpecSchedule)
	leapYear := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	if !ok || spec.Minute == 0 || spec.Hour == 0 || spec.Next(leapYear).IsZero() {
		return nil, errors.New("it never comes: a time and a day that exist expected")
	}
	return spec, nil
}

// lastStart is window.lastStart.
func lastStart(s *cron.SpecSchedule, duration time.Duration) time.Duration {
	if s.Location != time.Local { // where TZ= gives the schedule days of its own
		return -1
	}
	last := time.Duration(-1)
	for at := time.Duration(0); at < day; at += time.Minute {
		if s.Hour>>(at/time.Hour)&1 == 0 || s.Minute>>(at%time.Hour/time.Minute)&1 == 0 {
			continue
		}
		if last >= 0 && at-last > duration {
			return -1
		}
		last = at
	}
	return last
}

const day = 24 * time.Hour

// selected is what windows select an Application by: its name, its destination's
// cluster under all names that the Application gives, and the namespace there.
func (a Application) selected() [3][]string {
	var cluster []string
	for _, name := range []string{a.Destination.Name, a.Destination.Server} {
		if name != "" {
			cluster = append(cluster, name)
		}
	}
	return [3][]string{{a.Name}, cluster, {a.Destination.Namespace}}
}

// matches reports whether the window is about an Application. One without any
// globs is about none.
func (w *window) matches(selected [3][]string) bool {
	hits, given := 0, 0
	for i, globs := range w.selectors {
		if len(globs) > 0 {
			given++
		}
		if slices.ContainsFunc(globs, func(g *regexp.Regexp) bool { return slices.ContainsFunc(selected[i], g.MatchString) }) {
			hits++
		}
	}
	return hits > 0 && (hits == given || !w.needsAll)
}

// look tells whether the window is active at t, and until when that is sure not
// to change.
func (w *window) look(t time.Time) (active bool, until time.Time) {
	if w.told != nil {
		return *w.told, t.AddDate(5, 0, 0) // later than anybody looks
	}
	local := t.In(w.zone)
	_, offset := local.Zone()
	wall := t.UTC().Add(time.Duration(offset) * time.Second)
	change := w.schedule.Next(wall.Add(-w.duration)) // the first start whose span has not ended
	active = !change.After(wall)
	switch {
	case change.IsZero(): // Next looks five years ahead, and 29 February may be eight away
		active, change = false, wall.AddDate(5, 0, 0)
	case active && w.lastStart >= 0:
		change = change.Truncate(day).Add(w.lastStart).Add(w.duration)
	case active:
		change = change.Add(w.duration)
	}
	until = t.Add(change.Sub(wall))
	if _, shift := local.ZoneBounds(); !shift.IsZero() && shift.Before(until) {
		until = shift // clocks are put forward or back
	}
	return active, until
}

// windows are those of one Application.
type windows struct{ deny, allow []*window }

// Forbids reports whether the windows of the project forbid an automatic sync
// of one of its Applications now. The reason names the project and the window:
// of the deny windows the first that is active, else of the allow windows the
// one that is active next. It opens when the answer changes; the zero time
// means that no such moment was found in the year ahead.
//
// The rules are those of Argo CD. Windows that are about the Application
// count: by its name, its destination's cluster (server or name, as the
// Application gives it) or namespace. An active deny window forbids; otherwise
// an active allow window allows; otherwise it is forbidden if there are allow
// windows, and allowed if there are none. Like there a window that does not
// compile forbids; unlike there that goes for an unknown time zone, kind or
// glob too, and for a schedule that never comes.
func (p Project) Forbids(app Application, now time.Time) (reason string, opens time.Time, forbidden bool) {
	var ws windows
	selected := app.selected()
	for _, w := range p.windows {
		switch {
		case !w.matches(selected):
		case w.err != nil:
			return fmt.Sprintf("project %s: %v", p.Key, w.err), time.Time{}, true
		case w.deny:
			ws.deny = append(ws.deny, w)
		default:
			ws.allow = append(ws.allow, w)
		}
	}
	opens, found := ws.opening(now)
	if found && opens.Equal(now) {
		return "", time.Time{}, false
	}
	if i := firstActive(ws.deny, now); i >= 0 {
		return fmt.Sprintf("project %s: %s, is active", p.Key, ws.deny[i].text), opens, true
	}
	reason = fmt.Sprintf("project %s: no allow window is active", p.Key)
	if i := firstActive(ws.allow, opens); found && i >= 0 {
		return fmt.Sprintf("%s; the next is %s", reason, ws.allow[i].text), opens, true
	}
	return fmt.Sprintf("%s; the first is %s", reason, ws.allow[0].text), opens, true
}

func firstActive(ws []*window, t time.Time) int {
	return slices.IndexFunc(ws, func(w *window) bool {
		active, _ := w.look(t)
		return active
	})
}

// maxLooks bounds how often windows are looked at to find an opening. One that
// never comes takes about two looks a day for each window.
const maxLooks = 10_000

// opening is the first moment from t on at which a sync is allowed.
func (ws windows) opening(t time.Time) (opens time.Time, found bool) {
	horizon := t.AddDate(1, 0, 0)
	for range 1 + maxLooks/max(1, len(ws.deny)+len(ws.allow)) {
		from := t
		for _, w := range ws.deny {
			if active, until := w.look(t); active {
				t = until
			}
		}
		t = ws.allowed(t)
		switch {
		case t.After(horizon):
			return time.Time{}, false
		case t.Equal(from):
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// allowed is t if the allow windows allow a sync then, and otherwise the next
// moment at which they may.
func (ws windows) allowed(t time.Time) time.Time {
	if len(ws.allow) == 0 {
		return t
	}
	var next time.Time
	for i, w := range ws.allow {
		active, until := w.look(t)
		if active {
			return t
		}
		if i == 0 || until.Before(next) {
			next = until
		}
	}
	return next
}
