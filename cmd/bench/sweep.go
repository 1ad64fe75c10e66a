package main

import (
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"echosrv/backends"
	"echosrv/bench/load"
	"echosrv/bench/result"
	"echosrv/bench/runner"
	"echosrv/bench/table"
)

// The defaults of a sweep: seven engines in nine settings take about two minutes.
const (
	sweepRounds   = 3
	sweepDuration = 400 * time.Millisecond
	sweepWarmup   = 150 * time.Millisecond
	maxCells      = 500
)

// stressConnections are those of the original report's stress table, with packets of 1 KB.
const stressConnections = "1,4,10,50,100"

func (cmd *command) sweepCommand() *cli.Command {
	return &cli.Command{
		Name:      "sweep",
		Usage:     "map who is cheapest where: connections x size x depth x threads x work",
		UsageText: "bench sweep [options] [SPEC ...]",
		Description: `Every combination of the values given is a setting of its own. Printed are a map of the settings with the
cheapest engine of each, and the values between which the cheapest changes. --stress prints the table of the
original design's stress test instead: KB/s, packets/s and CPU by number of connections.

Examples:
  bench sweep epoll goroutine --connections 1,100,1000 --size 64,16384
  bench sweep epoll --server-threads 1,2 --work 0s,10us,50us
  bench sweep --stress`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "connections", Category: loadGroup, Value: "1,50,1000", Usage: "numbers of connections"},
			&cli.StringFlag{Name: "size", Category: loadGroup, Value: "64;1024;65536", Usage: "payload sizes, separated by semicolons or, if none is a mix, by commas"},
			&cli.StringFlag{Name: "depth", Category: loadGroup, Value: "1", Usage: "packets in flight on each connection"},
			&cli.StringFlag{Name: "work", Category: loadGroup, Value: "0s", Usage: "time that a server spends on each packet"},
			&cli.BoolFlag{Name: "stress", Usage: "the stress table: connections " + stressConnections + " with packets of 1 KB"},
			&cli.DurationFlag{Name: "duration", Category: loadGroup, Value: sweepDuration, Usage: "length of each measured window"},
			&cli.DurationFlag{Name: "warmup", Category: loadGroup, Value: sweepWarmup, Usage: "load before the window opens"},
			&cli.Uint64Flag{Name: "seed", Category: loadGroup, Value: 1, Usage: "of payloads and the order of rounds"},
			&cli.StringFlag{Name: "server-threads", Category: "Contestants", Value: "1", Usage: "numbers of threads of every engine"},
		}, roundFlags(sweepRounds), without(contestFlags(), "server-threads"), outputFlags()),
		Action: func(c *cli.Context) error {
			plan, err := sweep(c)
			if err != nil {
				return err
			}
			if c.Bool("stress") {
				return cmd.measure(c, plan, table.Stress)
			}
			return cmd.measure(c, plan, table.Sweep)
		},
	}
}

// sweep is the plan of all combinations.
func sweep(c *cli.Context) (runner.Plan, error) {
	serverThreads, err := intList(c, "server-threads", 1, backends.MaxThreads)
	if err != nil {
		return runner.Plan{}, err
	}
	plan, threads, err := contestWith(c, result.KindSweep, slices.Max(serverThreads))
	if err != nil {
		return plan, err
	}
	plan.Calibrate = false
	if plan.Cells, err = combinations(c, serverThreads, threads); err != nil {
		return plan, err
	}
	return plan, fit(plan)
}

// combinations are the settings: every value of each axis with every value of the others.
func combinations(c *cli.Context, serverThreads []int, clientThreads int) ([]result.Cell, error) {
	if c.Bool("stress") {
		for flag, value := range map[string]string{"connections": stressConnections, "size": "1024", "depth": "1"} {
			if err := c.Set(flag, value); err != nil {
				return nil, err
			}
		}
	}
	connections, err1 := intList(c, "connections", 1, load.MaxConnections)
	depths, err2 := intList(c, "depth", 1, load.MaxDepth)
	works, err3 := durations(c, "work")
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return nil, err
		}
	}
	cells := []result.Cell{{
		Duration: c.Duration("duration"), Warmup: c.Duration("warmup"), ClientThreads: clientThreads, Seed: c.Uint64("seed"),
	}}
	cells = along(cells, serverThreads, func(c *result.Cell, n int) { c.ServerThreads = n })
	cells = along(cells, works, func(c *result.Cell, d time.Duration) { c.Work = d })
	cells = along(cells, depths, func(c *result.Cell, n int) { c.Depth = n })
	cells = along(cells, sizeList(c.String("size")), func(c *result.Cell, s string) { c.Sizes = s })
	cells = along(cells, connections, func(c *result.Cell, n int) { c.Connections = n })
	if len(cells) > maxCells {
		return nil, usagef("%d settings are too many; up to %d are allowed", len(cells), maxCells)
	}
	for i := range cells {
		if _, err := runner.Load(cells[i], nil); err != nil {
			return nil, usageError{err}
		}
		cells[i].Name = runner.Name(cells[i])
		if slices.ContainsFunc(cells[:i], func(c result.Cell) bool { return c.Name == cells[i].Name }) {
			return nil, usagef("the setting %s is asked for twice", cells[i].Name)
		}
	}
	return cells, nil
}

// along repeats every cell with each value of an axis.
func along[T any](cells []result.Cell, values []T, set func(*result.Cell, T)) (product []result.Cell) {
	for _, cell := range cells {
		for _, v := range values {
			set(&cell, v)
			product = append(product, cell)
		}
	}
	return product
}

// sizeList splits sizes at semicolons, and at commas where no part has a weight.
func sizeList(text string) []string {
	if strings.ContainsAny(text, ";:") {
		return strings.Split(text, ";")
	}
	return strings.Split(text, ",")
}

// maxWork bounds the time that is spent on a packet.
const maxWork = 100 * time.Millisecond

func durations(c *cli.Context, flag string) ([]time.Duration, error) {
	var list []time.Duration
	for part := range strings.SplitSeq(c.String(flag), ",") {
		d, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil || d < 0 || d > maxWork {
			return nil, usagef("--%s %q: durations from 0s to %v are allowed, separated by commas, such as 0s,10us", flag, part, maxWork)
		}
		list = append(list, d)
	}
	return list, nil
}
