package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

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

// checkOutputs finds out before anything is measured whether the files that were asked for can be written.
func checkOutputs(c *cli.Context) error {
	flags := map[string]string{} // by path
	for _, flag := range []string{"json", "csv", "benchstat", "hdr"} {
		path := c.String(flag)
		if path == "" {
			continue
		}
		if other, taken := flags[filepath.Clean(path)]; taken {
			return usagef("--%s and --%s both name %s: one would overwrite the other", other, flag, path)
		}
		flags[filepath.Clean(path)] = flag
		dir, err := os.Stat(filepath.Dir(path))
		switch {
		case err != nil:
			return usagef("--%s %s: %w", flag, path, err)
		case !dir.IsDir():
			return usagef("--%s %s: %s is not a directory", flag, path, filepath.Dir(path))
		}
	}
	return nil
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
