package session

import "time"

// batch is what mode Async holds back: the newest bytes of the outbox, which are not pending yet.
type batch struct {
	bytes int
	flush time.Duration // when it goes out at the latest
}

// held is the number of bytes held back.
func (s *Session) held() int {
	if s.batch == nil {
		return 0
	}
	return s.batch.bytes
}

// hold holds back the newest n bytes of the outbox, which begin a batch or add to it. A batch that is large
// enough goes out.
func (s *Session) hold(now time.Duration, set *Settings, n int) {
	if s.batch == nil {
		s.batch = new(batch)
	}
	if s.batch.bytes == 0 {
		s.batch.flush = now + set.FlushInterval
	}
	s.batch.bytes += n
	if s.batch.bytes >= set.FlushBytes || set.Mode != Async {
		s.flush(now)
	}
}

// flush makes what is held pending.
func (s *Session) flush(now time.Duration) {
	if s.held() == 0 {
		return
	}
	held := s.batch.bytes
	if s.out.Len() == held {
		s.stalled = now
	}
	s.batch.bytes = 0
	s.counters().Flushes.Add(1)
}
