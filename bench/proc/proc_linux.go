package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// A clock id names the CPU clock of a whole process by the complement of its id above three low bits,
// of which 2 selects the scheduler's nanoseconds: CPUCLOCK_SCHED and MAKE_PROCESS_CPUCLOCK in
// include/linux/posix-timers.h, which clock_getcpuclockid(3) computes.
const cpuClockSched = 2

// CPUTime is the CPU time that the processes have used: every thread, those that ended included, as the
// scheduler counts it. It is one system call for each process, so that a reading at the edge of a window
// is a reading of that moment; schedstat, which holds the same counter, lags by up to a clock tick for a
// thread that is running.
func CPUTime(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^pid)<<3|cpuClockSched, &t); err != nil {
			return 0, fmt.Errorf("failed to read the CPU clock of process %d: %w", pid, err)
		}
		sum += time.Duration(t.Nano())
	}
	return sum, nil
}

// Read reads all about the processes. Threads that end while it reads are left out, except for their CPU
// time.
func Read(pids []int) (Usage, error) {
	u := Usage{Threads: map[int]time.Duration{}}
	root, err := procfs.NewDefaultFS()
	if err != nil {
		return u, err
	}
	for _, pid := range pids {
		threads, err := root.AllThreads(pid)
		if err != nil {
			return u, fmt.Errorf("failed to read the threads of process %d: %w", pid, err)
		}
		for i, t := range threads {
			status, err := t.NewStatus()
			if err != nil {
				continue
			}
			u.Voluntary += status.VoluntaryCtxtSwitches
			u.Involuntary += status.NonVoluntaryCtxtSwitches
			if i == 0 {
				u.RSS += int64(status.VmRSS)
			}
			if stat, err := t.Schedstat(); err == nil {
				u.Threads[t.PID] = time.Duration(stat.RunningNanoseconds)
			}
		}
	}
	u.CPU, err = CPUTime(pids)
	return u, err
}

// Group lists the processes of a process group.
func Group(pgid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it ended in the meantime
		}
		// proc_pid_stat(5): the command in parentheses, which may hold anything, then state, ppid, pgrp.
		_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) > 2 && fields[0] != "Z" && fields[2] == strconv.Itoa(pgid) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// ReadHost reads the machine's counters.
func ReadHost() (Host, error) {
	h := Host{At: time.Now(), CPUs: map[int]CPU{}}
	root, err := procfs.NewDefaultFS()
	if err != nil {
		return h, err
	}
	stat, err := root.Stat()
	if err != nil {
		return h, fmt.Errorf("failed to read /proc/stat: %w", err)
	}
	for n, c := range stat.CPU {
		h.CPUs[int(n)] = CPU{
			Busy:   seconds(c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ),
			Idle:   seconds(c.Idle + c.Iowait),
			Stolen: seconds(c.Steal),
		}
	}
	if self, err := root.Self(); err == nil {
		if dev, err := self.NetDev(); err == nil {
			total := dev.Total()
			h.NetworkBytes, h.NetworkPackets = total.RxBytes, total.RxPackets
		}
	}
	h.SocketBytes, err = socketBytes(root)
	return h, err
}

// socketBytes reads TCP's pages from sockstat, which some containers hide: then it is zero.
func socketBytes(root procfs.FS) (int64, error) {
	stat, err := root.NetSockstat()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("failed to read /proc/net/sockstat: %w", err)
	}
	for _, p := range stat.Protocols {
		if p.Protocol == "TCP" && p.Mem != nil {
			return int64(*p.Mem) * int64(os.Getpagesize()), nil
		}
	}
	return 0, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
