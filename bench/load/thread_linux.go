package load

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// settleThread readies the loop's thread: pinned to a CPU (unless below 0), woken without slack.
func settleThread(cpu int) error {
	// Linux lets a sleep last 50 us longer than asked; see prctl(2), PR_SET_TIMERSLACK.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	if cpu < 0 {
		return nil
	}
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil || !set.IsSet(cpu) {
		return fmt.Errorf("failed to pin a loop to CPU %d of %d: %w", cpu, runtime.NumCPU(), err)
	}
	return nil
}

// threadCPU is the CPU time of the calling thread, processCPU that of all threads.
func threadCPU() time.Duration  { return cpuClock(unix.CLOCK_THREAD_CPUTIME_ID) }
func processCPU() time.Duration { return cpuClock(unix.CLOCK_PROCESS_CPUTIME_ID) }

func cpuClock(id int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
