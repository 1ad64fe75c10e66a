package backends

import (
	"errors"
	"time"
)

// Session is the server's half of one connection as an engine sees it. The engine knows the socket and
// nothing of packets; the session knows packets and nothing of sockets, goroutines or clocks.
//
// Ownership in one sentence: bytes given to Receive and the reply that aliases them belong to the session
// until Sent settles that reply, and bytes got from Pending belong to the session always and stay put
// until Sent says they were written.
//
// One goroutine at a time calls a session. After every call the engine does what the session now wants,
// in this order (most engines have one function for it, called settle):
//
//  1. write Pending and then the reply, as far as the socket takes them, and say so with Sent;
//  2. if Done, close the socket and call Close;
//  3. if Ending and nothing is queued, shut down the writing side, once;
//  4. read on only while Reading;
//  5. see to it that Expire is called at Deadline.
//
// Times are monotonic and count from an arbitrary moment of this process: see Now.
type Session interface {
	// Receive takes bytes that arrived, at least one, which it may change in place. An engine that can't take
	// a read back may still bring what was under way when Reading turned false, about a mebibyte at most. The reply, which may
	// alias b, goes to the peer after all that is Pending. Every reply must be settled with Sent before
	// the next call to any method that takes a time.
	Receive(now time.Duration, b []byte) (reply []byte)
	// Sent says that the socket took n bytes: of what was Pending first, then of reply (nil if there was
	// none). The session copies what was not taken of reply, which then is Pending.
	Sent(now time.Duration, n int, reply []byte)
	// EOF says that the peer will send no more. What is queued still goes out.
	EOF(now time.Duration)
	// Drain asks the peer to finish (GOAWAY). It has no effect the second time.
	Drain(now time.Duration)
	// Expire is called when Deadline has passed. Calling it early is harmless.
	Expire(now time.Duration)
	// Close says that the socket is gone and why (nil: the session was Done). Every buffer goes back to
	// its pool, and the session must not be used again.
	Close(reason error)

	// Pending appends the queued bytes, in order, to dst, up to its capacity: an engine chooses how many
	// slices it can write at once by the capacity of the scratch that it passes.
	Pending(dst [][]byte) [][]byte
	// Steady reports that there is nothing for the engine to see to but the reply in its hands: nothing is
	// queued, the session reads on, isn't ending, and has no deadline. It stands for the five questions
	// below on the plain path, and stays true through a Sent that settles the whole reply.
	Steady() bool
	// Queued is the number of bytes that wait to be written.
	Queued() int
	// Reading is false while the session wants no more bytes: until something was sent or Expire called.
	Reading() bool
	// Ending is true once nothing will be added to what is queued.
	Ending() bool
	// Done is true when the socket is to be closed now.
	Done() bool
	// Deadline is when Expire is next wanted; zero means never. It may move either way at any call.
	Deadline() time.Duration
}

// Peer is what a session may ask about the other end, for its logs.
type Peer interface {
	// RemoteAddr is the peer's address as text. It may cost a system call, so it is asked for only when
	// a line is written, and only by the goroutine that owns the session.
	RemoteAddr() string
}

// Reasons for Session.Close that every engine gives alike.
var (
	// ErrReset: the peer reset the connection, or a read or write failed; wrapped with the cause.
	ErrReset = errors.New("connection reset")
	// ErrStopped: the engine was closed while the connection was open.
	ErrStopped = errors.New("server stopped")
	// ErrNoPause: the session paused reading, and the engine can't, so it gave the connection up.
	ErrNoPause = errors.New("replies were not read and this engine can't pause its reading")
)

var start = time.Now()

// Now is the time that sessions are given: monotonic, from about the start of the process.
func Now() time.Duration { return time.Since(start) + time.Nanosecond }
