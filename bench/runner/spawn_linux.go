package runner

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolate puts a child into a process group of its own, so that the terminal's Ctrl-C doesn't reach it and
// the whole group can be ended. With dieWithParent the kernel kills it when the thread that started it
// ends (PR_SET_PDEATHSIG).
func isolate(cmd *exec.Cmd, dieWithParent bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if dieWithParent {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
}

// killGroup ends every process in the group.
func killGroup(pgid int) { _ = syscall.Kill(-pgid, syscall.SIGKILL) }

// onCPUs calls f with the calling thread, which must be locked to its goroutine, confined to cpus: what it
// starts inherits that.
func onCPUs(cpus []int, f func() error) error {
	if len(cpus) == 0 {
		return f()
	}
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("failed to read the allowed CPUs: %w", err)
	}
	if err := confine(0, cpus); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &before)
	return f()
}

// confine sets the CPUs of one thread; 0 is the caller.
func confine(tid int, cpus []int) error {
	var set unix.CPUSet
	for _, n := range cpus {
		set.Set(n)
	}
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("failed to confine a process to CPUs %v: %w", cpus, err)
	}
	return nil
}
