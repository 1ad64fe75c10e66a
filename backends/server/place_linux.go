package server

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// confine keeps every thread of the process on the given CPUs. A thread inherits the mask of the one that
// starts it, so it is enough to go over the threads there are until a pass finds none that is new.
func confine(cpus []int) error {
	allowed, err := allowedCPUs()
	if err != nil {
		return err
	}
	var mask unix.CPUSet
	for _, cpu := range cpus {
		mask.Set(cpu)
	}
	seen := map[int]bool{}
	for fresh := true; fresh; {
		fresh = false
		threads, err := threadIDs()
		if err != nil {
			return err
		}
		for _, id := range threads {
			if seen[id] {
				continue
			}
			seen[id], fresh = true, true
			if err := unix.SchedSetaffinity(id, &mask); err != nil && err != unix.ESRCH {
				return fmt.Errorf("can't run on CPUs %s: %w; this process may use %s", FormatCPUs(cpus), err, FormatCPUs(allowed))
			}
		}
	}
	return checkConfined(cpus, allowed)
}

// checkConfined finds CPUs that the kernel silently left out because they don't exist or aren't allowed.
func checkConfined(want, allowed []int) error {
	have, err := allowedCPUs()
	if err != nil {
		return err
	}
	if FormatCPUs(have) != FormatCPUs(want) {
		return fmt.Errorf("can't run on CPUs %s, only on %s of them; this process may use %s",
			FormatCPUs(want), FormatCPUs(have), FormatCPUs(allowed))
	}
	return nil
}

// allowedCPUs are the CPUs that the main thread may run on.
func allowedCPUs() ([]int, error) {
	var mask unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &mask); err != nil {
		return nil, fmt.Errorf("failed to read the CPUs of this process: %w", err)
	}
	var cpus []int
	for cpu := 0; cpu <= MaxCPU; cpu++ {
		if mask.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

func threadIDs() ([]int, error) {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, fmt.Errorf("failed to list the threads of this process: %w", err)
	}
	var ids []int
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
