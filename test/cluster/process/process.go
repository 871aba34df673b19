// Package process runs programs that never outlive the process that started
// them: not after a failed test, not after a panic, and on Linux not even after
// kill -9.
//
// It ends programs by the id under which it started them. It does not look for
// programs by name, and it refuses to adopt one.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Process is a program that was started.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of the end; written before done is closed
}

// Command is a command for Start. No context ends it: Stop does, or Kill, or the
// end of this process.
func Command(program string, args ...string) *exec.Cmd {
	return exec.Command(program, args...) //nolint:noctx // see above
}

// Start starts a command.
func Start(cmd *exec.Cmd) (*Process, error) {
	tie(cmd)
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// What ties the program to us is the end of the thread that started it
		// (PR_SET_PDEATHSIG(2const)), so this thread has to wait for the program.
		runtime.LockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	return p, nil
}

// ID is the id under which the operating system knows the program.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end; the error is that of [exec.Cmd.Wait].
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Stop sends SIGTERM and waits for the end. A program that has not ended after
// the patience is killed. A program that had ended before is left as it is.
func (p *Process) Stop(patience time.Duration) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed: %w", filepath.Base(p.cmd.Path), patience, p.Kill())
	}
}

// Kill ends the program at once and waits until it is gone.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	return p.Wait()
}

// signal reaches a program that has not ended; one that has needs no signal.
func (p *Process) signal(s os.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", s, filepath.Base(p.cmd.Path), err)
	}
	return nil
}
