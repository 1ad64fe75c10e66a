package session

import "time"

// probe measures the time from a read to the write of its echo, on a sample.
type probe struct {
	clock   func() time.Duration
	observe func(time.Duration)
}

// sampleEvery is how many packets lie between two that are timed, about. It is a power of two.
const sampleEvery = 128

// Probe has the time from read to write observed for about one packet in 128: from Receive until the
// socket has taken all that the session had to send. It must be called before the first Open. clock must
// give the same time as is passed to the sessions, but at the moment it is asked.
func (v *Service) Probe(clock func() time.Duration, observe func(time.Duration)) {
	v.probe = &probe{clock, observe}
}

// begin notes the time if the count of received packets has just passed a multiple of sampleEvery.
func (s *Session) begin(before, after uint64) {
	if s.sampled == 0 && before/sampleEvery != after/sampleEvery {
		s.sampled = max(uint32(s.service.probe.clock()/time.Microsecond), 1)
	}
}

// finish observes the time since begin. Microseconds in 32 bits are enough for an hour, after which they
// begin anew.
func (s *Session) finish() {
	p := s.service.probe
	p.observe(time.Duration(uint32(p.clock()/time.Microsecond)-s.sampled) * time.Microsecond)
	s.sampled = 0
}
