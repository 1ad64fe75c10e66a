package runner

import (
	"fmt"
	"time"

	"echosrv/bench/load"
	"echosrv/bench/result"
)

// Limits of a run, so that a server that hangs costs seconds.
const (
	connectTimeout = 5 * time.Second
	leastDrain     = time.Second
	mostDrain      = 20 * time.Second
	// slowest is the rate in bytes/s at which a sound server at least returns what is in flight.
	slowest = 50e6
)

// drainTimeout is how long the echoes that are owed at the end may take.
func drainTimeout(c result.Cell, sizes load.Sizes) time.Duration {
	inFlight := float64(c.Connections) * float64(max(1, c.Depth)) * sizes.Mean()
	return min(mostDrain, leastDrain+time.Duration(inFlight/slowest*float64(time.Second)))
}

// Load is the configuration of the client for a cell, without an address.
func Load(c result.Cell, cpus []int) (load.Config, error) {
	sizes, err := load.ParseSizes(c.Sizes)
	if err != nil {
		return load.Config{}, err
	}
	var arrivals load.Arrivals
	if c.Arrivals != "" {
		if arrivals, err = load.ParseArrivals(c.Arrivals); err != nil {
			return load.Config{}, err
		}
	}
	config := load.Config{
		Connections: c.Connections, Depth: c.Depth, Sizes: sizes,
		Duration: c.Duration, Warmup: c.Warmup, Ramp: c.Ramp,
		Threads: c.ClientThreads, CPUs: cpus, Seed: c.Seed,
		Rate: c.Rate, Arrivals: arrivals,
		Churn: c.Churn, ChurnPackets: c.ChurnPackets,
		Idle: c.Idle, Slow: c.Slow, SlowRate: c.SlowRate,
		ConnectTimeout: connectTimeout, DrainTimeout: drainTimeout(c, sizes),
	}
	config.Address = "127.0.0.1:1" // stands for that of each server
	return config, config.Check()
}

// Name is the short form of a cell: connections x depth x sizes, and what else it has.
func Name(c result.Cell) string {
	name := fmt.Sprintf("%dx%dx%s", c.Connections, c.Depth, c.Sizes)
	if c.Rate > 0 {
		name += fmt.Sprintf("@%.0f/s", c.Rate)
	}
	if c.Churn > 0 {
		name += fmt.Sprintf(" churn %.0f/s", c.Churn)
	}
	if c.Idle > 0 {
		name += fmt.Sprintf(" idle %d", c.Idle)
	}
	if c.Slow > 0 {
		name += fmt.Sprintf(" slow %d", c.Slow)
	}
	if c.ServerThreads > 1 { // one is what is meant without saying
		name += fmt.Sprintf(" threads %d", c.ServerThreads)
	}
	if c.Work > 0 {
		name += fmt.Sprintf(" work %v", c.Work)
	}
	return name
}
