package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"echosrv/bench/result"
	"echosrv/bench/table"
	"echosrv/bench/verdict"
)

func (cmd *command) diffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "say what changed between two result files",
		UsageText: "bench diff [options] OLD NEW",
		Description: `Settings and contestants are matched by name. Files from different CPUs or platforms are refused; other
differences of the circumstances are named.

Example:
  bench diff before.json after.json`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "compare files from different machines all the same"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return usagef("two result files are expected, OLD and NEW; %d were given", c.NArg())
			}
			before, err := result.Read(c.Args().Get(0))
			if err != nil {
				return err
			}
			after, err := result.Read(c.Args().Get(1))
			if err != nil {
				return err
			}
			d, err := verdict.Diff(before, after, c.Bool("force"))
			if errors.Is(err, verdict.ErrEnvironment) {
				return fmt.Errorf("%w; --force compares them all the same", err)
			}
			if err != nil {
				return err
			}
			return table.Diff(cmd.stdout, d, style(cmd.stdout))
		},
	}
}
