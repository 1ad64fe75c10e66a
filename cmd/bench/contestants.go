package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"echosrv/backends"
	"echosrv/backends/all"
	"echosrv/bench/result"
	"echosrv/bench/runner"
)

// baselineEngine is what ratios refer to unless a user chooses.
const baselineEngine = "goroutine"

// contestFlags choose who takes part and where.
func contestFlags() []cli.Flag {
	const group = "Contestants"
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "exec", Category: group, Usage: "another program that takes part, 'NAME=COMMAND {port}': it must listen on that port of 127.0.0.1; may be given several times"},
		&cli.BoolFlag{Name: "raw", Category: group, Usage: "the programs given with --exec echo plain bytes, not packets"},
		&cli.StringFlag{Name: "baseline", Category: group, Usage: "what ratios refer to, by name (default: goroutine if it takes part, or else the first)"},
		&cli.IntFlag{Name: "server-threads", Category: group, Value: 1, Usage: "threads of every engine whose spec doesn't say"},
		&cli.StringFlag{Name: "server-cpus", Category: group, Usage: "CPUs for the server, such as 0-1 (default: chosen so that server and client share no core)"},
		&cli.StringFlag{Name: "client-cpus", Category: group, Usage: "CPUs for the client"},
		&cli.StringFlag{Name: "max-packet", Category: group, Value: "1MiB", Usage: "packet limit of every engine"},
	}
}

// contestants are the engines named in specs (all that can run here if none is, and no program either) and
// the programs given with --exec.
func contestants(c *cli.Context, specs []string, threads int) ([]runner.Contestant, error) {
	table := all.Engines()
	programs := c.StringSlice("exec")
	if len(specs) == 0 && len(programs) == 0 {
		for _, e := range table {
			if e.Available == nil || e.Available() == nil {
				specs = append(specs, e.Name)
			}
		}
	}
	if threads < 1 || threads > backends.MaxThreads {
		return nil, usagef("--server-threads %d: 1 to %d are allowed", threads, backends.MaxThreads)
	}
	limit, err := backends.ParseBytes(c.String("max-packet"))
	if err != nil {
		return nil, usagef("--max-packet: %w", err)
	}
	var contest []runner.Contestant
	for _, text := range specs {
		one, err := engine(text, table, threads, limit)
		if err != nil {
			return nil, err
		}
		contest = append(contest, one)
	}
	for _, text := range programs {
		one, err := program(text, c.Bool("raw"))
		if err != nil {
			return nil, err
		}
		contest = append(contest, one)
	}
	if len(programs) == 0 && c.Bool("raw") {
		return nil, usagef("--raw is about the programs given with --exec, and there is none")
	}
	return contest, distinguish(contest)
}

// engine is a contestant that this program serves itself, in a child process.
func engine(text string, table []backends.Engine, threads, limit int) (runner.Contestant, error) {
	spec, err := backends.ParseSpec(text, table)
	if err != nil {
		return runner.Contestant{}, usageError{err}
	}
	if spec.Engine.Available != nil {
		if err := spec.Engine.Available(); err != nil {
			return runner.Contestant{}, fmt.Errorf("the engine %s can't run here: %w", spec.Engine.Name, err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return runner.Contestant{}, err
	}
	command := func(cell result.Cell, cpus []int) runner.Command {
		n := threads
		if cell.ServerThreads > 0 {
			n = cell.ServerThreads
		}
		if spec.Threads > 0 {
			n = spec.Threads
		}
		args := []string{self, serveName, "--backend", text, "--listen", "127.0.0.1:0", "--log-level", "error",
			"--threads", strconv.Itoa(n), "--max-packet", strconv.Itoa(limit)}
		if len(cpus) > 0 {
			args = append(args, "--cpus", joinInts(cpus))
		}
		if cell.Work > 0 {
			args = append(args, "--work", cell.Work.String())
		}
		return runner.Command{Args: args, Announces: true, CPUs: cpus}
	}
	return runner.Contestant{
		Contestant: result.Contestant{Name: text, Spec: text, MaxPacket: limit, Model: spec.Engine.Model, Library: spec.Engine.Library},
		Command:    command,
	}, nil
}

// program is a contestant given as NAME=COMMAND.
func program(text string, raw bool) (runner.Contestant, error) {
	name, line, ok := strings.Cut(text, "=")
	if !ok || name == "" || strings.ContainsAny(name, " {}/") {
		return runner.Contestant{}, usagef("--exec %q: NAME=COMMAND is expected, such as 'mine=/usr/bin/mine --port {port}'", text)
	}
	args, err := words(line)
	if err != nil {
		return runner.Contestant{}, usagef("--exec %q: %w", text, err)
	}
	if !strings.Contains(line, "{port}") || len(args) == 0 {
		return runner.Contestant{}, usagef("--exec %q: the command must hold {port}, which is replaced by the port to listen on", text)
	}
	self, err := os.Executable()
	if err != nil {
		return runner.Contestant{}, err
	}
	return runner.Contestant{
		Contestant: result.Contestant{Name: name, Command: args, Raw: raw, Model: "another program"},
		Command: func(_ result.Cell, cpus []int) runner.Command {
			return runner.Command{Args: args, Guard: []string{self, guardName}, CPUs: cpus}
		},
	}, nil
}

// distinguish numbers the same engine when it takes part twice, which is a test of the bench. A program needs a
// name of its own.
func distinguish(contest []runner.Contestant) error {
	seen := map[string]int{}
	for i := range contest {
		c := &contest[i]
		seen[c.Name]++
		if n := seen[c.Name]; n > 1 {
			if c.Spec == "" {
				return usagef("--exec: two contestants are called %s; choose another name", c.Name)
			}
			c.Name = fmt.Sprintf("%s#%d", c.Name, n)
		}
	}
	return nil
}

// baseline is the contestant that ratios refer to.
func baseline(c *cli.Context, contest []runner.Contestant) (string, error) {
	name := c.String("baseline")
	named := func(n string) bool {
		return slices.ContainsFunc(contest, func(c runner.Contestant) bool { return c.Name == n })
	}
	switch {
	case name != "" && !named(name):
		var all []string
		for _, c := range contest {
			all = append(all, c.Name)
		}
		return "", usagef("--baseline %q takes no part; there are %s", name, strings.Join(all, ", "))
	case name != "":
		return name, nil
	case named(baselineEngine):
		return baselineEngine, nil
	}
	return contest[0].Name, nil
}

func joinInts(numbers []int) string {
	var parts []string
	for _, n := range numbers {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, ",")
}
