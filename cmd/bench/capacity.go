package main

import (
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"echosrv/bench/result"
	"echosrv/bench/runner"
	"echosrv/bench/table"
)

// The defaults of a search for capacity: about ten steps of two runs for each contestant.
const (
	capacityDuration  = time.Second
	capacityWarmup    = 250 * time.Millisecond
	capacityDepth     = 64
	capacityPrecision = 5 // percent
)

func (cmd *command) capacityCommand() *cli.Command {
	return &cli.Command{
		Name:      "capacity",
		Usage:     "find the highest rate at which the 99th percentile stays under a limit",
		UsageText: "bench capacity [options] [SPEC ...]",
		Description: `Packets are due at fixed times, and response time counts from then. The rate is doubled or halved until one
is kept and one is not, then bisected. At each rate the majority of up to three runs decides; one that missed while
others had 5 % of the CPUs or more is repeated, up to four times, and the search ends if that doesn't help. The
answer is the highest rate that was kept and the lowest that was not.

Examples:
  bench capacity epoll --slo 2ms
  bench capacity epoll goroutine --slo 500us --arrivals poisson --connections 200`,
		Flags: slices.Concat([]cli.Flag{
			&cli.DurationFlag{Name: "slo", Value: 2 * time.Millisecond, Usage: "limit for the 99th percentile of response time"},
			&cli.IntFlag{Name: "precision", Value: capacityPrecision, Usage: "percent between the rate that is kept and the one that is not"},
			&cli.IntFlag{Name: "depth", Category: loadGroup, Value: capacityDepth, Usage: "packets in flight on each connection, at most"},
		}, without(loadFlags(capacityDuration, capacityWarmup), "rate", "depth"), without(roundFlags(1), "rounds"), contestFlags(), outputFlags()),
		Action: cmd.capacity,
	}
}

func (cmd *command) capacity(c *cli.Context) error {
	o := runner.Objective{P99: c.Duration("slo"), Precision: float64(c.Int("precision")) / 100}
	if o.P99 < time.Microsecond {
		return usagef("--slo %v: at least 1us is needed", o.P99)
	}
	if n := c.Int("precision"); n < 1 || n > 100 {
		return usagef("--precision %d: 1 to 100 percent are allowed", n)
	}
	plan, threads, err := contest(c, result.KindCapacity)
	if err != nil {
		return err
	}
	one, err := cell(c, threads)
	if err != nil {
		return err
	}
	one.Arrivals = c.String("arrivals")
	plan.Cells = []result.Cell{one}
	if err := fit(plan); err != nil {
		return err
	}
	progress := newProgress(cmd.stderr)
	plan.Observe = progress.observe
	f, err := runner.Capacity(c.Context, plan, o)
	progress.done()
	if err != nil {
		return err
	}
	return cmd.conclude(c, f, table.Capacity)
}

// without leaves out the flags with these names.
func without(flags []cli.Flag, names ...string) []cli.Flag {
	return slices.DeleteFunc(flags, func(f cli.Flag) bool { return slices.Contains(names, f.Names()[0]) })
}
