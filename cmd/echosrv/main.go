// Command echosrv serves the framed echo protocol with a network engine of the user's choice.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"echosrv/backends"
	"echosrv/backends/all"
	"echosrv/backends/server"
	"echosrv/cmd/internal/flagerror"
)

// The exit statuses.
const (
	exitOK      = 0
	exitFailure = 1 // the machine or the engine would not: port in use, engine not available here
	exitUsage   = 2 // the command line is wrong
	exitCutOff  = 3 // stopped as asked, but before every client had its replies
)

// errCutOff is wrapped by the error of a server that stopped as it was asked to, and lost something.
var errCutOff = errors.New("stopped")

func main() {
	os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr))
}

// command is what the subcommands share.
type command struct {
	table  []backends.Engine
	stdout io.Writer
	stderr io.Writer
}

// run is the whole program; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := &command{table: all.Engines(), stdout: stdout, stderr: stderr}
	err := cmd.app().RunContext(ctx, args)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "echosrv: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.Is(err, server.ErrUsage) {
		fmt.Fprintln(stderr, "Run 'echosrv --help' for usage.")
		return exitUsage
	}
	if errors.Is(err, errCutOff) {
		return exitCutOff
	}
	return exitFailure
}

const description = `echosrv answers every DATA_SEND packet with the same payload as DATA_ECHO. How it waits for
many connections at once is the engine's business: choose one with --backend and see
"echosrv backends" for what there is. When it listens it prints one line on standard output.
SIGINT and SIGTERM stop it: clients are asked to finish, then it exits with status 0, or 3 if
some were cut off before they had all their replies. A second signal ends it at once. SIGHUP reads
the configuration again.

Examples:
  echosrv                                              the default engine on 127.0.0.1:7000
  echosrv --backend goroutine --listen 127.0.0.1:0     another engine, on a free port
  echosrv --backend epoll:trigger=edge --threads 2     an engine's own option, and two loops
  echosrv --cpus 0-1 --overflow drop --log-format json confined to two CPUs
  echosrv config --threads 2 > echosrv.yaml            a configuration file to start from
  echosrv --config echosrv.yaml                        serve as it says`

func (cmd *command) app() *cli.App {
	return &cli.App{
		Name:                  "echosrv",
		Usage:                 "a framed echo server with a choice of network engines",
		UsageText:             "echosrv [options]\nechosrv backends\nechosrv config [options]",
		Description:           description,
		Version:               version(),
		Flags:                 flags(),
		Action:                cmd.serve,
		Commands:              []*cli.Command{cmd.backendsCommand(), cmd.configCommand()},
		HideHelpCommand:       true,
		Writer:                cmd.stdout,
		ErrWriter:             cmd.stderr,
		OnUsageError:          onUsageError,
		ExitErrHandler:        func(*cli.Context, error) {},
		CustomAppHelpTemplate: helpTemplate,
	}
}

// onUsageError keeps the command-line package from printing its help in front of the error.
func onUsageError(c *cli.Context, err error, _ bool) error {
	return server.Usage(errors.New(flagerror.Text(c.Command.Flags, err)))
}

// noArguments refuses what stands on the command line besides flags.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return server.Usage(fmt.Errorf("unexpected argument %q: echosrv %s takes only flags", c.Args().First(), c.Command.Name))
	}
	return nil
}
