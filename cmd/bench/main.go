// Command bench measures echo servers: one against a load, or several against each other.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

// The exit statuses.
const (
	exitOK      = 0
	exitFailure = 1 // it could not be measured, or not to the end
	exitUsage   = 2 // the command line is wrong
)

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// command is what the subcommands share.
type command struct {
	stdout, stderr io.Writer
}

// errUsage is wrapped by errors that another command line would cure.
var errUsage = errors.New("wrong usage")

type usageError struct{ error }

func (usageError) Is(target error) bool { return target == errUsage }
func (e usageError) Unwrap() error      { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run is the whole program; it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	cmd := &command{stdout: stdout, stderr: stderr}
	app := cmd.app()
	if len(args) > 1 && args[1] == guardName {
		return guard(args[2:])
	}
	ctx, stop := untilStopped(context.Background())
	defer stop()
	err := app.RunContext(ctx, flagsFirst(app, args))
	var status statusError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	}
	fmt.Fprintf(stderr, "bench: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.Is(err, errUsage) {
		fmt.Fprintln(stderr, "Run 'bench --help' or 'bench COMMAND --help' for usage.")
		return exitUsage
	}
	return exitFailure
}

// statusError ends the program with a status when all has been said.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

const description = `bench loads framed echo servers, checks every echo, and says what they cost. It starts the
engines of this module itself, each as a fresh process on its own CPUs; other programs take part with --exec.

Examples:
  bench compare                                  all engines that can run here, in about a minute
  bench compare epoll goroutine --json r.json    two of them, with the runs kept in a file
  bench run --addr 127.0.0.1:7000                load a server that is already there
  bench report r.json -o report.html             a page with charts`

func (cmd *command) app() *cli.App {
	return &cli.App{
		Name: "bench",
		// A command given with --exec may have commas, as the options of an engine do.
		DisableSliceFlagSeparator: true,
		Usage:                     "compare echo servers honestly",
		UsageText:                 "bench COMMAND [options]",
		Description:               description,
		Version:                   version(),
		Commands:                  cmd.commands(),
		HideHelpCommand:           true,
		Writer:                    cmd.stdout,
		ErrWriter:                 cmd.stderr,
		OnUsageError:              onUsageError,
		ExitErrHandler:            func(*cli.Context, error) {},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("unknown command %q; there are %s", c.Args().First(), strings.Join(names(cmd.commands()), ", "))
			}
			return usagef("a command is missing; there are %s", strings.Join(names(cmd.commands()), ", "))
		},
	}
}

func (cmd *command) commands() []*cli.Command {
	all := []*cli.Command{
		cmd.compareCommand(), cmd.runCommand(), cmd.capacityCommand(), cmd.sweepCommand(), cmd.memoryCommand(),
		cmd.selftestCommand(), cmd.diffCommand(), cmd.reportCommand(),
		cmd.serveCommand(), cmd.mirrorCommand(),
	}
	for _, c := range all {
		c.OnUsageError = onUsageError
		c.HideHelpCommand = true
	}
	return all
}

func names(commands []*cli.Command) (names []string) {
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}
