package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/urfave/cli/v2"

	"echosrv/backends/server"
	"echosrv/backends/server/admin"
)

// serve runs a server until a signal ends it.
func (cmd *command) serve(c *cli.Context) error {
	if c.Args().Present() {
		return server.Usage(fmt.Errorf("unknown command %q; there are backends and config; without one, echosrv serves as its flags say", c.Args().First()))
	}
	from := source(c)
	options, _, err := from.Load()
	if err != nil {
		return err
	}
	// Signals are caught before the server says that it listens, as somebody may wait for that line only
	// to send one.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, append(slices.Clone(reloadSignals), os.Interrupt, syscall.SIGTERM)...)
	defer signal.Stop(signals)
	s, err := server.New(options, cmd.table, cmd.stderr)
	if err != nil {
		return err
	}
	line := s.ListenLine()
	if options.Admin != "" {
		a, err := admin.Start(s)
		if err != nil {
			s.Close()
			return err
		}
		defer a.Close()
		line += " admin=" + a.Addr().String()
	}
	if _, err := fmt.Fprintln(cmd.stdout, line); err != nil {
		s.Close()
		return fmt.Errorf("failed to write to standard output: %w", err)
	}
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	go obey(signals, s, from, cancel)
	if err := s.Run(ctx); err != nil {
		return err
	}
	if n := s.Statistics().Unanswered; n > 0 {
		return fmt.Errorf("%w: %d connections were cut off before they had all their replies", errCutOff, n)
	}
	return nil
}

// obey does what signals ask for, as long as the process lives: read the configuration again, drain at the
// first request to stop, close at the second.
func obey(signals <-chan os.Signal, s *server.Server, from server.Source, drain func()) {
	stopping := false
	for sig := range signals {
		switch {
		case slices.Contains(reloadSignals, sig):
			s.Reload(from)
		case stopping:
			s.Close()
		default:
			stopping = true
			s.LogStopping(sig.String())
			drain()
		}
	}
}
