package session

import (
	"fmt"
	"time"

	"echosrv/protocol"
)

// Deadline is the earliest moment at which Expire may have something to do; 0: there is none.
func (s *Session) Deadline() time.Duration {
	set := s.service.settings.Load()
	at := s.until
	if s.out.Len() > 0 {
		at = earlier(at, s.stalled, set.WriteTimeout)
	}
	if s.ending || s.paused {
		return at
	}
	if s.part != nil {
		at = earlier(at, s.began, set.PacketTimeout)
	}
	if !s.pinged {
		at = earlier(at, s.lastIn, set.Heartbeat)
	}
	return earlier(at, s.lastIn, set.IdleTimeout)
}

// earlier is the earlier of at and from+limit, where an at or a limit of zero means never.
func earlier(at, from, limit time.Duration) time.Duration {
	if limit > 0 && (at == 0 || from+limit < at) {
		return from + limit
	}
	return at
}

// passed reports whether limit, if there is one, is over since from.
func passed(now, from, limit time.Duration) bool { return limit > 0 && now >= from+limit }

// Expire does what is due.
func (s *Session) Expire(now time.Duration) {
	set := s.service.settings.Load()
	switch {
	case s.done:
	case s.out.Len() > 0 && passed(now, s.stalled, set.WriteTimeout):
		s.done, s.ending, s.why = true, true, ErrWriteTimeout
	case s.discarding:
		if now >= s.until {
			s.done = true
		}
	case s.until != 0 && now >= s.until:
		s.fail(now, &protocol.Violation{Code: protocol.CodeShuttingDown, Sentence: "the time to finish is over"})
	case s.ending, s.paused:
	case s.part != nil && passed(now, s.began, set.PacketTimeout):
		s.fail(now, &protocol.Violation{Code: protocol.CodeIdle, Sentence: fmt.Sprintf("a packet took longer than %s to arrive", set.PacketTimeout)})
	case passed(now, s.lastIn, set.IdleTimeout):
		s.fail(now, &protocol.Violation{Code: protocol.CodeIdle, Sentence: fmt.Sprintf("nothing arrived for %s", set.IdleTimeout)})
	case !s.pinged && passed(now, s.lastIn, set.Heartbeat):
		s.pinged = true
		s.queue(now, protocol.Append(nil, protocol.Ping, nil))
	}
}
