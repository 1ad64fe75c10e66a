package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"echosrv/backends/server"
	"echosrv/backends/server/serverflag"
)

// serve runs a server until a signal ends it.
func (cmd *command) serve(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	options, err := serverflag.Options(c)
	if err != nil {
		return err
	}
	// Signals are caught before the server says that it listens, as somebody may wait for that line only
	// to end it.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	s, err := server.New(options, cmd.table, cmd.stderr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(cmd.stdout, s.ListenLine()); err != nil {
		s.Close()
		return fmt.Errorf("failed to write to standard output: %w", err)
	}
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	go obey(ctx, signals, s, cancel)
	return s.Run(ctx)
}

// obey drains the server at the first signal and closes it at the second.
func obey(ctx context.Context, signals <-chan os.Signal, s *server.Server, drain func()) {
	select {
	case sig := <-signals:
		s.Log().Info("signal received: stopping; another one ends at once", "signal", sig.String())
		drain()
	case <-ctx.Done():
		return
	}
	sig := <-signals
	s.Log().Warn("second signal received: ending at once", "signal", sig.String())
	s.Close()
}
