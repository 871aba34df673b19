package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// command is the program, as the ServiceAccount of the install.
func (b *bench) command(ctx context.Context, s *site, args ...string) *exec.Cmd {
	args = append(args, "--registries-conf-path", s.conf, "--health-port", "0", "--metrics-port", "0")
	cmd := exec.CommandContext(ctx, b.binary, args...)
	cmd.Env = append([]string{"KUBECONFIG=" + s.kubeconfig, "HOME=" + b.dir, "NO_COLOR=1"}, passed()...)
	cmd.Stderr = os.Stderr
	return cmd
}

// passed are the variables of the Go runtime, for whoever looks for a cause.
func passed() []string {
	var out []string
	for _, entry := range os.Environ() {
		if strings.HasPrefix(entry, "GO") {
			out = append(out, entry)
		}
	}
	return out
}

// once measures from the start of the process to its end.
func once(ctx context.Context, b *bench, s *site) (figures, error) {
	cmd := b.command(ctx, s, "run", "--once")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return figures{}, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return figures{}, err
	}
	// The peak that wait4(2) tells is that of the process that forked, too.
	peaks, stop := make(chan int), make(chan struct{})
	go follow(cmd.Process.Pid, stop, peaks)
	err = b.results(stdout, s)
	err = errors.Join(err, cmd.Wait())
	took := time.Since(began)
	close(stop)
	return figures{wall: int(took.Milliseconds()), cpu: cpu(cmd.ProcessState), peak: <-peaks}, err
}

func cpu(p *os.ProcessState) int { return int((p.UserTime() + p.SystemTime()).Milliseconds()) }

// follow looks at the peak memory of a process until it is stopped.
func follow(pid int, stop <-chan struct{}, peaks chan<- int) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	peak := 0
	for {
		peak = max(peak, memory(pid, "VmHWM"))
		select {
		case <-stop:
			peaks <- peak
			return
		case <-tick.C:
		}
	}
}

// memory reads a line of /proc/<pid>/status, in MB; 0 if the process is gone.
func memory(pid int, key string) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kb int
		if n, _ := fmt.Sscanf(line, key+": %d kB", &kb); n == 1 {
			return (kb + 1023) / 1024
		}
	}
	return 0
}

// watch measures what a process holds after its first cycle, and again after
// the collector had time.
func watch(ctx context.Context, b *bench, s *site) (figures, error) {
	cmd := b.command(ctx, s, "run", "--interval", "15s", "--leader-election=false")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return figures{}, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return figures{}, err
	}
	err = b.results(stdout, s)
	f := figures{wall: int(time.Since(began).Milliseconds())}
	f.resident, f.peak = memory(cmd.Process.Pid, "VmRSS"), memory(cmd.Process.Pid, "VmHWM")
	if signalled := cmd.Process.Signal(syscall.SIGTERM); signalled != nil {
		return f, errors.Join(err, signalled)
	}
	_, _ = io.Copy(io.Discard, stdout)
	err = errors.Join(err, cmd.Wait())
	f.cpu = cpu(cmd.ProcessState)
	return f, err
}

// results waits for the last line of a cycle and checks its numbers.
func (b *bench) results(stdout io.Reader, s *site) error {
	want := fmt.Sprintf("applications=%d images_considered=%d images_skipped=0 images_updated=0 errors=0", s.fleet.Applications, s.fleet.Applications*s.fleet.Images)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if line := lines.Text(); strings.Contains(line, "Processing results:") {
			if !strings.Contains(line, want) {
				return fmt.Errorf("the cycle ended with %q, want %q", line, want)
			}
			return nil
		}
	}
	return errors.Join(errors.New("the cycle did not end"), lines.Err())
}
