package runner

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// topology lists the cores of which this process may use at least one CPU, in the order of their first
// CPU. It is read once, before the process confines itself.
var topology = sync.OnceValues(func() ([]core, error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil, fmt.Errorf("failed to read the allowed CPUs: %w", err)
	}
	var cores []core
	siblings := map[string]int{}
	for n := range len(allowed) * 64 {
		if !allowed.IsSet(n) {
			continue
		}
		// A machine that doesn't tell has every CPU taken for a core.
		text, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", n))
		name := strings.TrimSpace(string(text))
		i, known := siblings[name]
		if err != nil || !known {
			i = len(cores)
			siblings[name] = i
			cores = append(cores, nil)
		}
		cores[i] = append(cores[i], n)
	}
	return cores, nil
})

// confineSelf confines every thread of this process, and all that they will start.
func confineSelf(cpus []int) error {
	if len(cpus) == 0 {
		return nil
	}
	if _, err := topology(); err != nil {
		return err
	}
	done := map[string]bool{}
	for grown := true; grown; { // threads may be born meanwhile, by threads not yet confined
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		grown = false
		for _, t := range tasks {
			var tid int
			if done[t.Name()] {
				continue
			}
			fmt.Sscan(t.Name(), &tid)
			if err := confine(tid, cpus); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			done[t.Name()], grown = true, true
		}
	}
	return nil
}

// allowed is the kernel's own list of the CPUs that a process may use, such as "0-3", "" if it can't be
// read.
func allowed(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	lines := strings.Split(string(text), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Cpus_allowed_list:") })
	if i < 0 {
		return ""
	}
	return strings.TrimSpace(strings.TrimPrefix(lines[i], "Cpus_allowed_list:"))
}
