package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/server"
)

// The health of the program, step by step. Cycles come every minute and may be
// silent for five.
func TestHealth(t *testing.T) {
	const ok = "OK"
	down := errors.New("list applications: connection refused")
	type step struct {
		after       time.Duration
		do          func(*server.Health)
		alive       string
		ready       string
		description string
	}
	begin := (*server.Health).Begin
	listed := (*server.Health).Listed
	progress := (*server.Health).Progress
	standBy := (*server.Health).StandBy
	end := func(h *server.Health) { h.End(nil) }
	fail := func(h *server.Health) { h.End(down) }
	prepare := func(h *server.Health) { h.Prepare("waiting for the caches") }
	wait := func(*server.Health) {}
	denied := func(h *server.Health) { h.Waiting(fault.ErrDenied) }
	held := func(h *server.Health) { h.Waiting(nil) }
	const starting, caches, failed = "starting", "waiting for the caches", "the last cycle failed: list applications: connection refused"

	for name, steps := range map[string][]step{
		"from start to rest": {
			{0, wait, ok, starting, "nothing was tried yet"},
			{time.Second, prepare, ok, caches, ""},
			{time.Second, begin, ok, caches, "nothing was listed yet"},
			{time.Second, listed, ok, ok, ""},
			{time.Minute, end, ok, ok, ""},
			{time.Minute, begin, ok, ok, "a further cycle has nothing to prove"},
		},
		"no API server at the start, for hours": {
			{0, prepare, ok, caches, ""},
			{5 * time.Hour, wait, ok, caches, "a restart brings no API server back"},
		},
		"the API server goes away": {
			{0, begin, ok, starting, ""},
			{time.Second, end, ok, ok, "who does not tell of the list tells of the end"},
			{time.Minute, begin, ok, ok, ""},
			{time.Second, fail, ok, failed, ""},
			{time.Minute, begin, ok, failed, "beginning proves nothing"},
			{time.Second, fail, ok, failed, ""},
			{time.Minute, begin, ok, failed, ""},
			{time.Second, listed, ok, ok, "and comes back"},
		},
		"a registry that is slow to fail": {
			{0, begin, ok, starting, ""},
			{0, listed, ok, ok, ""},
			{4 * time.Minute, progress, ok, ok, ""},
			{4 * time.Minute, progress, ok, ok, ""},
			{4 * time.Minute, progress, ok, ok, "each time-out is a sign of life"},
			{time.Minute, end, ok, ok, ""},
		},
		"a cycle that hangs": {
			{0, begin, ok, starting, ""},
			{time.Minute, listed, ok, ok, ""},
			{5 * time.Minute, wait, ok, ok, "just in time"},
			{time.Second, wait,
				"stuck: no answer, failure or time-out for 5m1s in a cycle that began 6m1s ago",
				"stuck: no answer, failure or time-out for 5m1s in a cycle that began 6m1s ago", ""},
			{time.Second, progress, ok, ok, "it was only slow"},
		},
		"a loop that hangs": {
			{0, begin, ok, starting, ""},
			{0, end, ok, ok, ""},
			{5 * time.Minute, progress, ok, ok, "what others do between cycles proves nothing"},
			{time.Minute, wait, ok, ok, "just in time"},
			{time.Second, wait,
				"stuck: the last cycle ended 6m1s ago and the next has not begun; they come every 1m0s",
				"stuck: the last cycle ended 6m1s ago and the next has not begun; they come every 1m0s", ""},
		},
		"standing by without the Lease": {
			{0, begin, ok, starting, ""},
			{0, end, ok, ok, ""},
			{0, standBy, ok, ok, ""},
			{time.Second, denied, ok, "denied", "nobody may be leading"},
			{time.Second, held, ok, ok, ""},
			{time.Second, denied, ok, "denied", ""},
			{time.Second, end, ok, ok, "a cycle says more"},
			{0, denied, ok, ok, "it leads"},
		},
		"standing by, and taking over": {
			{0, standBy, ok, ok, ""},
			{48 * time.Hour, wait, ok, ok, "nothing is expected of it"},
			{0, begin, ok, ok, ""},
			{time.Minute, fail, ok, failed, ""},
			{time.Minute, standBy, ok, ok, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			h := server.NewHealth(server.HealthOptions{Interval: time.Minute, Now: func() time.Time { return now }})
			for i, s := range steps {
				now = now.Add(s.after)
				s.do(h)
				if got := ask(t, h, "/healthz"); got != s.alive {
					t.Errorf("step %d: /healthz says %q, want %q; %s", i, got, s.alive, s.description)
				}
				if got := ask(t, h, "/readyz"); got != s.ready {
					t.Errorf("step %d: /readyz says %q, want %q; %s", i, got, s.ready, s.description)
				}
			}
		})
	}
}

// ask gives the line that a probe answers, whose status has to fit it.
func ask(t *testing.T, h *server.Health, path string) string {
	t.Helper()
	answer := httptest.NewRecorder()
	h.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	text, ended := strings.CutSuffix(answer.Body.String(), "\n")
	status := http.StatusServiceUnavailable
	if text == "OK" {
		status = http.StatusOK
	}
	if answer.Code != status || !ended {
		t.Errorf("%s: %d with %q", path, answer.Code, answer.Body)
	}
	return text
}

func TestNothingElseIsServed(t *testing.T) {
	h := server.NewHealth(server.HealthOptions{})
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodHead, "/healthz", 200},
		{http.MethodPost, "/healthz", 405},
		{http.MethodGet, "/", 404},
		{http.MethodGet, "/healthz/", 404},
		{http.MethodGet, "/debug/pprof/", 404},
	} {
		answer := httptest.NewRecorder()
		h.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil))
		if answer.Code != c.status {
			t.Error(fmt.Sprint(c.method, " ", c.path, ": ", answer.Code, ", want ", c.status))
		}
	}
}
