//go:build unix

package backendtest

import (
	"errors"
	"slices"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
)

// replaced changes every reply on its way out.
type replaced struct {
	backends.Session
	change func([]byte) []byte
	reply  []byte // what the session wants to send
}

func replacing(change func([]byte) []byte) func(*server, backends.Session) backends.Session {
	return func(_ *server, s backends.Session) backends.Session { return &replaced{Session: s, change: change} }
}

func (s *replaced) Receive(now time.Duration, b []byte) []byte {
	s.reply = s.Session.Receive(now, b)
	if len(s.reply) == 0 {
		return nil
	}
	changed := s.change(s.reply)
	if len(changed) == 0 {
		s.Session.Sent(now, s.Queued()+len(s.reply), s.reply)
	}
	return changed
}

// Sent settles the true reply as if all of it had gone once something of the other has.
func (s *replaced) Sent(now time.Duration, n int, reply []byte) {
	if len(reply) == 0 {
		s.Session.Sent(now, n, nil)
		return
	}
	if queued := s.Queued(); n > queued {
		n = queued + len(s.reply)
	}
	s.Session.Sent(now, n, s.reply)
}

// swapPackets exchanges the first two packets of a burst if they are of one size.
func swapPackets(b []byte) []byte {
	size := protocol.HeaderSize + int(protocol.ParseHeader(b).Length)
	if len(b) >= 2*size && string(b[:protocol.HeaderSize]) == string(b[size:size+protocol.HeaderSize]) {
		first := slices.Clone(b[:size])
		copy(b, b[size:2*size])
		copy(b[size:], first)
	}
	return b
}

func withoutEmpty(b []byte) []byte {
	var kept []byte
	for len(b) > 0 {
		size := protocol.HeaderSize + int(protocol.ParseHeader(b).Length)
		if size > protocol.HeaderSize {
			kept = append(kept, b[:size]...)
		}
		b = b[size:]
	}
	return kept
}

// swallowing loses the bytes of short reads, or of reads whose length is a multiple of a number.
type swallowing struct {
	backends.Session
	most, power int
}

func (s *swallowing) Receive(now time.Duration, b []byte) []byte {
	if len(b) <= s.most || s.power > 0 && len(b)%s.power == 0 {
		return nil
	}
	return s.Session.Receive(now, b)
}

// mute sends nothing more once it has decided to end.
type mute struct{ backends.Session }

func (s mute) Queued() int {
	if s.Ending() {
		return 0
	}
	return s.Session.Queued()
}

func (s mute) Pending(dst [][]byte) [][]byte {
	if s.Ending() {
		return dst
	}
	return s.Session.Pending(dst)
}

// unserved never reads.
type unserved struct{ backends.Session }

func (unserved) Reading() bool { return false }

// endless is never done.
type endless struct{ backends.Session }

func (endless) Done() bool { return false }

// abrupt is done when the input ends, whatever is queued.
type abrupt struct {
	backends.Session
	dead   bool
	silent bool // no reason is given
}

func (s *abrupt) EOF(time.Duration) { s.dead = true }
func (s *abrupt) Done() bool        { return s.dead || s.Session.Done() }
func (s *abrupt) Close(reason error) {
	if s.dead && !s.silent {
		reason = backends.ErrReset
	}
	s.Session.Close(reason)
}

// deaf is not told of resets.
type deaf struct{ backends.Session }

func (s deaf) Close(reason error) {
	if !errors.Is(reason, backends.ErrReset) {
		s.Session.Close(reason)
	}
}

// hasty closes when it has decided to end.
type hasty struct{ backends.Session }

func (s hasty) Done() bool { return s.Ending() || s.Session.Done() }

// greedy reads whatever the session says.
type greedy struct{ backends.Session }

func (s greedy) Reading() bool { return !s.Done() }

// stuck never reads again once it has paused.
type stuck struct {
	backends.Session
	paused bool
}

func (s *stuck) Reading() bool {
	s.paused = s.paused || !s.Session.Reading()
	return !s.paused
}

// forgetful throws input away once something was dropped, and does not count it.
type forgetful struct {
	backends.Session
	server *server
}

func (s *forgetful) Receive(now time.Duration, b []byte) []byte {
	if s.server.service.Totals().Dropped > 0 {
		return nil
	}
	return s.Session.Receive(now, b)
}

// timeless has no deadlines.
type timeless struct{ backends.Session }

func (timeless) Deadline() time.Duration { return 0 }

// tardy wants Expire a while after it should.
type tardy struct{ backends.Session }

func (s tardy) Deadline() time.Duration {
	if d := s.Session.Deadline(); d != 0 {
		return d + 2*backends.MaxTimerDelay
	}
	return 0
}

// faithful keeps its first deadline until it has passed.
type faithful struct {
	backends.Session
	first time.Duration
}

func (s *faithful) Deadline() time.Duration {
	if s.first == 0 {
		s.first = s.Session.Deadline()
	}
	return s.first
}

func (s *faithful) Expire(now time.Duration) {
	s.first = 0
	s.Session.Expire(now)
}

// idler does nothing for ever.
type idler struct{}

func (idler) Receive(time.Duration, []byte) []byte { return nil }
func (idler) Sent(time.Duration, int, []byte)      {}
func (idler) EOF(time.Duration)                    {}
func (idler) Drain(time.Duration)                  {}
func (idler) Expire(time.Duration)                 {}
func (idler) Close(error)                          {}
func (idler) Pending(dst [][]byte) [][]byte        { return dst }
func (idler) Queued() int                          { return 0 }
func (idler) Reading() bool                        { return true }
func (idler) Ending() bool                         { return false }
func (idler) Done() bool                           { return false }
func (idler) Deadline() time.Duration              { return 0 }
func (idler) Steady() bool                         { return false }

// The sessions below break the contract in the engine's stead.

type closedTwice struct{ backends.Session }

func (s closedTwice) Close(reason error) {
	s.Session.Close(reason)
	s.Session.Close(reason)
}

type original struct{ backends.Session }

func (s original) Close(error) { s.Session.Close(errors.New("tired of it")) }

type unsettled struct{ backends.Session }

func (s unsettled) Sent(now time.Duration, n int, reply []byte) {
	s.Session.Expire(now)
	s.Session.Sent(now, n, reply)
}

type generous struct{ backends.Session }

func (s generous) Sent(now time.Duration, n int, reply []byte) { s.Session.Sent(now, n+1000, reply) }

type shared struct{ backends.Session }

func (s shared) Receive(now time.Duration, b []byte) []byte {
	w := s.Session.(*watched)
	w.enter("Deadline") // as another goroutine would
	w.Queued()
	w.leave()
	return w.Receive(now, b)
}

type backward struct{ backends.Session }

func (s backward) Sent(now time.Duration, n int, reply []byte) {
	s.Session.Sent(now, n, reply)
	s.Session.Expire(now - time.Millisecond)
}

type empty struct{ backends.Session }

func (s empty) Receive(now time.Duration, b []byte) []byte {
	s.Session.Receive(now, nil)
	return s.Session.Receive(now, b)
}

type posthumous struct{ backends.Session }

func (s posthumous) EOF(now time.Duration) {
	s.Session.EOF(now)
	s.Session.Receive(now, []byte{0})
}
