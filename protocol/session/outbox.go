package session

import (
	"fmt"
	"time"

	"echosrv/protocol"
	"echosrv/protocol/buffer"
)

// Sent settles a reply: the socket took n bytes, of what was pending first and then of the reply. The rest
// of the reply is copied into the outbox.
func (s *Session) Sent(now time.Duration, n int, reply []byte) {
	c := s.counters()
	if n > 0 {
		c.BytesOut.Add(uint64(n))
	}
	if queued := s.out.Len(); queued > 0 && n > 0 {
		taken := min(n, queued)
		s.out.Discard(taken)
		s.stalled = now
		n -= taken
	}
	if n < len(reply) {
		s.keepFrom(now, reply, n)
	}
	if s.paused || s.dropped > 0 {
		s.resume(now)
	}
}

// keep copies a reply of which nothing was sent into the outbox.
func (s *Session) keep(now time.Duration, reply []byte) { s.keepFrom(now, reply, 0) }

// keepFrom copies what follows the first sent bytes of a reply into the outbox. A packet that was begun is
// kept in any case, as its beginning can't be taken back; for the others there must be room.
func (s *Session) keepFrom(now time.Duration, reply []byte, sent int) {
	discarded := 0
	for at := 0; at < len(reply); {
		size := protocol.HeaderSize + int(protocol.ParseHeader(reply[at:]).Length)
		end := at + size
		switch {
		case end <= sent:
		case at < sent:
			s.startStall(now)
			s.out.PushCopy(s.service.pool, reply[sent:end], len(reply)-sent)
		case s.ending && s.discarding:
			discarded++ // refused above: the ERROR is to be the last packet
		case s.admit(now, size):
			s.out.PushCopy(s.service.pool, reply[at:end], len(reply)-at)
		}
		at = end
	}
	if discarded > 0 {
		s.counters().Dropped.Add(uint64(discarded))
	}
}

// admit decides by the overflow policy whether a packet of size bytes may go to the outbox.
func (s *Session) admit(now time.Duration, size int) bool {
	s.counters().Kept.Add(1)
	s.startStall(now)
	limits := &s.service.settings.Load().Outbox
	switch s.out.Judge(limits, size) {
	case buffer.Pause:
		if !s.paused {
			s.paused = true
			s.counters().Pauses.Add(1)
		}
	case buffer.Discard:
		s.dropped++
		s.counters().Dropped.Add(1)
		if s.service.events != nil {
			s.service.events.Dropped(s, 1)
		}
		return false
	case buffer.Refuse:
		s.counters().Dropped.Add(1)
		s.fail(now, &protocol.Violation{Code: protocol.CodeOverflow, Sentence: fmt.Sprintf(
			"replies that were not read fill the outbox of %d bytes and %d packets", limits.Bytes, limits.Packets)})
		return false
	}
	return true
}

// startStall begins the time in which the peer must take something, if it isn't running.
func (s *Session) startStall(now time.Duration) {
	if s.out.Len() == 0 {
		s.stalled = now
	}
}

// resume goes on reading, and tells the peer of what was discarded, once half of the outbox is free.
func (s *Session) resume(now time.Duration) {
	if !s.out.BelowHalf(&s.service.settings.Load().Outbox) {
		return
	}
	if s.paused {
		s.paused = false
		s.lastIn, s.began = now, now // the silence was ours
	}
	s.tellDropped(now)
}

// tellDropped queues the one ERROR that says how many packets were discarded since the last.
func (s *Session) tellDropped(now time.Duration) {
	if s.dropped == 0 || s.ending {
		return
	}
	sentence := fmt.Sprintf("%d packets were discarded because replies were not read", s.dropped)
	s.dropped = 0
	s.queue(now, protocol.AppendError(nil, protocol.CodeOverflow, sentence))
}

// queue adds a packet of the session's own to the outbox, full or not: they are few and small.
func (s *Session) queue(now time.Duration, packet []byte) {
	s.startStall(now)
	s.out.PushCopy(s.service.pool, packet, len(packet))
}
