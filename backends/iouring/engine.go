// Package iouring is the engine written here on Linux's io_uring: one or more threads, each with its own
// ring. Where an epoll loop is told that a socket can be read and then reads it, here the loop leaves
// requests with the kernel ("accept whoever comes", "receive whatever arrives") and is told of results.
// There is one system call for a whole turn of a loop, however many connections it serves (two, when it
// has nothing left to do and sleeps).
//
// # The rings
//
// io_uring(7) is memory that a process shares with the kernel, as three rings:
//
//	submissions   requests of 64 bytes: what to do, on which file, with which memory. We write, the kernel
//	              takes them when it is called (ring_linux.go).
//	completions   results of 16 bytes: the number that a system call would have returned, and 64 bits that
//	              we gave with the request (user data). The kernel writes, we take.
//	buffers       blocks of memory that receives may use when there is something to receive, so that a
//	              connection which is silent needs none (buffers_linux.go).
//
// Each ring is an array and two counters, one that each side moves forward and the other only reads. The
// rings of a loop belong to one thread, and the kernel works on completions only in calls of that thread
// (SINGLE_ISSUER, DEFER_TASKRUN): between two calls nothing changes.
//
// User data is the kind of the request, the slot of its connection and the slot's generation
// (requests_linux.go). A request may be "multishot": it goes on after a completion that has the flag MORE
// and is asked for again only after one that hasn't.
//
// # A turn of a loop (loop_linux.go)
//
//  1. Call the kernel: it takes the requests that the last turn prepared, and writes completions for all
//     that has happened. If there is nothing to submit or to report, it sleeps until there is, or until
//     the next deadline.
//  2. Settle the sends of the last turn: tell each session what was sent, do what it wants next, and give
//     the blocks back that the replies lay in.
//  3. Sessions whose deadline has come; orders from other goroutines (stop, drain).
//  4. For each completion of a receive: one call of the session, and a send prepared with its reply. Other
//     completions: newcomers, sockets that can be written again.
//
// # The life of a connection (conn_linux.go)
//
//	ACCEPT completes            a slot, a session, its file registered with the ring; RECV is prepared
//	RECV completes with bytes   Session.Receive; SEND of the reply, out of the block that the bytes came in
//	SEND was taken whole        nothing is reported; Session.Sent, the block goes back
//	SEND was taken in part      Session.Sent copies the rest to the session's outbox; POLL_ADD says when the
//	                            socket can be written; SENDMSG of what is pending
//	much came at once           the RECV is cancelled; POLL_ADD says when there is more, and RECVs of such
//	                            connections go one at a time (large_linux.go)
//	the session pauses          ASYNC_CANCEL of the RECV; it is prepared again when the session reads on
//	RECV completes with 0       the end of input: Session.EOF
//	the session ends            shutdown(2) of our side, if it says so; ASYNC_CANCEL of what is under way;
//	                            when that has completed, and not before, close(2)
//
// The last point matters: a request holds its socket open, so that a close while one is under way would
// neither send FIN nor give up the port.
//
// A send never waits in the kernel (MSG_DONTWAIT): it is over when the request has been taken, and silent
// unless it failed or was cut short (MSG_WAITALL, CQE_SKIP_SUCCESS). So when the call of step 1 returns,
// every send of the last turn has been decided, there is at most one for each connection, and the order of
// replies needs no thought. What arrives for a connection whose send is prepared but not yet made waits
// for the next turn.
//
// # Who owns the memory
//
//	rings, blocks, areas  mapped outside of Go's heap, for as long as the loop runs
//	a block               the kernel's while it is being filled; the session's from Receive until the
//	                      reply has been settled; then the kernel's again. A slow reader never holds one:
//	                      what its socket refuses is copied
//	an area               the same, for one large receive
//	what is Pending       the session's; the kernel reads it only during step 1
//	scratch for SENDMSG   the loop's; likewise
//
// So the kernel reads Go's memory only while it is called, the loop's list of sends holds what it reads,
// and the collector needs no deceiving. With the option zerocopy, what a session holds pending is sent from
// where it is, and its buffers are pinned until the kernel says that it is done with them
// (zerocopy_linux.go).
package iouring

import "echosrv/backends"

// Names of the options and of their values.
const (
	optBuffers = "buffers"
	optFill    = "fill"
	optZero    = "zerocopy"

	fillAuto   = "auto"
	fillPacked = "packed"
	fillSingle = "single"
)

// Bounds of the memory for receives, in bytes.
const (
	minBuffers = 64 << 10
	maxBuffers = 256 << 20
)

// Engine is this engine's entry in the table.
func Engine() backends.Engine {
	return backends.Engine{
		Name:  "iouring",
		Model: "completion loop per thread, written here on io_uring",
		Capabilities: backends.Capabilities{
			PauseReads: true, FullDuplex: true, HalfClose: true, LosslessDrain: true, SurvivesFullTable: true,
			Timers: true, OrderlyClose: true, NoDelay: true, CPUPinning: true,
		},
		Options: []backends.Option{
			{Key: optBuffers, Default: "1MiB", Help: "bytes that each thread has for receives, and the most that can be under way when a session pauses", Check: backends.Bytes(minBuffers, maxBuffers)},
			{Key: optFill, Default: fillAuto, Help: "packed: receives share a buffer (Linux 6.12); single: each takes one of 8KiB; auto: packed if possible", Check: backends.Choice(fillAuto, fillPacked, fillSingle)},
			{Key: optZero, Default: "0", Help: "send without copying what a session holds if it is at least this many bytes, 0: never; worth it on network cards, not on loopback", Check: backends.Bytes(0, 256<<20)},
		},
		Threads:   func() int { return 1 },
		Available: available,
		New:       newBackend,
	}
}
