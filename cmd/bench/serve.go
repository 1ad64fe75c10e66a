package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/urfave/cli/v2"

	"echosrv/backends"
	"echosrv/backends/all"
	"echosrv/backends/server"
	"echosrv/backends/server/serverflag"
	"echosrv/bench/runner"
)

// The hidden commands that bench starts itself with.
const (
	serveName = "serve"
	guardName = "guard"
)

// serveCommand is one engine as a child of a comparison: it announces its address as a line of JSON and
// ends when its standard input does, that is with its parent at the latest.
func (cmd *command) serveCommand() *cli.Command {
	return &cli.Command{
		Name: serveName, Hidden: true,
		Usage: "serve with one engine until standard input ends",
		Flags: serverflag.Flags(),
		Action: func(c *cli.Context) error {
			options, err := serverflag.Options(c)
			if err != nil {
				return err
			}
			table := all.Engines()
			spec, err := backends.ParseSpec(options.Backend, table)
			if err != nil {
				return usageError{err}
			}
			s, err := server.New(options, table, cmd.stderr)
			if err != nil {
				return err
			}
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)
				s.Close()
			}()
			line, err := json.Marshal(runner.Announcement{
				Address: s.Addr().String(), Engine: spec.Engine.Name, Model: spec.Engine.Model, Library: spec.Engine.Library,
				Threads: s.Description().Threads, GOMAXPROCS: runtime.GOMAXPROCS(0), MaxPacket: options.Session.MaxPayload,
			})
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(cmd.stdout, "%s\n", line); err != nil {
				return err
			}
			return s.Run(c.Context)
		},
	}
}

// guard runs another program as a child of a comparison.
func guard(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "bench: guard needs a command")
		return exitUsage
	}
	return runner.Guard(args)
}
