//go:build unix

package selftest

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

const canStop = true

// stopProcess stops a process for a while and says for how long it was.
func stopProcess(ctx context.Context, pid int) pauseResult {
	if !wait(ctx, stopAfter) {
		return pauseResult{err: context.Cause(ctx)}
	}
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return pauseResult{err: fmt.Errorf("failed to stop the server: %w", err)}
	}
	wait(ctx, stopFor)
	err := syscall.Kill(pid, syscall.SIGCONT)
	return pauseResult{length: time.Since(began), err: err}
}

// wait is false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
