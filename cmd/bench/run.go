package main

import (
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"echosrv/bench/runner"
	"echosrv/bench/table"
)

// The defaults of a run.
const (
	runDuration = 5 * time.Second
	runWarmup   = 500 * time.Millisecond
)

func (cmd *command) runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "load a server that is already there, and check every echo",
		UsageText: "bench run --addr HOST:PORT [options]",
		Description: `Examples:
  bench run --addr 127.0.0.1:7000
  bench run --addr 127.0.0.1:7000 --connections 200 --depth 4 --size 64:80,1024:15,65536:5
  bench run --addr 127.0.0.1:7000 --rate 20000 --arrivals poisson --depth 64
  bench run --addr 127.0.0.1:9000 --raw                 any server that echoes bytes`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "addr", Usage: "`HOST:PORT` of the server"},
			&cli.IntFlag{Name: "threads", Category: loadGroup, Value: 1, Usage: "event loops of the client"},
			&cli.StringFlag{Name: "cpus", Category: loadGroup, Usage: "CPUs that the client's loops are pinned to (default: not pinned)"},
			&cli.BoolFlag{Name: "raw", Category: loadGroup, Usage: "the server echoes plain bytes, not packets"},
		}, loadFlags(runDuration, runWarmup), outputFlags()),
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return cmd.runOnce(c)
		},
	}
}

func (cmd *command) runOnce(c *cli.Context) error {
	address := c.String("addr")
	if _, _, err := net.SplitHostPort(address); err != nil {
		return usagef("--addr %q: HOST:PORT is expected, such as 127.0.0.1:7000", address)
	}
	one, err := cell(c, c.Int("threads"))
	if err != nil {
		return err
	}
	if err := checkOutputs(c); err != nil {
		return err
	}
	cpus, err := cpuList(c, "cpus")
	if err != nil {
		return err
	}
	progress := newProgress(cmd.stderr)
	f, err := runner.Once(c.Context, runner.Target{Address: address, Raw: c.Bool("raw"), CPUs: cpus, Observe: progress.snapshot}, one)
	progress.done()
	if err != nil {
		return err
	}
	run := &f.Runs[0]
	if err := table.Run(cmd.stdout, one, run, style(cmd.stdout)); err != nil {
		return err
	}
	if err := save(c, f); err != nil {
		return err
	}
	switch {
	case f.Partial:
		return fmt.Errorf("ended early: %s; the result is partial", f.Reason)
	case run.Invalid != "":
		return fmt.Errorf("the run is invalid: %s", run.Invalid)
	}
	return nil
}
