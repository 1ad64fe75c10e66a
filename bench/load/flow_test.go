package load

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"echosrv/protocol"
)

// peer is an echo server without a socket: it holds what the flow wrote and says it back.
type peer struct {
	raw  bool
	in   []byte
	out  []byte
	seen []protocol.Packet // other than DATA_SEND
}

func (p *peer) take(t *rapid.T, b []byte) {
	p.in = append(p.in, b...)
	if p.raw {
		p.out = append(p.out, p.in...)
		p.in = nil
		return
	}
	for {
		packet, n, err := protocol.Decode(p.in, protocol.FromClient(protocol.DefaultMaxPayload))
		if err != nil {
			t.Fatalf("the flow sent what no client may: %v", err)
		}
		if n == 0 {
			return
		}
		if packet.Kind == protocol.DataSend {
			p.out = protocol.Append(p.out, protocol.DataEcho, packet.Payload)
		} else {
			packet.Payload = bytes.Clone(packet.Payload)
			p.seen = append(p.seen, packet)
		}
		p.in = p.in[n:]
	}
}

func newTestMeter() *meter {
	m := newMeter(false)
	m.measuring = true
	m.population = &m.populations[active]
	return m
}

// write moves up to n bytes from the flow to the peer.
func write(t *rapid.T, f *flow, p *peer, n int) {
	a, b := f.output()
	all := append(bytes.Clone(a), b...)
	n = min(n, len(all))
	f.wrote(n)
	p.take(t, all[:n])
}

// Any cutting of writes and reads, with PINGs and a GOAWAY in between, ends with every packet sent once,
// echoed once and measured once.
func TestFlowAgainstHonestPeer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, depth := drawScript(t)
		f := newFlow(s, 1, depth, 3)
		m := newTestMeter()
		p := &peer{raw: !s.framed}
		pings, ended := 0, false
		now, sent := int64(0), 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += 1000
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1, 2:
				if n := f.room(); n > 0 {
					n = rapid.IntRange(1, n).Draw(t, "packets")
					f.start(now, now, n)
					sent += n
				}
			case 3, 4, 5:
				if f.hasOutput() {
					write(t, &f, p, rapid.IntRange(1, 2000).Draw(t, "written"))
				}
			case 6, 7, 8:
				n := min(rapid.IntRange(0, 3000).Draw(t, "read"), len(p.out))
				f.receive(now, p.out[:n], m)
				p.out = p.out[n:]
			case 9:
				if s.framed && len(p.in) == 0 {
					p.out = protocol.Append(p.out, protocol.Ping, []byte{byte(pings)})
					pings++
				}
			}
			if f.suspect() {
				t.Fatal("suspected an honest peer")
			}
		}
		if rapid.Bool().Draw(t, "goaway") && s.framed {
			f.receive(now, p.out, m)
			p.out = nil
			before := f.inFlight
			f.receive(now, protocol.AppendGoAway(nil, 0), m)
			sent -= before - f.inFlight
			ended = true
			if f.queued != 0 && f.queued != f.untilBoundary() {
				t.Fatalf("%d bytes are still to be sent after a GOAWAY, %d finish the packet", f.queued, f.untilBoundary())
			}
		}
		for f.hasOutput() || len(p.out) > 0 {
			write(t, &f, p, 1<<20)
			f.receive(now, p.out, m)
			p.out = nil
		}
		if !f.idle() || !f.complete() || f.aside != nil || f.batches.len() > 0 || f.done() != ended {
			t.Fatalf("not at rest: %+v", f)
		}
		if f.answered != int64(sent) || m.packets != int64(sent) || m.service.TotalCount() != int64(sent) || len(p.in) > 0 {
			t.Fatalf("sent %d, answered %d, counted %d, measured %d", sent, f.answered, m.packets, m.service.TotalCount())
		}
		if len(p.seen) != pings {
			t.Fatalf("%d PINGs, answered by %v", pings, p.seen)
		}
		for i, pong := range p.seen {
			if pong.Kind != protocol.Pong || !bytes.Equal(pong.Payload, []byte{byte(i)}) {
				t.Fatalf("PING %d was answered by %+v", i, pong)
			}
		}
	})
}

// Whatever is changed in a stream of echoes, the flow suspects it, or the change was none: it never counts
// more than the packets in front of the first wrong byte.
func TestFlowAgainstWrongBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, depth := drawScript(t)
		f := newFlow(s, 1, depth, 3)
		m := newTestMeter()
		p := &peer{raw: !s.framed}
		first := f.inPacket
		f.start(0, 0, depth)
		for f.hasOutput() {
			write(t, &f, p, 1<<20)
		}
		right := bytes.Clone(p.out)
		wrong := bytes.Clone(right)
		i := rapid.IntRange(0, len(wrong)-1).Draw(t, "at")
		wrong[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		for rest := wrong; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "read")
			f.receive(0, rest[:n], m)
			rest = rest[n:]
		}
		whole := 0
		for end := len(s.expected(first)); end <= i; end += len(s.expected(first + whole)) {
			whole++
		}
		if int(f.answered) > whole {
			t.Fatalf("%d echoes were taken as right, %d are", f.answered, whole)
		}
		switch {
		case f.suspect():
			if cause, sentence := f.verdict(); !cause.Wrong() || sentence == "" {
				t.Fatalf("verdict %q %q", cause, sentence)
			}
		case !s.framed || f.idle():
			// A changed kind may leave a packet that is no echo, and then an echo is missing.
			t.Fatal("a wrong byte went unseen")
		}
	})
}

// No bytes, however chosen, make a flow panic or keep more than it may.
func FuzzFlow(f *testing.F) {
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), uint8(3))
	f.Add(protocol.AppendGoAway(protocol.Append(nil, protocol.Ping, []byte("x")), 5), uint8(1))
	f.Add(protocol.AppendError(nil, protocol.CodeIdle, "idle"), uint8(7))
	f.Add(protocol.Append(nil, protocol.Error, []byte{1}), uint8(9))
	s := newScript(Fixed(20), 3, 1, false)
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		fl := newFlow(s, 1, 3, 1)
		m := newTestMeter()
		fl.start(0, 0, 3)
		fl.wrote(fl.queued)
		for len(b) > 0 {
			n := min(len(b), int(step)+1)
			fl.receive(0, b[:n], m)
			b = b[n:]
		}
		if fl.suspect() {
			if cause, _ := fl.verdict(); !cause.Wrong() {
				t.Errorf("verdict %q", cause)
			}
			if len(fl.aside.evidence) > mostEvidence {
				t.Errorf("%d bytes of evidence are kept", len(fl.aside.evidence))
			}
		}
	})
}
