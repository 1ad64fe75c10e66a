//go:build unix

package backendtest

import (
	"fmt"
	"syscall"
	"time"
)

const limitsFiles = true

// limitFiles lowers the number of descriptors that this process may have open.
func limitFiles(n int) error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("read the limit of descriptors: %w", err)
	}
	l.Cur = uint64(n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("set the limit of descriptors to %d: %w", n, err)
	}
	return nil
}

// cpuTime is what this process has used, in user and in system mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
