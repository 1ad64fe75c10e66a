package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxCPU is the highest CPU number that can be named: the kernel's mask as the unix package sends it has
// 1024 bits.
const MaxCPU = 1023

// ParseCPUs reads a list of CPU numbers and ranges, such as "0-3,6", in the form of the kernel's
// Cpus_allowed_list. The result is sorted and holds each once. An empty text is an empty list.
func ParseCPUs(text string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	var cpus []int
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 32)
		to, err2 := strconv.ParseUint(last, 10, 32)
		switch {
		case err1 != nil || err2 != nil:
			return nil, fmt.Errorf("%q is not a CPU number or range; a list looks like 0-3,6", part)
		case to > MaxCPU:
			return nil, fmt.Errorf("CPU %d is above the highest that can be named, %d", to, MaxCPU)
		case from > to:
			return nil, fmt.Errorf("the range %q runs backwards", part)
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, int(cpu))
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}

// FormatCPUs writes a sorted list so that ParseCPUs reads it back.
func FormatCPUs(cpus []int) string {
	var b strings.Builder
	for i := 0; i < len(cpus); {
		end := i + 1
		for end < len(cpus) && cpus[end] == cpus[end-1]+1 {
			end++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(cpus[i]))
		if end-i > 1 {
			fmt.Fprintf(&b, "-%d", cpus[end-1])
		}
		i = end
	}
	return b.String()
}
