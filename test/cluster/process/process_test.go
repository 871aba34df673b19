package process_test

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"argocd-image-updater/test/cluster/process"
)

// start starts a shell script and waits until it has said that it is ready.
func start(t *testing.T, script string) *process.Process {
	t.Helper()
	ready := make(signalling)
	cmd := process.Command("sh", "-c", script)
	cmd.Stdout = ready
	p, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-ready:
	case <-time.After(time.Minute):
		t.Fatalf("it does not get ready: %v", p.Kill())
	}
	return p
}

// signalling tells once that something was written.
type signalling chan struct{}

func (s signalling) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("ready")) {
		close(s)
	}
	return len(b), nil
}

func TestStop(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		fails  string // what the error says; "" is none
	}{
		"it ends well":      {`trap "exit 0" TERM; echo ready; while :; do sleep 0.01; done`, ""},
		"it ends badly":     {`trap "exit 3" TERM; echo ready; while :; do sleep 0.01; done`, "exit status 3"},
		"it does not end":   {`trap "" TERM; echo ready; while :; do sleep 0.01; done`, "sh did not end within 100ms of SIGTERM"},
		"it does not catch": {`echo ready; while :; do sleep 0.01; done`, "signal: terminated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, c.script)
			patience := time.Minute
			if name == "it does not end" {
				patience = 100 * time.Millisecond
			}
			err := p.Stop(patience)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("%v, want %q", err, c.fails)
			}
			select {
			case <-p.Done():
			default:
				t.Error("it still runs")
			}
		})
	}
}

// A program that has ended by itself is neither signalled nor forgotten.
func TestStopAfterTheEnd(t *testing.T) {
	p := start(t, "echo ready; exit 4")
	<-p.Done()
	for name, err := range map[string]error{"stop": p.Stop(time.Minute), "kill": p.Kill(), "wait": p.Wait()} {
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 4 {
			t.Errorf("%s: %v, want exit code 4", name, err)
		}
	}
}

func TestStartOfNothing(t *testing.T) {
	_, err := process.Start(process.Command("/no/such/program"))
	if err == nil || !strings.Contains(err.Error(), "start program: ") {
		t.Errorf("%v, want that it cannot be started", err)
	}
}
