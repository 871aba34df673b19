package argo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
)

// chance makes windows and moments.
type chance struct{ *rand.Rand }

func pick[T any](c chance, of ...T) T { return of[c.IntN(len(of))] }

func (c chance) field(low, high int) string {
	a, b := low+c.IntN(high-low+1), low+c.IntN(high-low+1)
	return pick(c, "*", fmt.Sprint(a), fmt.Sprintf("%d-%d", min(a, b), max(a, b)), fmt.Sprintf("%d,%d", a, b), fmt.Sprintf("*/%d", 1+c.IntN(high/2)))
}

func (c chance) window(duration string) SyncWindow {
	w := pick(c, deny, allow)(
		c.field(0, 59)+" "+c.field(0, 23)+" "+pick(c, "*", "*", c.field(1, 28))+" "+pick(c, "*", "*", "*", c.field(1, 12))+" "+pick(c, "*", c.field(0, 6)),
		duration, pick(c, "", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"))
	if c.IntN(20) == 0 {
		w.Schedule = "TZ=Asia/Tokyo " + w.Schedule
	}
	return w
}

// moment is on any day, or near to one on which clocks are put forward or back.
func (c chance) moment() time.Time {
	day := pick(c, 1+c.IntN(365),
		67, 87, 94, 277, 298, 305) // New York, Berlin, Lord Howe in 2026
	return time.Date(2026, 1, day, c.IntN(24), c.IntN(60), c.IntN(60), c.IntN(3)*250_000_000, time.UTC)
}

// TestForbidsAgainstMinutes compares with a plain implementation: all starts
// of ten days, the minutes that each covers, and one minute after the other.
func TestForbidsAgainstMinutes(t *testing.T) {
	const days = 10
	c := chance{rand.New(rand.NewPCG(1, 1))}
	opened := 0
	for range 150 {
		var written []SyncWindow
		for range 1 + c.IntN(5) {
			written = append(written, c.window((time.Duration(1+c.IntN(pick(c, 30, 300, 3000))) * time.Minute).String()))
		}
		now := c.moment()
		reference := newReference(t, written, now, days)
		wantOpens, found := reference.opens(now)
		_, opens, forbidden := project(written...).Forbids(web, now)
		switch {
		case forbidden != !reference.allowed(now):
			t.Errorf("%v\nat %v: forbidden is %v", written, now, forbidden)
		case forbidden && found && !opens.Equal(wantOpens):
			t.Errorf("%v\nat %v: opens %v, want %v", written, now, opens, wantOpens)
		case forbidden && !found && !opens.IsZero() && opens.Before(now.AddDate(0, 0, days-1)):
			t.Errorf("%v\nat %v: opens %v, want none so early", written, now, opens)
		}
		if forbidden && found {
			opened++
		}
	}
	if opened < 40 {
		t.Errorf("only %d windows opened: this is no test", opened)
	}
}

// reference knows by the minute which windows are active.
type reference struct {
	windows []SyncWindow
	zones   []*time.Location
	active  [][]bool // by the minute that clocks show, from first on
	first   int64    // since 1970
}

func newReference(t *testing.T, windows []SyncWindow, now time.Time, days int) reference {
	t.Helper()
	r := reference{windows: windows, first: now.AddDate(0, 0, -5).Unix() / 60}
	for _, w := range windows {
		zone, err := time.LoadLocation(w.TimeZone)
		if err != nil {
			t.Fatal(err)
		}
		schedule, err := cron.ParseStandard(w.Schedule)
		if err != nil {
			t.Fatal(err)
		}
		duration, err := time.ParseDuration(w.Duration)
		if err != nil {
			t.Fatal(err)
		}
		active, marked := make([]bool, (days+9)*24*60), int64(0)
		end := now.AddDate(0, 0, days+1)
		for start := schedule.Next(now.AddDate(0, 0, -4)); start.Before(end) && !start.IsZero(); start = schedule.Next(start) {
			first := start.Unix()/60 - r.first
			for marked = max(marked, first); marked < first+int64(duration/time.Minute); marked++ {
				active[marked] = true
			}
		}
		r.zones, r.active = append(r.zones, zone), append(r.active, active)
	}
	return r
}

func (r reference) allowed(t time.Time) bool {
	allows, allowed := false, false
	for i, w := range r.windows {
		_, offset := t.In(r.zones[i]).Zone()
		active := r.active[i][(t.Unix()+int64(offset))/60-r.first]
		if w.Kind == "deny" && active {
			return false
		}
		allows = allows || w.Kind == "allow"
		allowed = allowed || w.Kind == "allow" && active
	}
	return allowed || !allows
}

func (r reference) opens(now time.Time) (time.Time, bool) {
	end := now.AddDate(0, 0, 9)
	for t := now.Truncate(time.Minute).Add(time.Minute); t.Before(end); t = t.Add(time.Minute) {
		if r.allowed(t) {
			return t, true
		}
	}
	return time.Time{}, false
}

// TestForbidsUntilItOpens: whatever the windows, it is forbidden right before
// the moment that was told and not at it; and the order of the windows changes
// nothing.
func TestForbidsUntilItOpens(t *testing.T) {
	c := chance{rand.New(rand.NewPCG(2, 2))}
	opened := 0
	for range 500 {
		var written []SyncWindow
		for range 1 + c.IntN(8) {
			written = append(written, c.window((time.Duration(1+c.IntN(pick(c, 100, 10_000, 1_000_000))) * pick(c, time.Second, 100*time.Millisecond)).String()))
		}
		now, p := c.moment(), project(written...)
		_, opens, forbidden := p.Forbids(web, now)
		c.Shuffle(len(written), func(i, k int) { written[i], written[k] = written[k], written[i] })
		if _, again, too := project(written...).Forbids(web, now); again != opens || too != forbidden {
			t.Errorf("%v\nat %v: %v in one order, %v in another", written, now, opens, again)
		}
		if opens.IsZero() {
			continue
		}
		opened++
		if reason, _, still := p.Forbids(web, opens); still {
			t.Errorf("%v\nat %v: opens %v, and then %s", written, now, opens, reason)
		}
		for _, before := range []time.Duration{1, time.Second, time.Hour} {
			if moment := opens.Add(-before); moment.After(now) && !isForbidden(p, moment) {
				t.Errorf("%v\nat %v: opens %v, and is open %v before", written, now, opens, before)
			}
		}
	}
	if opened < 120 {
		t.Errorf("only %d windows opened: this is no test", opened)
	}
}

func isForbidden(p Project, t time.Time) bool {
	_, _, forbidden := p.Forbids(web, t)
	return forbidden
}

// TestLookAsArgoCD compares with the rule by which Argo CD finds out whether
// a window is active. It leaves out the very moment of the start, so that
// moment is left out here.
func TestLookAsArgoCD(t *testing.T) {
	c := chance{rand.New(rand.NewPCG(3, 3))}
	active := 0
	for range 1500 {
		w, now := c.window((time.Duration(1+c.IntN(100_000)) * time.Second).String()), c.moment().Add(time.Nanosecond)
		zone, err := time.LoadLocation(w.TimeZone)
		if err != nil {
			t.Fatal(err)
		}
		schedule, err := cron.ParseStandard(w.Schedule)
		if err != nil {
			t.Fatal(err)
		}
		duration, err := time.ParseDuration(w.Duration)
		if err != nil {
			t.Fatal(err)
		}
		_, offset := now.In(zone).Zone()
		shown := now.Add(time.Duration(offset) * time.Second)
		want := schedule.Next(shown.Add(-duration)).Before(shown)
		if got, _ := w.compile("").look(now); got != want {
			t.Errorf("%v at %v: active is %v for Argo CD", w, now, want)
		}
		if want {
			active++
		}
	}
	if active < 150 {
		t.Errorf("only %d windows were active: this is no test", active)
	}
}

// BenchmarkForbids is one Application, judged once.
func BenchmarkForbids(b *testing.B) {
	c := chance{rand.New(rand.NewPCG(4, 4))}
	daily := func(kind func(string, string, string) SyncWindow) SyncWindow {
		return kind(fmt.Sprintf("%d %d * * *", c.IntN(60), c.IntN(24)), "1h", pick(c, "", "Europe/Berlin"))
	}
	var mixed []SyncWindow
	for range 1000 {
		mixed = append(mixed, c.window("30m"))
	}
	var covered []SyncWindow
	for range 1000 {
		covered = append(covered, daily(deny))
	}
	for _, bench := range []struct {
		name    string
		windows []SyncWindow
	}{
		{"one that is not active", []SyncWindow{deny("0 22 * * *", "1h", "Europe/Berlin")}},
		{"five that are usual", []SyncWindow{deny("0 22 * * *", "8h", "Europe/Berlin"), deny("0 0 24 12 *", "48h", ""), allow("0 9 * * 1-5", "8h", ""), allow("0 20 * * 6", "1h", ""), daily(allow)}},
		{"every minute, never open", []SyncWindow{deny("* * * * *", "1m", "Europe/Berlin")}},
		{"two that never meet", []SyncWindow{allow("0 9 * * *", "1h", ""), deny("0 9 * * *", "1h", "")}},
		{"minutes in turns, never open", []SyncWindow{deny("*/2 * * * *", "1m", ""), deny("1-59/2 * * * *", "1m", "")}},
		{"1000 every minute", slices.Repeat([]SyncWindow{deny("* * * * *", "1m", "")}, 1000)},
		{"1000 of any kind", mixed},
		{"1000 daily, never open", covered},
	} {
		p := project(bench.windows...)
		now := time.Date(2026, 11, 22, 12, 34, 56, 0, time.UTC)
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				p.Forbids(web, now)
			}
		})
	}
	b.Run("compile 1000", func(b *testing.B) {
		for b.Loop() {
			project(mixed...)
		}
	})
}
