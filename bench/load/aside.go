package load

import (
	"sort"

	"echosrv/protocol"
)

const (
	// longestError bounds the sentence that is taken from an ERROR packet, in bytes.
	longestError = 64 << 10
	// mostPongs bounds the PONGs that wait to be written, in bytes; a PING beyond it gets none.
	mostPongs = 64 << 10
	// mostEvidence bounds what is kept of wrong echoes for their explanation, in bytes.
	mostEvidence = 1 << 20
	// kindOffset is where the kind stands in a header: without flags, all packets are alike up to there.
	kindOffset = 3
	// evidenceAfter is how much more than everything owed is enough evidence, and how much of a packet may
	// have been right to be kept with it, in bytes.
	evidenceAfter = 64 << 10
)

// An aside is what a flow keeps besides its place in the script, for as long as there is such a thing: a
// packet of another kind of which a part has arrived, PONGs to be written, evidence of wrong echoes.
// Most flows never have one.
type aside struct {
	in       []byte // the beginning of a packet that is no echo
	out      []byte // PONGs
	outAfter int    // bytes of the packet that has been begun, to be written before out
	evidence []byte // from the first packet that is wrong on; nil: all is well
	from     int    // the byte of that packet at which the evidence begins, where so much was right
	accused  bool   // the loop knows of the evidence
}

// suspect reports whether wrong bytes have arrived. No packet is started any more; what else arrives is
// kept as evidence until the loop asks for the verdict.
func (f *flow) suspect() bool { return f.aside != nil && f.aside.evidence != nil }

// evidenceFull reports whether waiting longer can't make the verdict better.
func (f *flow) evidenceFull() bool {
	n := len(f.aside.evidence)
	return n >= mostEvidence || n > f.owed+evidenceAfter
}

// receiveAside is receive for bytes that aren't all expected echoes.
func (f *flow) receiveAside(now int64, b []byte, m *meter) {
	for len(b) > 0 {
		switch {
		case f.suspect():
			room := max(mostEvidence-len(f.aside.evidence), 0)
			f.aside.evidence = append(f.aside.evidence, b[:min(len(b), room)]...)
			return
		case f.aside != nil && len(f.aside.in) > 0:
			b = f.takeAside(b, m)
		default:
			b = f.takeEchoes(now, b, m)
		}
	}
	if f.aside != nil && f.aside.in == nil && f.aside.out == nil && f.aside.evidence == nil {
		f.aside = nil
	}
}

// takeEchoes takes as many bytes as match and, where they stop to, puts the beginning of that packet aside.
func (f *flow) takeEchoes(now int64, b []byte, m *meter) []byte {
	if n := f.matching(b[:min(len(b), f.owed)]); n > 0 {
		w, _ := f.script.match(f.inOff, f.inPacket, b[:n])
		f.went(now, w, n, m)
		b = b[n:]
	}
	if len(b) == 0 {
		return nil
	}
	start := f.script.starts[f.inPacket]
	begun := f.inOff - start
	if f.aside == nil {
		f.aside = &aside{}
	}
	f.inOff -= begun
	f.owed += begun
	if f.script.framed && begun <= kindOffset {
		// The bytes that looked like the expected echo belong to whatever this is.
		f.aside.in = append(f.script.head(f.inPacket, begun), b[0])
		return b[1:]
	}
	f.stopped = true
	if begun > evidenceAfter {
		f.aside.from, begun = begun, 0
	}
	f.aside.evidence = append(f.script.head(f.inPacket, begun), b...)
	return nil
}

// matching is how many bytes at the start of b are as expected.
func (f *flow) matching(b []byte) int {
	// Matching is monotonous: the first n bytes match as long as n is small enough.
	return sort.Search(len(b), func(n int) bool {
		_, ok := f.script.match(f.inOff, f.inPacket, b[:n+1])
		return !ok
	})
}

// takeAside takes bytes of a packet that is no echo, up to its end, and returns the others.
func (f *flow) takeAside(b []byte, m *meter) []byte {
	s := f.aside
	for len(s.in) < protocol.HeaderSize {
		if len(b) == 0 {
			return nil
		}
		s.in, b = append(s.in, b[0]), b[1:]
	}
	h := protocol.ParseHeader(s.in)
	if h.Kind == protocol.DataEcho || h.Kind == protocol.Pong || h.CheckServer(longestError) != nil {
		s.evidence, s.in = append(s.in, b...), nil
		f.stopped = true
		return nil
	}
	missing := protocol.HeaderSize + int(h.Length) - len(s.in)
	if k := min(missing, len(b)); k > 0 {
		s.in, b = append(s.in, b[:k]...), b[k:]
		missing -= k
	}
	if missing == 0 {
		payload := s.in[protocol.HeaderSize:]
		s.in = nil
		f.heard(h.Kind, payload, m)
	}
	return b
}

// heard does what a whole packet that is no echo asks for.
func (f *flow) heard(k protocol.Kind, payload []byte, m *meter) {
	switch k {
	case protocol.Ping:
		f.pong(payload)
	case protocol.GoAway:
		if !f.away {
			f.away = true
			m.gone++
		}
		m.population.Sent -= int64(f.stop())
	case protocol.Error:
		f.told = true
		if v, err := protocol.ParseError(payload); err != nil {
			m.failf(NotEcho, 1, "connection %d: %v", f.name, err)
		} else {
			m.failf(ServerError, 1, "connection %d: the server said %q", f.name, v.Error())
		}
	}
}

func (f *flow) pong(payload []byte) {
	s := f.aside
	if len(s.out)+protocol.HeaderSize+len(payload) > mostPongs {
		return
	}
	if len(s.out) == 0 {
		s.outAfter = 0
		if f.queued > 0 {
			s.outAfter = f.untilBoundary()
		}
	}
	s.out = protocol.Append(s.out, protocol.Pong, payload)
}

// asideWrote takes n written bytes off what output gave while PONGs wait; it returns how many of them were
// bytes of the script.
func (f *flow) asideWrote(n int) int {
	s := f.aside
	ofScript := min(n, s.outAfter)
	s.outAfter -= ofScript
	s.out = s.out[n-ofScript:]
	if len(s.out) == 0 {
		s.out = nil
		if s.in == nil && s.evidence == nil {
			f.aside = nil
		}
	}
	return ofScript
}

// complete reports whether nothing is owed or half arrived.
func (f *flow) complete() bool {
	return f.owed == 0 && f.queued == 0 && (f.aside == nil || len(f.aside.in) == 0)
}
