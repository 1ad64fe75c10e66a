package session

import (
	"encoding/binary"
	"errors"
	"time"

	"echosrv/protocol"
)

// Receive takes the bytes of one read and returns the echoes of the packets that are whole, made in place.
func (s *Session) Receive(now time.Duration, b []byte) []byte {
	s.lastIn, s.pinged = now, false
	s.bytes += uint64(len(b))
	s.counters().BytesIn.Add(uint64(len(b)))
	if s.discarding {
		return nil
	}
	return s.receive(now, s.service.settings.Load(), b)
}

// receive works with one version of the settings, which may be replaced meanwhile.
func (s *Session) receive(now time.Duration, set *Settings, b []byte) []byte {
	size, before := len(b), s.packets
	reply := s.answer(now, set, b)
	if n := s.packets - before; n > 0 {
		total := s.counters().PacketsIn.Add(n)
		if s.service.probe != nil {
			s.begin(total-n, total)
		}
	}
	if set.metered {
		s.pay(now, set, reply, int(s.packets-before), size)
	}
	if set.Mode == Async && len(reply) > 0 && !s.discarding { // or else pay has kept it, before its ERROR
		s.keep(now, reply, 0)
	}
	if s.discarding || set.Mode == Async {
		return nil // the reply is in the outbox: before an ERROR, or in a batch
	}
	if s.batch != nil {
		s.flush(now) // held while the mode was, or is by now, another: it goes before the reply
	}
	return reply
}

// answer makes the replies to a read. Those that can't be made in place go to the outbox.
func (s *Session) answer(now time.Duration, set *Settings, b []byte) (reply []byte) {
	limit := uint32(set.MaxPayload)
	if s.part != nil {
		if b = s.finishPart(now, b, limit); len(b) == 0 {
			return nil
		}
	}
	f := flip(b, limit)
	s.packets += uint64(f.packets)
	if f.err != nil {
		s.keep(now, b[:f.reply], 0)
		s.fail(now, violation(f.err))
		return nil
	}
	if f.used < len(b) {
		s.beginPart(now, b[f.used:])
	}
	return b[:f.reply]
}

// flipped is what flip made of a run of bytes.
type flipped struct {
	used    int   // bytes of whole packets
	reply   int   // bytes of replies, at the start of the run
	packets int   // whole packets received
	err     error // what is wrong with the packet after them
}

// flip turns the whole packets at the start of b into their replies, in place: only the kind changes. A
// PONG has no reply, so what follows one moves up.
func flip(b []byte, limit uint32) flipped {
	f := flipPlain(b, limit)
	for len(b)-f.used >= protocol.HeaderSize {
		p := b[f.used:]
		h := protocol.ParseHeader(p)
		if f.err = h.CheckClient(limit); f.err != nil {
			return f
		}
		// The limit was checked, so this is no more than protocol.MaxPayload and can't overflow.
		size := protocol.HeaderSize + int(h.Length)
		if len(p) < size {
			return f
		}
		if answer := answerTo(h.Kind); answer != 0 {
			protocol.SetKind(p, answer)
			if f.reply != f.used {
				copy(b[f.reply:], p[:size])
			}
			f.reply += size
		}
		f.used += size
		f.packets++
	}
	return f
}

// flipPlain is flip for the run of DATA_SEND at the start of b, which nearly always is all of it: a load, a
// few comparisons and a store for each packet. It stops at whatever is anything else.
func flipPlain(b []byte, limit uint32) (f flipped) {
	used, packets := 0, 0
	for len(b)-used >= protocol.HeaderSize {
		header := binary.BigEndian.Uint64(b[used:])
		length := uint32(header)
		next := used + protocol.HeaderSize + int(length)
		if header>>32 != uint64(protocol.DataSend) || length > limit || next > len(b) {
			break
		}
		protocol.SetKind(b[used:], protocol.DataEcho)
		used = next
		packets++
	}
	return flipped{used: used, reply: used, packets: packets}
}

// answerTo is the kind that a packet's payload goes back as; 0: it is not answered.
func answerTo(k protocol.Kind) protocol.Kind {
	switch k {
	case protocol.DataSend:
		return protocol.DataEcho
	case protocol.Ping:
		return protocol.Pong
	}
	return 0
}

// beginPart keeps the start of a packet, whose header, if whole, was found good.
func (s *Session) beginPart(now time.Duration, b []byte) {
	s.began = now
	s.have, s.need = 0, 0
	if len(b) >= protocol.HeaderSize {
		s.need = int32(protocol.HeaderSize + protocol.ParseHeader(b).Length)
	}
	s.addPart(b)
}

// addPart copies b behind what there is of the packet. The buffer grows with what has really arrived, to
// at most four times that, so that a header which promises a megabyte does not cost one.
func (s *Session) addPart(b []byte) {
	have := int(s.have)
	if s.part == nil || len(s.part.Bytes()) < have+len(b) {
		size := 4 * (have + len(b))
		if s.need > 0 {
			size = min(size, int(s.need))
		}
		grown := s.service.pool.Get(size)
		if s.part != nil {
			copy(grown.Bytes(), s.part.Bytes()[:have])
			s.part.Release()
		}
		s.part = grown
	}
	copy(s.part.Bytes()[have:], b)
	s.have += int32(len(b))
}

// finishPart adds to the packet that began earlier and returns what of b lies behind it. A packet that is
// whole goes to the outbox as it is.
func (s *Session) finishPart(now time.Duration, b []byte, limit uint32) (rest []byte) {
	if s.need == 0 {
		n := min(protocol.HeaderSize-int(s.have), len(b))
		s.addPart(b[:n])
		if b = b[n:]; s.have < protocol.HeaderSize {
			return nil
		}
		h := protocol.ParseHeader(s.part.Bytes())
		if err := h.CheckClient(limit); err != nil {
			s.fail(now, violation(err))
			return nil
		}
		s.need = int32(protocol.HeaderSize + h.Length)
	}
	n := min(int(s.need-s.have), len(b))
	s.addPart(b[:n])
	if s.have == s.need {
		s.queuePart(now)
	}
	return b[n:]
}

// queuePart makes the reply of the packet that has just become whole.
func (s *Session) queuePart(now time.Duration) {
	s.packets++
	answer := answerTo(protocol.ParseHeader(s.part.Bytes()).Kind)
	if answer == 0 {
		s.dropPart()
		return
	}
	protocol.SetKind(s.part.Bytes(), answer)
	part, size := s.part, int(s.need)
	if s.admit(now, size) {
		s.part = nil
		s.startStall(now)
		s.out.Push(part, 0, size)
		s.added(now, size)
		return
	}
	s.dropPart()
}

func (s *Session) dropPart() {
	if s.part != nil {
		s.part.Release()
		s.part = nil
	}
}

func violation(err error) *protocol.Violation {
	var v *protocol.Violation
	if errors.As(err, &v) {
		return v
	}
	return &protocol.Violation{Code: protocol.CodeMalformed, Sentence: err.Error()}
}
