package cluster_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// interruptible is a variable that makes this test binary wait for its end
// instead of testing.
const interruptible = "CLUSTER_TESTS_WAIT"

// waiting are tests that never end.
type waiting struct{}

func (waiting) Run() int {
	fmt.Println("ready")
	select {}
}

// Whatever ends a test binary ends its servers. When it is asked to end, it
// cleans up as well.
func TestServersEndWithTheTests(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Log("no /proc: only Linux ends the servers in every case")
		return
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), interruptible+"=yes", "TMPDIR="+dir)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
				t.Fatalf("said %q, %v", line, err)
			}
			if running := commandsThatName(t, dir); len(running) != 2 {
				t.Errorf("running: %q, want an etcd and a kube-apiserver", running)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("it ended as if the tests had passed")
			}
			for deadline := time.Now().Add(5 * time.Second); len(commandsThatName(t, dir)) > 0; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("still running: %q", commandsThatName(t, dir))
				}
			}
			left, err := os.ReadDir(dir)
			if err != nil || signal != syscall.SIGKILL && len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// commandsThatName are the running programs with a text in their arguments.
func commandsThatName(t *testing.T, text string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, file := range files {
		// A process that has ended meanwhile has no file, and a zombie an empty one.
		if command, err := os.ReadFile(file); err == nil && strings.Contains(string(command), text) {
			program, _, _ := strings.Cut(string(command), "\x00")
			commands = append(commands, program)
		}
	}
	return commands
}
