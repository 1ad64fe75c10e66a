package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"echosrv/bench/liar"
	"echosrv/bench/runner"
	"echosrv/bench/selftest"
	"echosrv/bench/table"
	"echosrv/protocol"
)

// selftestRepeats of the comparison of equals; a sound bench finds at most one difference in five.
const (
	selftestRepeats = 5
	maxRepeats      = 1000
)

const mirrorName = "mirror"

func (cmd *command) selftestCommand() *cli.Command {
	return &cli.Command{
		Name:      "selftest",
		Usage:     "let the bench prove itself against servers whose behaviour is known",
		UsageText: "bench selftest [options]",
		Description: `Servers that lie in five ways must be caught, a server that was stopped must show in the percentiles as computed,
time put in on purpose must be found, and a server compared with itself must not differ. The exit status is 1
if a proof fails. It takes about a minute.

Examples:
  bench selftest
  bench selftest --repeats 20        a longer comparison of equals`,
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "repeats", Value: selftestRepeats, Usage: "comparisons of a server with itself"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the order of rounds"},
		},
		Action: cmd.selftest,
	}
}

func (cmd *command) selftest(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	repeats := c.Int("repeats")
	if repeats < 1 || repeats > maxRepeats {
		return usagef("--repeats %d: 1 to %d are allowed", repeats, maxRepeats)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bench := selftest.Bench{
		Placement: runner.Place(1, 1), Repeats: repeats, Seed: c.Uint64("seed"),
		Server: func(lie liar.Lie, work time.Duration, cpus []int) runner.Command {
			return runner.Command{Args: []string{self, mirrorName, "--lie", string(lie), "--work", work.String()}, Announces: true, CPUs: cpus}
		},
	}
	failed := 0
	for _, p := range selftest.Proofs() {
		began := time.Now()
		figures, err := p.Run(c.Context, bench)
		if c.Context.Err() != nil {
			return fmt.Errorf("ended early: %w", err)
		}
		word := "PASS"
		if err != nil {
			word, figures = "FAIL", err.Error()
			failed++
		}
		fmt.Fprintf(cmd.stdout, "%s  %s: %s (%s)\n      %s\n", table.Pass(word, err == nil, style(cmd.stdout)), p.Name, p.Claim, table.Seconds(time.Since(began)), figures)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d proofs failed", failed, len(selftest.Proofs()))
	}
	return nil
}

// mirrorCommand is a liar as a child process.
func (cmd *command) mirrorCommand() *cli.Command {
	return &cli.Command{
		Name: mirrorName, Hidden: true,
		Usage: "serve with known faults until standard input ends",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "lie", Value: string(liar.Honest)},
			&cli.DurationFlag{Name: "work"},
		},
		Action: func(c *cli.Context) error {
			lie, err := liar.ParseLie(c.String("lie"))
			if err != nil {
				return usageError{err}
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)
				l.Close()
			}()
			line, err := json.Marshal(runner.Announcement{
				Address: l.Addr().String(), Engine: mirrorName, Model: string(lie),
				Threads: 1, GOMAXPROCS: runtime.GOMAXPROCS(0), MaxPacket: protocol.MaxPayload,
			})
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(cmd.stdout, "%s\n", line); err != nil {
				return err
			}
			(&liar.Server{Lie: lie, Work: c.Duration("work")}).Serve(l)
			return nil
		},
	}
}
