package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	errInterrupted = errors.New("it was interrupted")
	errOrphaned    = errors.New("the go command that ran it has gone")
)

// untilStopped is a context that ends at the first signal, so that children are ended and what was measured
// is shown. The second signal ends the program at once; its children end with it in any case.
func untilStopped(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case <-signals:
			cancel(errInterrupted)
			<-signals
			os.Exit(exitFailure)
		case <-ctx.Done():
		}
	}()
	go watchGoRun(ctx, cancel)
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// parentPoll is how often the parent is looked at.
const parentPoll = 200 * time.Millisecond

// watchGoRun stops the program when "go run", which started it, is killed: the go command can't hand
// a SIGKILL on. Under any other parent, such as a shell that logs out, the program goes on.
func watchGoRun(ctx context.Context, cancel context.CancelCauseFunc) {
	parent := os.Getppid()
	if name, err := os.ReadFile("/proc/" + strconv.Itoa(parent) + "/comm"); err != nil || strings.TrimSpace(string(name)) != "go" {
		return
	}
	ticker := time.NewTicker(parentPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if os.Getppid() != parent {
				cancel(errOrphaned)
				return
			}
		}
	}
}
