package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"echosrv/backends"
	"echosrv/backends/all"
	"echosrv/backends/server"
	"echosrv/bench/load"
)

// onEveryEngine runs a test with each engine that can run here.
func onEveryEngine(t *testing.T, test func(*testing.T, backends.Engine)) {
	procs := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(procs) })
	for _, e := range all.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			if err := e.Available(); err != nil {
				t.Skip(err)
			}
			test(t, e)
		})
	}
}

// underLoad runs a server with load on it and meddle beside it, from when the load is at its full strength.
// The load lasts until meddle has drained the server, by the function it is given.
func underLoad(t *testing.T, e backends.Engine, meddle func(s *server.Server, drain func())) (*load.Result, server.Statistics) {
	t.Helper()
	o := server.DefaultOptions()
	o.Backend, o.Listen = e.Name, "127.0.0.1:0"
	o.Session.DrainTimeout = patience
	s, err := server.New(o, []backends.Engine{e}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, drain := context.WithCancel(t.Context())
	defer drain()
	served := make(chan error, 1)
	go func() { served <- s.Run(ctx) }()
	meddled := make(chan struct{})
	result, err := load.Run(t.Context(), load.Config{
		Address: s.Addr().String(), Connections: 40, Depth: 8, Sizes: load.Fixed(700), Duration: patience, Threads: 1,
		Window: func(edge load.Edge) {
			if edge == load.Opens {
				go func() { defer close(meddled); meddle(s, drain) }()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	<-meddled
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	return result, s.Statistics()
}

// checkNothingLost holds a load that a drain ended to what a lossless drain is.
func checkNothingLost(t *testing.T, r *load.Result, s server.Statistics) {
	t.Helper()
	a := r.Active
	if a.Established != 40 || r.GoneAway != 40 || a.Lost != 0 || a.Sent != a.Received || len(r.Failures) > 0 {
		t.Errorf("the load has %+v, %d of them told to go, failures %+v", a, r.GoneAway, r.Failures)
	}
	if s.CutOff != 0 || s.Unanswered != 0 || s.Pool.InUse != 0 {
		t.Errorf("the server has %+v", s)
	}
}

// TestDrainUnderLoadLosesNothing: whatever was sent before the server's GOAWAY arrived is echoed.
func TestDrainUnderLoadLosesNothing(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, e backends.Engine) {
		if !e.Capabilities.LosslessDrain {
			t.Skip("the engine doesn't claim it")
		}
		r, s := underLoad(t, e, func(s *server.Server, drain func()) {
			for s.Statistics().PacketsIn < 5000 {
				time.Sleep(time.Millisecond)
			}
			drain()
		})
		checkNothingLost(t, r, s)
		if s.PacketsIn != uint64(r.Active.Sent) {
			t.Errorf("%d packets arrived, %d were sent", s.PacketsIn, r.Active.Sent)
		}
	})
}

// TestReloadUnderLoad changes everything that may change a hundred times.
func TestReloadUnderLoad(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, e backends.Engine) {
		if !e.Capabilities.LosslessDrain || !e.Capabilities.PauseReads {
			t.Skip("the engine claims too little to show that nothing is lost")
		}
		r, s := underLoad(t, e, func(s *server.Server, drain func()) {
			defer drain()
			for i := range 100 {
				_, err := s.Update(map[string]string{
					"mode": []string{"async", "real-time"}[i%2], "flush-interval": fmt.Sprintf("%dms", 1+i%3), "flush-bytes": fmt.Sprint(1000 + i),
					"max-packet": fmt.Sprint(1000 + i), "outbox-packets": fmt.Sprint(10 + i), "idle-timeout": fmt.Sprintf("%ds", 30+i%5),
					"server-byte-rate": fmt.Sprint(i % 2 * 1e8), "connection-packet-rate": fmt.Sprint(i % 3 * 1e6),
				})
				if err != nil {
					t.Errorf("change %d: %v", i, err)
				}
				time.Sleep(time.Millisecond)
			}
		})
		checkNothingLost(t, r, s)
		if s.ConfigChanges != 100 {
			t.Errorf("%d changes were made", s.ConfigChanges)
		}
	})
}
