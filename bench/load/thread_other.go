//go:build !linux

package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// settleThread does nothing: pinning a thread is Linux's alone.
func settleThread(int) error { return nil }

// threadCPU is not known here; processCPU is the CPU time of all threads.
func threadCPU() time.Duration { return 0 }

func processCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
