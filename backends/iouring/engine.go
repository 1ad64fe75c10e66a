// Package iouring is the engine on io_uring, written on raw system calls, without cgo.
package iouring

import (
	"fmt"
	"strconv"

	"echosrv/backends"
)

// Engine is the entry of the table in backends/all.
func Engine() backends.Engine {
	return backends.Engine{
		Name:  "iouring",
		Model: "completion loop on io_uring",
		Capabilities: backends.Capabilities{
			PauseReads: true, HalfClose: true, LosslessDrain: true, SurvivesFullTable: true, Timers: true,
			OrderlyClose: true, NoDelay: true, CPUPinning: true,
		},
		Options: []backends.Option{
			{Key: "buffer", Default: "128KiB", Help: "size of a shared receive buffer", Check: backends.Bytes(minBuffer, maxBuffer)},
			{Key: "buffers", Default: "8", Help: "receive buffers of a loop, a power of two", Check: checkCount},
			{Key: "inc", Default: "true", Help: "", Check: backends.Flag},
		},
		Threads:   func() int { return 1 },
		Available: available,
		New:       newBackend,
	}
}

const (
	minBuffer = 512
	maxBuffer = 16 << 20
	// maxBuffers is the most that a ring of provided buffers can have: its indices are 16 bits wide and
	// must tell a full ring from an empty one.
	maxBuffers = 1 << 15
)

func checkCount(v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxBuffers || n&(n-1) != 0 {
		return fmt.Errorf("powers of two from 1 to %d are allowed", maxBuffers)
	}
	return nil
}

func bufferCount(o backends.Options) int { n, _ := strconv.Atoi(o.String("buffers")); return n }

func incremental(o backends.Options) uint16 {
	if o.Flag("inc") {
		return 2
	}
	return 0
}
