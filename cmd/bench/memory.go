package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"echosrv/bench/load"
	"echosrv/bench/result"
	"echosrv/bench/runner"
	"echosrv/bench/table"
)

// The defaults of a memory measurement.
const (
	memoryRounds = 3
	memoryHold   = 300 * time.Millisecond
)

func (cmd *command) memoryCommand() *cli.Command {
	return &cli.Command{
		Name:      "memory",
		Usage:     "measure what an idle connection costs in bytes",
		UsageText: "bench memory [options] [SPEC ...]",
		Description: `Opens that many connections, sends nothing on them, and divides the growth of the server's resident memory by
their number; beside it, what the kernel holds for them. A cost per connection that falls with their number has
a fixed part.

Examples:
  bench memory
  bench memory epoll goroutine --counts 1000,10000`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "counts", Value: "100,1000,5000", Usage: "numbers of connections"},
			&cli.IntFlag{Name: "rounds", Value: memoryRounds, Usage: "how often each is measured"},
			&cli.DurationFlag{Name: "duration", Value: memoryHold, Usage: "time that they are held open"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the order of rounds"},
			&cli.IntFlag{Name: "client-threads", Value: 1, Usage: "event loops of the client"},
		}, contestFlags(), outputFlags()),
		Action: func(c *cli.Context) error {
			counts, err := intList(c, "counts", 1, load.MaxConnections)
			if err != nil {
				return err
			}
			plan, threads, err := contest(c, result.KindMemory)
			if err != nil {
				return err
			}
			plan.Calibrate = false
			for _, n := range counts {
				one := result.Cell{Idle: n, Sizes: "1024", Depth: 1, Duration: c.Duration("duration"), ClientThreads: threads, Seed: plan.Seed}
				if _, err := runner.Load(one, nil); err != nil {
					return usageError{err}
				}
				one.Name = strconv.Itoa(n) + " idle"
				plan.Cells = append(plan.Cells, one)
			}
			return cmd.measure(c, plan, table.Memory)
		},
	}
}

// intList reads a flag that holds numbers within [least, most].
func intList(c *cli.Context, flag string, least, most int) ([]int, error) {
	var list []int
	for part := range strings.SplitSeq(c.String(flag), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < least || n > most {
			return nil, usagef("--%s %q: numbers from %d to %d are allowed, separated by commas", flag, part, least, most)
		}
		if slices.Contains(list, n) {
			return nil, usagef("--%s %s: %d is there twice", flag, c.String(flag), n)
		}
		list = append(list, n)
	}
	return list, nil
}
