package main

import (
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"echosrv/backends/server"
	"echosrv/bench/load"
	"echosrv/bench/result"
	"echosrv/bench/runner"
)

const loadGroup = "Load"

// loadFlags are the flags that shape the load, with the defaults of a command.
func loadFlags(duration, warmup time.Duration) []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "connections", Category: loadGroup, Value: 50, Usage: "connections that send and receive"},
		&cli.StringFlag{Name: "size", Category: loadGroup, Value: "1024", Usage: "payload in bytes: one size, a range 64-1500, or a mix with weights 64:80,1024:15,65536:5"},
		&cli.IntFlag{Name: "depth", Category: loadGroup, Value: 1, Usage: "packets in flight on each connection; with --rate, the most there may be"},
		&cli.DurationFlag{Name: "duration", Category: loadGroup, Value: duration, Usage: "length of the measured window"},
		&cli.DurationFlag{Name: "warmup", Category: loadGroup, Value: warmup, Usage: "load before the window opens"},
		&cli.DurationFlag{Name: "ramp", Category: loadGroup, Usage: "time over which connections are opened (default: at once)"},
		&cli.Float64Flag{Name: "rate", Category: loadGroup, Usage: "packets/s in all, due at times fixed beforehand (default: as fast as echoes come back)"},
		&cli.StringFlag{Name: "arrivals", Category: loadGroup, Value: "constant", Usage: "with --rate: constant or poisson"},
		&cli.Float64Flag{Name: "churn", Category: loadGroup, Usage: "connections per second that come, exchange packets and go"},
		&cli.IntFlag{Name: "churn-packets", Category: loadGroup, Value: 1, Usage: "packets of each of those"},
		&cli.IntFlag{Name: "idle", Category: loadGroup, Usage: "connections held open beside the others"},
		&cli.IntFlag{Name: "slow", Category: loadGroup, Usage: "connections that send all they can and read slowly"},
		&cli.Float64Flag{Name: "slow-rate", Category: loadGroup, Value: 1000, Usage: "bytes/s that each of those reads"},
		&cli.Uint64Flag{Name: "seed", Category: loadGroup, Value: 1, Usage: "of payloads, sizes, arrivals and the order of rounds"},
	}
}

// cell is the setting that the flags describe.
func cell(c *cli.Context, clientThreads int) (result.Cell, error) {
	one := result.Cell{
		Connections: c.Int("connections"), Depth: c.Int("depth"), Sizes: c.String("size"),
		Duration: c.Duration("duration"), Warmup: c.Duration("warmup"), Ramp: c.Duration("ramp"),
		Rate: c.Float64("rate"), Churn: c.Float64("churn"),
		Idle: c.Int("idle"), Slow: c.Int("slow"),
		ClientThreads: clientThreads, Seed: c.Uint64("seed"),
	}
	arrivals := c.String("arrivals")
	if arrivals != load.Poisson.String() && arrivals != load.Constant.String() {
		return one, usagef("--arrivals %q: constant and poisson are allowed", arrivals)
	}
	if err := needed(c); err != nil {
		return one, err
	}
	if one.Rate != 0 {
		one.Arrivals = arrivals
	}
	if one.Duration == 0 {
		return one, usagef("--duration 0s: at least 1ms is needed")
	}
	if one.Churn != 0 {
		one.ChurnPackets = c.Int("churn-packets")
	}
	if one.Slow != 0 {
		one.SlowRate = c.Float64("slow-rate")
	}
	if one.Depth < 1 {
		return one, usagef("--depth %d: 1 to %d are allowed", one.Depth, load.MaxDepth)
	}
	if _, err := runner.Load(one, nil); err != nil {
		return one, usageError{err}
	}
	one.Name = runner.Name(one)
	return one, nil
}

// needed refuses flags that say more about a load that was not asked for.
func needed(c *cli.Context) error {
	for _, f := range []struct{ name, needs string }{{"arrivals", "rate"}, {"churn-packets", "churn"}, {"slow-rate", "slow"}} {
		has := slices.ContainsFunc(c.Command.Flags, func(other cli.Flag) bool { return other.Names()[0] == f.needs })
		if has && c.IsSet(f.name) && !c.IsSet(f.needs) {
			return usagef("--%s means nothing without --%s", f.name, f.needs)
		}
	}
	return nil
}

// fit refuses payloads that a contestant is told not to accept. Of other programs the limit is not known.
func fit(plan runner.Plan) error {
	for _, one := range plan.Cells {
		sizes, err := load.ParseSizes(one.Sizes)
		if err != nil {
			return usageError{err}
		}
		for _, c := range plan.Contestants {
			if most := sizes.Max(); c.Spec != "" && most > c.MaxPacket {
				return usagef("--size %s: payloads of up to %d bytes are above the engines' limit of %d; --max-packet raises it", one.Sizes, most, c.MaxPacket)
			}
		}
	}
	return nil
}

// cpuList reads a flag that holds CPUs.
func cpuList(c *cli.Context, flag string) ([]int, error) {
	cpus, err := server.ParseCPUs(c.String(flag))
	if err != nil {
		return nil, usagef("--%s: %w", flag, err)
	}
	return cpus, nil
}
