//go:build !linux

package backendtest

func usableCPUs() (cpus []int, known bool) { return nil, false }

func pinnedThreads() int { return 0 }
