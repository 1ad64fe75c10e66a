// Package epoll is the engine written here on Linux's epoll: one or more threads, each with its own loop
// that waits for sockets to become ready and serves them one after the other, never blocking on any.
//
// A turn of a loop (loop.go):
//
//  1. wait for events, at most until the next deadline (poller.go);
//  2. for each readable connection: one read into the loop's buffer, one call of its session, one write
//     of the reply from that same buffer (read.go, write.go);
//  3. what the socket did not take is in the session's outbox now; ask for EPOLLOUT, and go on with it
//     when that comes;
//  4. sessions whose deadline has come;
//  5. last, so that a descriptor closed in this turn isn't reused in it: newcomers (accept.go), and
//     orders from other goroutines (stop, drain).
//
// An idle connection costs a conn, its session and a place in two tables; it holds no buffer.
package epoll

import (
	"time"

	"echosrv/backends"
)

// Names of the options and of their values.
const (
	optTrigger = "trigger"
	optAccept  = "accept"
	optBusy    = "busy"
	optBuffer  = "read-buffer"
	optZero    = "zerocopy"

	level     = "level"
	edge      = "edge"
	reuseport = "reuseport"
	handoff   = "handoff"
)

// Engine is this engine's entry in the table.
func Engine() backends.Engine {
	return backends.Engine{
		Name:  "epoll",
		Model: "event loop per thread, written here on epoll",
		Capabilities: backends.Capabilities{
			PauseReads: true, FullDuplex: true, HalfClose: true, LosslessDrain: true, SurvivesFullTable: true,
			Timers: true, OrderlyClose: true, NoDelay: true, CPUPinning: true,
		},
		Options: []backends.Option{
			{Key: optTrigger, Default: edge, Help: "edge or level: be told of changes, or of a state", Check: backends.Choice(level, edge)},
			{Key: optAccept, Default: reuseport, Help: "reuseport: every thread accepts for itself; handoff: one more thread accepts for all", Check: backends.Choice(reuseport, handoff)},
			{Key: optBusy, Default: "0s", Help: "poll this long before sleeping, at the price of a busy CPU", Check: backends.Duration(time.Second)},
			{Key: optBuffer, Default: "256KiB", Help: "bytes that one read takes at most; one such buffer for each thread", Check: backends.Bytes(4<<10, 16<<20)},
			{Key: optZero, Default: "0", Help: "smallest reply in bytes that is sent without copying it; 0: none", Check: backends.Bytes(0, 1<<30)},
		},
		Threads:   func() int { return 1 },
		Available: available,
		New:       open,
	}
}
