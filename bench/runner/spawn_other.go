//go:build !linux

package runner

import (
	"os/exec"
	"syscall"
)

// isolate puts a child into a process group of its own. Only Linux ends a child with its parent; here the
// end of its standard input does.
func isolate(cmd *exec.Cmd, dieWithParent bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func killGroup(pgid int) { _ = syscall.Kill(-pgid, syscall.SIGKILL) }

// onCPUs only calls f: threads can't be placed here.
func onCPUs(cpus []int, f func() error) error { return f() }
