package backendtest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// usableCPUs are the first CPUs that this process may run on, at most two.
func usableCPUs() (cpus []int, known bool) {
	list, ok := allowed("/proc/self/status")
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		if err != nil {
			return nil, false
		}
		to := from
		if isRange {
			to, _ = strconv.Atoi(last)
		}
		for ; from <= to && len(cpus) < 2; from++ {
			cpus = append(cpus, from)
		}
	}
	return cpus, ok
}

// pinnedThreads counts the threads of this process that may run on a single CPU only.
func pinnedThreads() int {
	n := 0
	tasks, _ := filepath.Glob("/proc/self/task/*/status")
	for _, task := range tasks {
		if list, ok := allowed(task); ok && !strings.ContainsAny(list, ",-") {
			n++
		}
	}
	return n
}

// allowed is the list of CPUs in a status file of proc(5), such as "0-3,6".
func allowed(status string) (list string, ok bool) {
	text, err := os.ReadFile(status)
	if err != nil {
		return "", false
	}
	_, rest, ok := strings.Cut(string(text), "Cpus_allowed_list:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line), ok
}
