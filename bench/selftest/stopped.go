package selftest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"echosrv/bench/liar"
	"echosrv/bench/load"
	"echosrv/bench/runner"
)

// The stop: long enough that its percentiles stand far from those of a healthy server.
const (
	stopFor    = 400 * time.Millisecond
	stopAfter  = 300 * time.Millisecond
	stopWindow = 2 * time.Second
	stopRate   = 2000 // packets/s
)

// stopped stops a server in the middle of an open loop. A packet that was due t after the stop began waited
// for the rest of it, so of the window's packets the share stop/window waited for times spread evenly from
// nothing to the whole stop: the q-th quantile is stop - (1-q) * window.
func stopped(ctx context.Context, b Bench) (string, error) {
	if !canStop {
		return "skipped: this platform can't stop a process", nil
	}
	s, err := runner.Start(ctx, b.Server(liar.Honest, 0, b.Placement.Server))
	if err != nil {
		return "", err
	}
	defer s.Stop()
	pause := make(chan pauseResult, 1)
	got, err := load.Run(ctx, load.Config{
		Address: s.Address, Connections: 4, Depth: load.MaxDepth / 16, Sizes: load.Fixed(64),
		Rate: stopRate, Duration: stopWindow, Warmup: 150 * time.Millisecond, CPUs: b.Placement.Client, Seed: b.Seed,
		Window: func(e load.Edge) {
			if e == load.Opens {
				go func() { pause <- stopProcess(ctx, s.Root) }()
			}
		},
	})
	if err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if why := got.Invalid(); why != "" {
		return "", errors.New(why)
	}
	var stop pauseResult
	select {
	case stop = <-pause:
	default:
		return "", errors.New("the window was over before the server went on")
	}
	if stop.err != nil {
		return "", stop.err
	}
	return agree(stop.length, got)
}

type pauseResult struct {
	length time.Duration
	err    error
}

// agree compares percentiles with what the stop makes them. A tenth of the stop is allowed for the time to
// catch up and for neighbours.
func agree(stop time.Duration, got *load.Result) (string, error) {
	figures := fmt.Sprintf("stopped for %v of %v:", stop.Round(time.Millisecond), got.Window.Round(time.Millisecond))
	var wrong error
	for _, percent := range []float64{85, 90, 95, 99} {
		want := stop - time.Duration((1-percent/100)*float64(got.Window))
		if want < stop/10 {
			continue
		}
		is := time.Duration(got.Response.ValueAtPercentile(percent))
		figures += fmt.Sprintf(" p%g %v (computed %v)", percent, is.Round(time.Millisecond), want.Round(time.Millisecond))
		if math.Abs(float64(is-want)) > float64(stop)/10 {
			wrong = errors.New("percentiles are not those of the stop")
		}
	}
	if wrong != nil {
		return "", fmt.Errorf("%w: %s", wrong, figures)
	}
	return figures, nil
}
