package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"echosrv/bench/result"
	"echosrv/bench/runner"
	"echosrv/bench/table"
)

// The defaults of a comparison: seven engines in seven rounds take about 55 seconds.
const (
	compareRounds   = 7
	compareDuration = 700 * time.Millisecond
	compareWarmup   = 250 * time.Millisecond
	maxRounds       = 1000
)

func (cmd *command) compareCommand() *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "measure servers side by side, each as a fresh process in every round",
		UsageText: "bench compare [options] [SPEC ...]",
		Description: `A SPEC is an engine, with options if wanted: epoll, epoll:trigger=edge. Without one, all engines that can
run here take part. Every round visits all of them in random order; ratios are paired by round. CPU time of the
server per packet comes first, because it moves least with the neighbours and the client.

Examples:
  bench compare
  bench compare epoll goroutine evio --connections 1000 --size 128
  bench compare epoll --exec 'c=/tmp/epoll_echo {port}' --baseline c
  bench compare --rate 50000 --depth 64 --json r.json`,
		Flags: slices.Concat(loadFlags(compareDuration, compareWarmup), roundFlags(compareRounds), contestFlags(), outputFlags()),
		Action: func(c *cli.Context) error {
			plan, err := comparison(c)
			if err != nil {
				return err
			}
			return cmd.measure(c, plan, table.Compare)
		},
	}
}

// roundFlags say how often and with which client.
func roundFlags(rounds int) []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "rounds", Category: loadGroup, Value: rounds, Usage: "how often each contestant is measured; 6 are needed for intervals"},
		&cli.IntFlag{Name: "client-threads", Category: loadGroup, Usage: "event loops of the client (default: one for each CPU that the server leaves, at most twice the server's)"},
	}
}

// comparison is the plan of one setting that the flags describe.
func comparison(c *cli.Context) (runner.Plan, error) {
	plan, threads, err := contest(c, result.KindCompare)
	if err != nil {
		return plan, err
	}
	one, err := cell(c, threads)
	if err != nil {
		return plan, err
	}
	plan.Cells = []result.Cell{one}
	return plan, fit(plan)
}

// contest is a plan without settings, and the number of client threads.
func contest(c *cli.Context, kind result.Kind) (runner.Plan, int, error) {
	return contestWith(c, kind, c.Int("server-threads"))
}

// contestWith is contest with the number of the servers' threads.
func contestWith(c *cli.Context, kind result.Kind, serverThreads int) (runner.Plan, int, error) {
	plan := runner.Plan{Kind: kind, Rounds: c.Int("rounds"), Seed: c.Uint64("seed"), Calibrate: true}
	if err := checkOutputs(c); err != nil {
		return plan, 0, err
	}
	if kind == result.KindCapacity {
		plan.Rounds = 1 // it decides by itself how often to measure
	}
	if plan.Rounds < 1 || plan.Rounds > maxRounds {
		return plan, 0, usagef("--rounds %d: 1 to %d are allowed", plan.Rounds, maxRounds)
	}
	var err error
	if plan.Contestants, err = contestants(c, c.Args().Slice(), serverThreads); err != nil {
		return plan, 0, err
	}
	if plan.Baseline, err = baseline(c, plan.Contestants); err != nil {
		return plan, 0, err
	}
	threads := c.Int("client-threads")
	if threads == 0 {
		threads = max(1, min(runner.CPUs()-serverThreads, 2*serverThreads))
	}
	plan.Placement, err = placement(c, serverThreads, threads)
	return plan, threads, err
}

// placement is where the flags, or else the machine, put server and client.
func placement(c *cli.Context, serverThreads, clientThreads int) (runner.Placement, error) {
	p := runner.Place(serverThreads, clientThreads)
	own, err := cpuList(c, "server-cpus")
	if err != nil {
		return p, err
	}
	theirs, err := cpuList(c, "client-cpus")
	if err != nil {
		return p, err
	}
	switch {
	case (own == nil) != (theirs == nil):
		return p, usagef("--server-cpus and --client-cpus go together: give both or none")
	case own == nil:
		return p, nil
	}
	p = runner.Placement{Server: own, Client: theirs}
	for _, n := range own {
		if slices.Contains(theirs, n) {
			p.Notes = append(p.Notes, fmt.Sprintf("Server and client share CPU %d as asked, so throughput and latency are of both together.", n))
		}
	}
	return p, nil
}

// measure makes a plan, shows the result and writes the files that were asked for. An interruption still
// shows and writes what there is.
func (cmd *command) measure(c *cli.Context, plan runner.Plan, show show) error {
	progress := newProgress(cmd.stderr)
	plan.Observe = progress.observe
	f, err := runner.Run(c.Context, plan)
	progress.done()
	if err != nil {
		return err
	}
	return cmd.conclude(c, f, show)
}

// show writes a result as text.
type show func(io.Writer, *result.File, table.Style) error

// conclude shows a result and writes the files that were asked for.
func (cmd *command) conclude(c *cli.Context, f *result.File, show show) error {
	if err := show(cmd.stdout, f, style(cmd.stdout)); err != nil {
		return err
	}
	if err := save(c, f); err != nil {
		return err
	}
	if f.Partial {
		return fmt.Errorf("ended early: %s; the results are partial", f.Reason)
	}
	return failures(f)
}

// failures is an error if a contestant gave no figure at all.
func failures(f *result.File) error {
	for i, contestant := range f.Contestants {
		last := ""
		ok := false
		for _, r := range f.Runs {
			if r.Contestant == i {
				ok = ok || r.Failed == "" && r.Invalid == ""
				last = r.Failed + r.Invalid
			}
		}
		if !ok {
			return fmt.Errorf("%s gave no valid run: %s", contestant.Name, last)
		}
	}
	return nil
}
