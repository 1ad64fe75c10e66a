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
	if s.Queued() > 0 {
		at = limited(at, s.stalled, set.WriteTimeout)
	}
	if s.held() > 0 {
		at = earlier(at, s.batch.flush)
	}
	if s.throttled {
		at = earlier(at, s.meter.resume)
	}
	if s.ending || s.paused || s.throttled {
		return at
	}
	if s.part != nil {
		at = limited(at, s.began, set.PacketTimeout)
	}
	if !s.pinged {
		at = limited(at, s.lastIn, set.Heartbeat)
	}
	return limited(at, s.lastIn, set.IdleTimeout)
}

// earlier is the earlier of at and next, where an at of zero means never.
func earlier(at, next time.Duration) time.Duration {
	if at == 0 || next < at {
		return next
	}
	return at
}

// limited is the earlier of at and the end of a limit that runs since from; a limit of zero has no end.
func limited(at, from, limit time.Duration) time.Duration {
	if limit == 0 {
		return at
	}
	return earlier(at, from+limit)
}

// passed reports whether limit, if there is one, is over since from.
func passed(now, from, limit time.Duration) bool { return limit > 0 && now >= from+limit }

// Expire does what is due.
func (s *Session) Expire(now time.Duration) {
	set := s.service.settings.Load()
	if s.held() > 0 && now >= s.batch.flush {
		s.flush(now)
	}
	if s.throttled && now >= s.meter.resume {
		s.throttled = false
		s.lastIn, s.began = now, now // the silence was ours
	}
	switch {
	case s.done:
	case s.Queued() > 0 && passed(now, s.stalled, set.WriteTimeout):
		s.done, s.ending, s.stuck = true, true, true
	case s.discarding:
		if now >= s.until {
			s.done = true
		}
	case s.until != 0 && now >= s.until:
		s.fail(now, &protocol.Violation{Code: protocol.CodeShuttingDown, Sentence: "the time to finish is over"})
	case s.ending, s.paused, s.throttled:
	case s.part != nil && passed(now, s.began, set.PacketTimeout):
		s.fail(now, &protocol.Violation{Code: protocol.CodeIdle, Sentence: fmt.Sprintf("a packet took longer than %s to arrive", set.PacketTimeout)})
	case passed(now, s.lastIn, set.IdleTimeout):
		s.fail(now, &protocol.Violation{Code: protocol.CodeIdle, Sentence: fmt.Sprintf("nothing arrived for %s", set.IdleTimeout)})
	case !s.pinged && passed(now, s.lastIn, set.Heartbeat):
		s.pinged = true
		s.queue(now, protocol.Append(nil, protocol.Ping, nil))
	}
}
