package session

import (
	"errors"
	"time"

	"echosrv/protocol"
	"echosrv/protocol/buffer"
)

// Session is the server's half of one connection. Its methods are described at backends.Session; one
// goroutine at a time may call them.
type Session struct {
	service *Service
	peer    Peer
	id      uint64

	// The packet whose end has not arrived: have bytes of it, in part. need is its size on the wire, or 0
	// while its header is not whole.
	part       *buffer.Buffer
	have, need int32
	began      time.Duration // when its first byte came

	out     buffer.Queue  // replies that the socket has not taken
	stalled time.Duration // when something was last taken from out, or out began to fill
	lastIn  time.Duration // when a byte last arrived
	until   time.Duration // end of the linger or of the drain, whichever is on; 0: neither

	packets uint64 // received whole
	bytes   uint64 // received
	dropped uint32 // packets discarded that the peer was not yet told of
	sampled uint32 // when the packet that is being timed arrived, in microseconds; 0: none is

	why   *protocol.Violation // the cause of the end, if it was the server's decision
	meter *meter              // nil while no rate was ever limited
	batch *batch              // nil while nothing was ever held
	state
}

// state is what a session has decided; each is set once and stays, but for paused, throttled and pinged.
type state struct {
	eof        bool // the peer will send no more
	ending     bool // nothing more is added to out
	discarding bool // what still arrives is thrown away
	done       bool // the socket is to be closed, whatever is queued
	draining   bool // GOAWAY was sent
	refused    bool // one connection too many
	stuck      bool // the peer took nothing for too long
	paused     bool // out is too full to read on
	throttled  bool // more arrived than is allowed: wait until meter.resume
	wasHeld    bool // it was paused or throttled when an ERROR ended it
	pinged     bool // a PING was sent since the last byte arrived
}

// Reasons for the end of a session, besides *protocol.Violation and those that the engine gives.
var (
	// ErrWriteTimeout: the peer took none of the bytes that waited for it for Settings.WriteTimeout.
	ErrWriteTimeout = errors.New("the peer took no bytes for too long")
)

// ID numbers the sessions of a service from 1.
func (s *Session) ID() uint64 { return s.id }

// RemoteAddr is the peer's address, for logs.
func (s *Session) RemoteAddr() string {
	if s.peer == nil {
		return ""
	}
	return s.peer.RemoteAddr()
}

// Received is the number of whole packets and of bytes that arrived.
func (s *Session) Received() (packets, bytes uint64) { return s.packets, s.bytes }

// Steady reports whether an engine has nothing to see to but the reply in its hands.
func (s *Session) Steady() bool {
	return s.state == state{} && s.part == nil && s.out.Len() == 0 && !s.service.settings.Load().timed
}

// Queued is the number of bytes that wait to be written.
func (s *Session) Queued() int { return s.out.Len() - s.held() }

// Pending appends what waits to be written to dst, up to its capacity.
func (s *Session) Pending(dst [][]byte) [][]byte { return s.out.Peek(dst, s.Queued()) }

// Pin appends the buffers behind the first n pending bytes to dst, each with a reference for the caller to
// release: an engine whose kernel reads them even after Sent needs it.
func (s *Session) Pin(dst []*buffer.Buffer, n int) []*buffer.Buffer { return s.out.Pin(dst, n) }

// Reading reports whether the session wants bytes.
func (s *Session) Reading() bool { return !s.paused && !s.throttled && !s.eof && !s.done }

// HeldBack reports whether a full outbox or a rate keeps the session from reading, or did so when an ERROR ended
// it: packets that the peer has sent may then wait unread.
func (s *Session) HeldBack() bool { return s.wasHeld || s.paused || s.throttled }

// Ending reports whether what is queued is all that will ever be.
func (s *Session) Ending() bool { return s.ending }

// Done reports whether the socket is to be closed.
func (s *Session) Done() bool { return s.done || s.eof && s.out.Len() == 0 }

// EOF takes note that the peer will send no more. A packet that began and did not end is dropped.
func (s *Session) EOF(now time.Duration) {
	if s.eof {
		return
	}
	if s.part != nil {
		s.counters().Partial.Add(1)
		s.dropPart()
	}
	s.tellDropped(now)
	s.flush(now)
	s.eof, s.ending = true, true
}

// Drain asks the peer to finish. What it sends until its input ends is still echoed.
func (s *Session) Drain(now time.Duration) {
	if s.ending || s.draining {
		return
	}
	s.draining = true
	timeout := s.service.settings.Load().DrainTimeout
	left := time.Duration(1<<63 - 1)
	if timeout > 0 {
		s.until = now + timeout
		left = timeout
	}
	s.queue(now, protocol.AppendGoAway(nil, left))
}

// Close ends the session and gives its buffers back. A nil reason says that the session was Done.
func (s *Session) Close(reason error) {
	if reason == nil {
		reason = s.reason()
	}
	v, c := s.service, s.counters()
	if s.part != nil {
		c.Partial.Add(1)
		s.dropPart()
	}
	c.Closed.Add(1)
	if !s.refused {
		v.open.Add(-1)
	}
	if v.events != nil {
		v.events.Closed(s, reason)
	}
	v.queued.Add(-int64(s.out.Len()))
	s.out.Reset()
	*s = Session{}
	v.sessions.Put(s)
}

// reason is why the session was Done; nil: the peer finished.
func (s *Session) reason() error {
	switch {
	case s.stuck:
		return ErrWriteTimeout
	case s.why != nil:
		return s.why
	}
	return nil
}

// fail sends an ERROR as the last packet; what the peer sends from now on is thrown away until it closes
// or the linger is over.
func (s *Session) fail(now time.Duration, v *protocol.Violation) {
	if s.discarding {
		return
	}
	s.dropPart()
	s.tellDropped(now)
	s.queue(now, protocol.AppendError(nil, v.Code, v.Sentence))
	s.wasHeld = s.paused || s.throttled
	s.ending, s.discarding, s.paused, s.throttled = true, true, false, false
	s.why = v
	s.until = now + s.service.settings.Load().Linger
	if s.refused {
		s.counters().Refused.Add(1)
	} else {
		s.counters().Violations.Add(1)
	}
	if s.service.events != nil {
		s.service.events.Violation(s, v)
	}
}
