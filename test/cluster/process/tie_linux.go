package process

import (
	"os/exec"
	"syscall"
)

// tie lets the kernel end the program with the thread that starts it.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
