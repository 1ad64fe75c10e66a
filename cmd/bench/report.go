package main

import (
	"io"

	"github.com/urfave/cli/v2"

	"echosrv/bench/report"
	"echosrv/bench/result"
)

func (cmd *command) reportCommand() *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "write a result file as a page with charts that needs no network",
		UsageText: "bench report FILE -o report.html",
		Description: `Example:
  bench compare --json r.json && bench report r.json -o report.html`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` for the page (default: standard output)"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usagef("one result file is expected; %d were given", c.NArg())
			}
			f, err := result.Read(c.Args().First())
			if err != nil {
				return err
			}
			write := func(w io.Writer) error { return report.Write(w, f) }
			if path := c.String("output"); path != "" {
				return result.Save(path, write)
			}
			return write(cmd.stdout)
		},
	}
}
