package runner

import (
	"errors"
	"slices"
	"testing"
	"time"

	"echosrv/bench/proc"
	"echosrv/bench/result"
)

func TestMeterTakesDifferences(t *testing.T) {
	m := meter{cpus: []int{0, 1}}
	m.edges[0] = edge{
		server: proc.Usage{CPU: 100 * time.Millisecond, Voluntary: 5, Threads: map[int]time.Duration{1: 10, 2: 20, 3: 30}},
		client: proc.Usage{CPU: time.Second},
		host:   proc.Host{CPUs: map[int]proc.CPU{0: {}, 1: {}}},
	}
	m.edges[1] = edge{
		server: proc.Usage{CPU: 400 * time.Millisecond, Voluntary: 25, Involuntary: 3, RSS: 900, Threads: map[int]time.Duration{1: 11, 2: 90, 4: 50, 3: 30}},
		client: proc.Usage{CPU: 1500 * time.Millisecond},
		host: proc.Host{SocketBytes: 700, CPUs: map[int]proc.CPU{
			0: {Busy: 900 * time.Millisecond, Stolen: 100 * time.Millisecond}, 1: {Busy: 500 * time.Millisecond, Idle: 500 * time.Millisecond}}},
	}
	run := result.Run{Window: time.Second}
	m.fill(&run, proc.Usage{RSS: 600}, proc.Host{SocketBytes: 200})
	s := run.Server
	if s.CPU != 300*time.Millisecond || s.Voluntary != 20 || s.Involuntary != 3 || s.RSSBefore != 600 || s.RSS != 900 || !s.Known {
		t.Errorf("server: %+v", s)
	}
	if !slices.Equal(s.Threads, []time.Duration{70, 1}) {
		t.Errorf("threads that lived at both edges and ran: %v", s.Threads)
	}
	if run.Client.CPU != 500*time.Millisecond {
		t.Errorf("client: %+v", run.Client)
	}
	// Of two seconds of CPU time 1.4 were busy, of which server and client had 0.8.
	if h := run.Host; h.Stolen != 0.05 || h.Other < 0.299 || h.Other > 0.301 || h.SocketBytes != 500 {
		t.Errorf("host: %+v", h)
	}
}

func TestMeterKeepsQuietAboutWhatItCouldNotRead(t *testing.T) {
	m := meter{err: errors.New("no /proc")}
	run := result.Run{Window: time.Second, Client: result.Usage{CPU: 7, Known: true}}
	m.fill(&run, proc.Usage{}, proc.Host{})
	if run.Server.Known || run.Host.Known || run.Client.CPU != 7 {
		t.Errorf("%+v", run)
	}
}
