//go:build !linux

package proc

import "time"

// CPUTime is not known here.
func CPUTime([]int) (time.Duration, error) { return 0, ErrUnsupported }

// Read is not known here.
func Read([]int) (Usage, error) { return Usage{}, ErrUnsupported }

// Group is not known here.
func Group(int) ([]int, error) { return nil, ErrUnsupported }

// ReadHost is not known here.
func ReadHost() (Host, error) { return Host{}, ErrUnsupported }
