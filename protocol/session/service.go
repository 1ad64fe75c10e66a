// Package session is the server's half of a connection: what to answer, what to hold back, when to stop
// reading and when to end. It does no I/O and knows no clock: an engine brings bytes and times, and asks
// what to write. *Session implements the Session interface of package backends.
//
// The route of a packet through it:
//
//	Receive    bytes of one read; whole packets become echoes in place and are returned as the reply
//	Sent       what the socket took of the reply; the rest is copied into the outbox
//	Pending    what waits in the outbox, for the engine to write when it can
//
// Only a packet whose end has not arrived and a reply that the socket refused are ever copied.
package session

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"echosrv/protocol"
	"echosrv/protocol/buffer"
)

// Settings are the policy of a server. A zero duration switches its limit off.
type Settings struct {
	// MaxPayload is the largest payload accepted, in bytes: 0 to protocol.MaxPayload.
	MaxPayload int
	// Outbox bounds what one connection may have waiting to be written. Under policy Block it may be
	// exceeded by the replies to what was already read.
	Outbox buffer.Limits
	// Heartbeat is the silence after which a peer is sent a PING.
	Heartbeat time.Duration
	// IdleTimeout is the silence after which a peer is told so and disconnected.
	IdleTimeout time.Duration
	// PacketTimeout bounds the time from the first byte of a packet to its last.
	PacketTimeout time.Duration
	// WriteTimeout bounds the time in which the peer takes none of the bytes that wait for it.
	WriteTimeout time.Duration
	// Linger bounds the time that a connection is read, and what it sends thrown away, after an ERROR
	// and the end of our output.
	Linger time.Duration
	// DrainTimeout is how long a peer has after GOAWAY to end its input.
	DrainTimeout time.Duration

	// Mode says when echoes go back. FlushInterval and FlushBytes bound what Async holds, by the time
	// since the first of it arrived and by its size.
	Mode          Mode
	FlushInterval time.Duration
	FlushBytes    int

	// MaxConnections is how many sessions may be open; more are told so and end. 0: no limit.
	MaxConnections int
	// OutboxBudget bounds the outboxes of all sessions together, in bytes: beyond it each behaves as if
	// its own were full. 0: no limit.
	OutboxBudget int
	// ConnectionRate and ServerRate bound what one connection and all together may send. A connection
	// above either is not read until it may go on.
	ConnectionRate, ServerRate Rate
	metered                    bool   // whether either is set
	timed                      bool   // whether a silent connection has a deadline
	server                     *meter // of ServerRate, shared by all sessions
	// NoPause says that the engine can't stop reading, so that a connection which ought to be paused is
	// sent an ERROR and ended. The server sets it from the engine's capabilities.
	NoPause bool
}

// Mode says when echoes go back.
type Mode uint8

const (
	// RealTime sends what each read brings at once.
	RealTime Mode = iota
	// Async holds echoes and sends them as one batch: fewer writes, later.
	Async
)

// Modes are the names of the modes, by value.
var Modes = []string{RealTime: "real-time", Async: "async"}

func (m Mode) String() string { return Modes[m] }

// DefaultSettings are those of a server that nobody configured.
func DefaultSettings() Settings {
	return Settings{
		MaxPayload:    protocol.DefaultMaxPayload,
		Outbox:        buffer.Limits{Bytes: 4 << 20, Packets: 4096, Policy: buffer.Block},
		FlushInterval: 200 * time.Millisecond,
		FlushBytes:    64 << 10,
		PacketTimeout: 30 * time.Second,
		WriteTimeout:  30 * time.Second,
		Linger:        2 * time.Second,
		DrainTimeout:  10 * time.Second,
	}
}

// Peer is the other end, for logs; see backends.Peer.
type Peer interface{ RemoteAddr() string }

// Events tells an owner of a service what happens in its sessions. Calls come from whichever goroutine
// owns the session, must not block, and must not keep the *Session.
type Events interface {
	// Violation: the peer broke a rule, or a limit, and is sent this ERROR.
	Violation(s *Session, v *protocol.Violation)
	// Dropped: the newest packets did not fit into the outbox and were discarded.
	Dropped(s *Session, packets int)
	// Closed: the session has ended; its counters are final, and Queued is what was never sent.
	Closed(s *Session, reason error)
}

// Service is what the sessions of one server share.
type Service struct {
	settings atomic.Pointer[Settings]
	pool     *buffer.Pool
	events   Events
	probe    *probe
	sessions sync.Pool
	ids      atomic.Uint64
	open     atomic.Int64 // sessions that were not refused
	queued   atomic.Int64 // bytes in all outboxes
	counters [counterShards]Counters
}

// NewService makes a service with checked settings. Events may be nil.
func NewService(s Settings, pool *buffer.Pool, events Events) (*Service, error) {
	v := &Service{pool: pool, events: events}
	v.sessions.New = func() any { return new(Session) }
	return v, v.Configure(s)
}

// Configure replaces the settings of all sessions, those that are open included, from their next call on.
// It must not be called concurrently with itself.
func (v *Service) Configure(s Settings) error {
	if err := s.Check(); err != nil {
		return err
	}
	s.timed = s.Heartbeat > 0 || s.IdleTimeout > 0
	s.metered = s.ConnectionRate != Rate{} || s.ServerRate != Rate{}
	if before := v.settings.Load(); before != nil && before.ServerRate == s.ServerRate {
		s.server = before.server // with what was taken from it
	} else {
		s.server = newMeter(s.ServerRate)
	}
	v.settings.Store(&s)
	return nil
}

// Settings are those in force.
func (v *Service) Settings() Settings { return *v.settings.Load() }

// Pool is where the sessions take their buffers.
func (v *Service) Pool() *buffer.Pool { return v.pool }

// Connections is the number of sessions that are open and were not refused.
func (v *Service) Connections() int { return int(v.open.Load()) }

// Queued is the number of bytes in all outboxes.
func (v *Service) Queued() int { return int(v.queued.Load()) }

// Open begins a session. If there are as many as are allowed, it begins with its end: an ERROR.
func (v *Service) Open(now time.Duration, peer Peer) *Session {
	s := v.sessions.Get().(*Session)
	*s = Session{service: v, peer: peer, id: v.ids.Add(1), lastIn: now}
	s.counters().Opened.Add(1)
	n, most := v.open.Add(1), v.settings.Load().MaxConnections
	if most > 0 && n > int64(most) {
		v.open.Add(-1)
		s.refused = true
		s.fail(now, &protocol.Violation{Code: protocol.CodeTooMany, Sentence: fmt.Sprintf("%d connections are allowed", most)})
	}
	return s
}
