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
	if n > 0 {
		s.counters().BytesOut.Add(uint64(n))
	}
	if queued := s.Queued(); queued > 0 && n > 0 {
		taken := min(n, queued)
		s.out.Discard(taken)
		s.service.queued.Add(-int64(taken))
		s.stalled = now
		n -= taken
	}
	if n < len(reply) {
		s.keep(now, reply, n)
	}
	if s.paused || s.dropped > 0 {
		s.resume(now)
	}
	if s.sampled != 0 && s.out.Len() == 0 {
		s.finish()
	}
}

// keep copies what follows the first sent bytes of a reply into the outbox. A packet that was begun is
// kept in any case, as its beginning can't be taken back; for the others there must be room.
func (s *Session) keep(now time.Duration, reply []byte, sent int) {
	for at := 0; at < len(reply); {
		end := at + protocol.HeaderSize + int(protocol.ParseHeader(reply[at:]).Length)
		switch {
		case end <= sent:
		case at < sent:
			s.push(now, reply[sent:end], len(reply)-sent)
		case s.discarding:
			s.counters().Dropped.Add(1) // the queue refused one before: its ERROR is the last packet
		case s.admit(now, end-at):
			s.push(now, reply[at:end], len(reply)-at)
		}
		at = end
	}
}

// push copies a packet into the outbox. hint is how many bytes are about to follow, itself included.
func (s *Session) push(now time.Duration, packet []byte, hint int) {
	s.startStall(now)
	s.out.PushCopy(s.service.pool, packet, hint)
	s.added(now, len(packet))
}

// added counts what was put into the outbox, and in mode Async holds it back.
func (s *Session) added(now time.Duration, n int) {
	s.service.queued.Add(int64(n))
	if set := s.service.settings.Load(); set.Mode == Async || s.held() > 0 {
		s.hold(now, set, n)
	}
}

// admit decides by the overflow policy whether a packet of size bytes may go to the outbox.
func (s *Session) admit(now time.Duration, size int) bool {
	s.counters().Kept.Add(1)
	set := s.service.settings.Load()
	switch s.judge(set, size) {
	case buffer.Pause:
		s.flush(now) // what is held would never make room
		if !s.paused {
			s.paused = true
			s.counters().Pauses.Add(1)
		}
	case buffer.Discard:
		s.flush(now)
		s.dropped++
		s.counters().Dropped.Add(1)
		if s.service.events != nil {
			s.service.events.Dropped(s, 1)
		}
		return false
	case buffer.Refuse:
		s.counters().Dropped.Add(1)
		s.fail(now, &protocol.Violation{Code: protocol.CodeOverflow, Sentence: fmt.Sprintf(
			"replies that were not read fill the outbox of %d bytes and %d packets", set.Outbox.Bytes, set.Outbox.Packets)})
		return false
	}
	return true
}

// judge is the verdict of the outbox's own limits or, when all outboxes together are full, of its policy.
func (s *Session) judge(set *Settings, size int) buffer.Verdict {
	limits := set.Outbox
	if set.NoPause && limits.Policy == buffer.Block {
		limits.Policy = buffer.Close
	}
	if set.OutboxBudget > 0 && s.service.Queued()+size > set.OutboxBudget {
		limits.Bytes = 0
	}
	return s.out.Judge(&limits, size)
}

// startStall begins the time in which the peer must take something, if it isn't running.
func (s *Session) startStall(now time.Duration) {
	if s.Queued() == 0 {
		s.stalled = now
	}
}

// resume goes on reading, and tells the peer of what was discarded, once half of the outbox is free.
func (s *Session) resume(now time.Duration) {
	set := s.service.settings.Load()
	if !s.out.BelowHalf(&set.Outbox) || s.out.Len() > 0 && set.OutboxBudget > 0 && s.service.Queued() > set.OutboxBudget/2 {
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

// queue adds a packet of the session's own to the outbox, full or not: they are few and small. It goes out
// at once, and with it what was held before it.
func (s *Session) queue(now time.Duration, packet []byte) {
	s.push(now, packet, len(packet))
	s.flush(now)
}
