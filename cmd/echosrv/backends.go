package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"echosrv/backends"
)

func (cmd *command) backendsCommand() *cli.Command {
	return &cli.Command{
		Name:               "backends",
		Usage:              "list the engines: how they work, what they can do, their options, whether they run here",
		UsageText:          "echosrv backends",
		CustomHelpTemplate: subcommandTemplate,
		OnUsageError:       onUsageError,
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return listEngines(cmd.stdout, cmd.table)
		},
	}
}

// listEngines writes a paragraph for each engine.
func listEngines(w io.Writer, table []backends.Engine) error {
	var b strings.Builder
	for i, e := range table {
		if i > 0 {
			b.WriteByte('\n')
		}
		describeEngine(&b, e)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func describeEngine(b *strings.Builder, e backends.Engine) {
	fmt.Fprintf(b, "%s: %s\n", e.Name, e.Model)
	library := e.Library
	if library == "" {
		library = "none, written here"
	}
	line := func(label, text string) { fmt.Fprintf(b, "  %-10s %s\n", label, text) }
	line("library", library)
	line("runs here", runsHere(e))
	has, lacks := capabilities(e)
	line("can", has)
	if lacks != "" {
		line("can't", lacks)
	}
	line("options", fmt.Sprintf("threads=N (default %d)", e.Threads()))
	for _, o := range e.Options {
		line("", fmt.Sprintf("%s=%s: %s", o.Key, o.Default, o.Help))
	}
}

func runsHere(e backends.Engine) string {
	if e.Available != nil {
		if err := e.Available(); err != nil {
			return "no: " + err.Error()
		}
	}
	return "yes"
}

func capabilities(e backends.Engine) (has, lacks string) {
	var yes, no []string
	for _, c := range e.Capabilities.List() {
		if c.Has {
			yes = append(yes, c.Name)
		} else {
			no = append(no, c.Name)
		}
	}
	return strings.Join(yes, ", "), strings.Join(no, ", ")
}
