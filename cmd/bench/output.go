package main

import (
	"errors"
	"io"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"echosrv/bench/result"
	"echosrv/bench/table"
)

// outputFlags say where results go besides the terminal.
func outputFlags() []cli.Flag {
	const group = "Output"
	return []cli.Flag{
		&cli.StringFlag{Name: "json", Category: group, Usage: "`FILE` for the result with every run; bench report and bench diff read it"},
		&cli.StringFlag{Name: "csv", Category: group, Usage: "`FILE` for one line per run"},
		&cli.StringFlag{Name: "benchstat", Category: group, Usage: "`FILE` for the text that benchstat reads"},
		&cli.StringFlag{Name: "hdr", Category: group, Usage: "`FILE` for the response times as a HdrHistogram log"},
	}
}

// save writes the files that were asked for.
func save(c *cli.Context, f *result.File) error {
	var wrong []error
	for _, out := range []struct {
		flag   string
		encode func(io.Writer) error
	}{{"json", f.Encode}, {"csv", f.CSV}, {"benchstat", f.BenchText}, {"hdr", f.HistogramLog}} {
		if path := c.String(out.flag); path != "" {
			wrong = append(wrong, result.Save(path, out.encode))
		}
	}
	return errors.Join(wrong...)
}

// style dresses text for w: colour on a terminal that wants it (no-color.org).
func style(w io.Writer) table.Style {
	return table.Style{Color: terminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
