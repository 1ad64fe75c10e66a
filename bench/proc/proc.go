// Package proc reads what the kernel knows about processes and the machine: CPU time to the nanosecond,
// memory, context switches, network counters. It measures contestants from outside, so that none of them
// has to be trusted or instrumented. On platforms other than Linux every reading says ErrUnsupported.
package proc

import (
	"errors"
	"time"
)

// ErrUnsupported is returned by every reading where there is no Linux /proc.
var ErrUnsupported = errors.New("not known on this platform: it needs Linux")

// Usage is what a group of processes has used since each of them started, and what it holds now.
type Usage struct {
	// CPU is user and system time of all threads.
	CPU time.Duration
	// Threads is the CPU time of each thread that lives, by thread id.
	Threads map[int]time.Duration
	// Voluntary counts switches by threads that wait, Involuntary those that were pushed off a CPU.
	Voluntary, Involuntary uint64
	// RSS is resident memory in bytes.
	RSS int64
}

// Host is a reading of the machine's counters, all growing since boot except SocketBytes.
type Host struct {
	At time.Time
	// CPUs are the times of each CPU by its number. A CPU that is offline is missing.
	CPUs map[int]CPU
	// Network counts what all interfaces received, loopback included.
	NetworkBytes, NetworkPackets uint64
	// SocketBytes is the kernel memory held by TCP sockets now, of all processes.
	SocketBytes int64
}

// CPU is the time one CPU spent, in clock ticks of 10 ms on nearly every kernel.
type CPU struct {
	// Busy is time in user, system and interrupts; Stolen is time the hypervisor gave to others.
	Busy, Idle, Stolen time.Duration
}

// Load is how the CPUs in a list spent the time between two readings, each as a share of their time,
// 0 to 1.
type Load struct{ Busy, Stolen float64 }

// Between is the load of the CPUs listed, or of all when none is, from one reading to a later one.
func Between(before, after Host, cpus []int) Load {
	if len(cpus) == 0 {
		for n := range after.CPUs {
			cpus = append(cpus, n)
		}
	}
	var sum CPU
	for _, n := range cpus {
		a, b := after.CPUs[n], before.CPUs[n]
		sum.Busy += a.Busy - b.Busy
		sum.Idle += a.Idle - b.Idle
		sum.Stolen += a.Stolen - b.Stolen
	}
	total := sum.Busy + sum.Idle + sum.Stolen
	if total <= 0 {
		return Load{}
	}
	return Load{Busy: float64(sum.Busy) / float64(total), Stolen: float64(sum.Stolen) / float64(total)}
}
