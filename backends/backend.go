// Package backends is the contract between network engines and what they serve.
//
// An Engine is an entry of the table in backends/all: its name, options and capabilities, and New, which
// makes a Backend: one running instance that listens, moves bytes between sockets and Sessions, and
// stops. Which engine runs is chosen by a Spec such as "epoll:threads=2,trigger=edge".
//
// The packages below this one hold an engine each and have the same files: backend.go (the entry of the
// table and the life of the whole), loop.go, conn.go, read.go, write.go.
package backends

import (
	"errors"
	"log/slog"
	"net"
	"time"
)

// Backend is one running engine.
type Backend interface {
	// Addr is where it listens.
	Addr() net.Addr
	// Serve accepts and serves until Close, or until Drain was called and the last connection has gone;
	// then it returns nil. Any other end is an error. It is called once. When it returns, every session
	// has been closed and every goroutine, descriptor and buffer of the engine is gone.
	Serve() error
	// Drain stops accepting and has Session.Drain called for every connection. It does not wait, may be
	// called from any goroutine, and has no effect the second time.
	Drain()
	// Close drops every connection and makes Serve return. Like Drain, it may be called at any time, even
	// before Serve, and more than once. The listening socket is gone when Serve has returned, or at once
	// if Serve was never called.
	Close() error
}

// Config is what an engine is made from.
type Config struct {
	// Address is the TCP address to listen on, "host:port"; port 0 lets the kernel choose.
	Address string
	// Threads is the number of event loops, or GOMAXPROCS for engines without loops of their own; at
	// least 1. Engine.Threads says what a user gets who doesn't choose.
	Threads int
	// CPUs to pin loops to, loop i to CPUs[i%len]; nil leaves the choice to the kernel. An engine that
	// can't place its loops ignores it: the process is confined to these CPUs in any case.
	CPUs []int
	// Open makes the session of a new connection, on the goroutine that will own it. It may refuse with
	// nil: the engine then closes the socket.
	Open func(now time.Duration, peer Peer) Session
	// Options are the engine's own, by key, from its spec: complete, with defaults, and checked.
	Options Options
	// Log gets what an operator must know of the engine itself, such as a full file table. Never nil.
	Log *slog.Logger
}

// Engine is what is known of an engine before it runs.
type Engine struct {
	Name string
	// Model is how it serves many connections, in a few words.
	Model string
	// Library is the module that does the work, "" for an engine written here.
	Library string
	// Capabilities are the same for every instance; the conformance suite holds each to be true, and
	// each that is missing to be missing.
	Capabilities Capabilities
	// Options that a spec may set, besides threads.
	Options []Option
	// Threads is the number that Config.Threads has unless a user chooses.
	Threads func() int
	// MaxThreads is the most that it can use; zero: no limit but backends.MaxThreads.
	MaxThreads int
	// Available says why the engine can't run on this machine; nil: it can.
	Available func() error
	// New binds the listening socket.
	New func(Config) (Backend, error)
}

// Capabilities are the abilities in which engines differ. What every engine does is not listed.
type Capabilities struct {
	// PauseReads: while Session.Reading is false the engine reads nothing, so TCP pushes back on the
	// sender. Without it, a connection whose session pauses is closed with ErrNoPause.
	PauseReads bool
	// FullDuplex: the engine reads a connection while output waits for it, and writes what a session says
	// of its own accord. Without it, it reads only once all output has been written, and writes only in
	// answer to what it read: TCP then pushes back on a client that does not read before any limit of its
	// session is met, and a PING or GOAWAY waits until the client says something.
	FullDuplex bool
	// HalfClose: after the peer's FIN, all that the session has queued is still written.
	HalfClose bool
	// LosslessDrain: everything that clients sent before GOAWAY is echoed before the server closes.
	LosslessDrain bool
	// SurvivesFullTable: when the process is out of descriptors, those connected go on, newcomers wait
	// or are refused, and accepting resumes by itself.
	SurvivesFullTable bool
	// Timers: Expire is called within MaxTimerDelay of Deadline, on silent connections too.
	Timers bool
	// OrderlyClose: after an ERROR the writing side is shut down first and unread input is drained, so
	// that the ERROR reaches a client that is still sending.
	OrderlyClose bool
	// NoDelay: TCP_NODELAY is set on every connection.
	NoDelay bool
	// CPUPinning: loops are pinned to Config.CPUs one by one.
	CPUPinning bool
}

// MaxTimerDelay is how late an engine with timers may call Expire on an idle machine.
const MaxTimerDelay = 50 * time.Millisecond

// List gives every capability with its name and whether c has it, in a fixed order.
func (c Capabilities) List() []Capability {
	return []Capability{
		{"pause-reads", c.PauseReads}, {"full-duplex", c.FullDuplex}, {"half-close", c.HalfClose}, {"lossless-drain", c.LosslessDrain},
		{"survives-full-table", c.SurvivesFullTable}, {"timers", c.Timers}, {"orderly-close", c.OrderlyClose},
		{"nodelay", c.NoDelay}, {"cpu-pinning", c.CPUPinning},
	}
}

// Capability is one ability by name.
type Capability struct {
	Name string
	Has  bool
}

// ErrUnavailable is wrapped by the errors of Engine.Available and New where an engine can't run here.
var ErrUnavailable = errors.New("not available")
