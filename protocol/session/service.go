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
	// DrainTimeout is how long a peer has after GOAWAY to end its input; 0: it must not have sent more.
	DrainTimeout time.Duration
}

// DefaultSettings are those of a server that nobody configured.
func DefaultSettings() Settings {
	return Settings{
		MaxPayload:    protocol.DefaultMaxPayload,
		Outbox:        buffer.Limits{Bytes: 4 << 20, Packets: 4096, Policy: buffer.Block},
		PacketTimeout: 30 * time.Second,
		WriteTimeout:  30 * time.Second,
		Linger:        2 * time.Second,
		DrainTimeout:  10 * time.Second,
	}
}

// MaxOutbox is the largest outbox that can be configured, in bytes; MaxOutboxPackets in packets.
const (
	MaxOutbox        = 1 << 30
	MaxOutboxPackets = 1 << 24
)

// Check says what is wrong with s; nil if nothing is.
func (s *Settings) Check() error {
	switch {
	case s.MaxPayload < 0 || s.MaxPayload > protocol.MaxPayload:
		return fmt.Errorf("a payload limit of %d bytes; 0 to %d are allowed", s.MaxPayload, protocol.MaxPayload)
	case s.Outbox.Bytes < 1 || s.Outbox.Bytes > MaxOutbox:
		return fmt.Errorf("an outbox of %d bytes; 1 to %d are allowed", s.Outbox.Bytes, MaxOutbox)
	case s.Outbox.Packets < 1 || s.Outbox.Packets > MaxOutboxPackets:
		return fmt.Errorf("an outbox of %d packets; 1 to %d are allowed", s.Outbox.Packets, MaxOutboxPackets)
	case int(s.Outbox.Policy) >= len(buffer.Policies):
		return fmt.Errorf("overflow policy %d; 0 to %d are allowed", s.Outbox.Policy, len(buffer.Policies)-1)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"heartbeat", s.Heartbeat}, {"idle timeout", s.IdleTimeout}, {"packet timeout", s.PacketTimeout},
		{"write timeout", s.WriteTimeout}, {"linger", s.Linger}, {"drain timeout", s.DrainTimeout},
	} {
		if d.value < 0 {
			return fmt.Errorf("a %s of %s; 0 or more is allowed", d.name, d.value)
		}
	}
	return nil
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
	// Closed: the session has ended; its counters are final.
	Closed(s *Session, reason error)
}

// Service is what the sessions of one server share.
type Service struct {
	settings atomic.Pointer[Settings]
	pool     *buffer.Pool
	events   Events
	sessions sync.Pool
	ids      atomic.Uint64
	counters [counterShards]Counters
}

// NewService makes a service with checked settings. Events may be nil.
func NewService(s Settings, pool *buffer.Pool, events Events) (*Service, error) {
	v := &Service{pool: pool, events: events}
	v.sessions.New = func() any { return new(Session) }
	return v, v.Configure(s)
}

// Configure replaces the settings of all sessions, those that are open included, from their next call on.
func (v *Service) Configure(s Settings) error {
	if err := s.Check(); err != nil {
		return err
	}
	v.settings.Store(&s)
	return nil
}

// Settings are those in force.
func (v *Service) Settings() Settings { return *v.settings.Load() }

// Pool is where the sessions take their buffers.
func (v *Service) Pool() *buffer.Pool { return v.pool }

// Open begins a session.
func (v *Service) Open(now time.Duration, peer Peer) *Session {
	s := v.sessions.Get().(*Session)
	id := v.ids.Add(1)
	*s = Session{service: v, peer: peer, id: id, lastIn: now}
	s.counters().Opened.Add(1)
	return s
}
