package cluster

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"argocd-image-updater/test/cluster/process"
)

// Result is what became of a program that has ended.
type Result struct {
	Code           int // to exit with; -1 if it was killed
	Stdout, Stderr string
}

// Run runs the program to its end, for a minute at most. It acts as the world's
// ServiceAccount; the kubeconfig for that is $KUBECONFIG of the program.
func (w *World) Run(args ...string) Result {
	w.Helper()
	cmd := w.command(args)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	p, err := process.Start(cmd)
	if err != nil {
		w.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		err = p.Kill()
		w.Fatalf("%s did not end within a minute: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return Result{Code: exitCode(p.Wait()), Stdout: stdout.String(), Stderr: stderr.String()}
}

func (w *World) command(args []string) *exec.Cmd {
	w.Helper()
	path, err := w.program()
	if err != nil {
		w.Fatal(err)
	}
	kubeconfig := w.Kubeconfig
	if kubeconfig == "" {
		kubeconfig = w.KubeconfigOf(w.ServiceAccount)
	}
	cmd := process.Command(path, args...)
	cmd.Dir = w.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "KUBECONFIG=" + kubeconfig, "NO_COLOR=1"}, w.Env...)
	return cmd
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// Program is the updater, running.
type Program struct {
	*process.Process
	world *World
	log   *log
	ended bool // by the test
}

// Start starts the program as Run does and leaves it running. At the end of
// the test it is stopped, if it was not before, and has to end well.
func (w *World) Start(args ...string) *Program {
	w.Helper()
	cmd := w.command(args)
	p := &Program{world: w, log: &log{}}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	var err error
	if p.Process, err = process.Start(cmd); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if !p.ended {
			p.Stop()
		}
		if w.Failed() {
			w.Logf("%s said:\n%s", strings.Join(args, " "), p.log.all())
		}
	})
	return p
}

// Until waits for a line that holds a text, after the one that was waited for
// last, and returns it.
func (p *Program) Until(text string) string {
	p.world.Helper()
	deadline := time.After(30 * time.Second)
	for {
		ended := false
		select {
		case <-p.Done():
			ended = true
		default:
		}
		if line, ok := p.log.next(text); ok {
			return line
		}
		if ended {
			p.world.Fatalf("the program ended before it said %q: %v", text, p.Wait())
		}
		select {
		case <-deadline:
			p.world.Fatalf("waited in vain for the program to say %q", text)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Said is all that the program has said, on either stream.
func (p *Program) Said() string { return p.log.all() }

// Stop sends SIGTERM; the program has ten seconds to end, with code 0.
func (p *Program) Stop() {
	p.world.Helper()
	p.ended = true
	if err := p.Process.Stop(10 * time.Second); err != nil {
		p.world.Errorf("the program did not end well: %v", err)
	}
}

// Kill ends the program at once, as a node that loses power does.
func (p *Program) Kill() {
	p.world.Helper()
	p.ended = true
	if err := p.Process.Kill(); exitCode(err) != -1 {
		p.world.Errorf("the program had ended before it was killed: %v", err)
	}
}

// log holds what a program says.
type log struct {
	mu   sync.Mutex
	text strings.Builder
	read int // up to where next has read
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// next finds the next whole line with a text.
func (l *log) next(text string) (line string, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		line, _, whole := strings.Cut(l.text.String()[l.read:], "\n")
		if !whole {
			return "", false
		}
		l.read += len(line) + 1
		if strings.Contains(line, text) {
			return line, true
		}
	}
}

func (l *log) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
