package session

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"echosrv/protocol"
	"echosrv/protocol/buffer"
)

// drawClient makes what a well-behaved client sends, and what it must get back.
func drawClient(t *rapid.T) (sent, want []byte) {
	for range rapid.IntRange(0, 20).Draw(t, "packets") {
		kind := rapid.SampledFrom([]protocol.Kind{protocol.DataSend, protocol.DataSend, protocol.DataSend, protocol.Ping, protocol.Pong}).Draw(t, "kind")
		size := rapid.SampledFrom([]int{0, 1, 3, 60, 64}).Draw(t, "size")
		if kind == protocol.DataSend {
			size *= rapid.SampledFrom([]int{1, 1, 20, 400}).Draw(t, "times")
		}
		payload := bytes.Repeat([]byte{byte(len(sent))}, size)
		sent = protocol.Append(sent, kind, payload)
		if answer := answerTo(kind); answer != 0 {
			want = protocol.Append(want, answer, payload)
		}
	}
	return sent, want
}

// cuts calls f with b in pieces of drawn sizes.
func cuts(t *rapid.T, b []byte, f func([]byte)) {
	for len(b) > 0 {
		n := rapid.IntRange(1, len(b)).Draw(t, "cut")
		if rapid.Bool().Draw(t, "tiny") {
			n = min(n, 5)
		}
		f(b[:n])
		b = b[n:]
	}
}

// The echo of a stream does not depend on how it was cut into reads, nor on how much of each write the
// socket took; everything comes back, in order, once; and nothing is kept afterwards.
func TestEchoDoesNotDependOnCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent, want := drawClient(t)
		d := newDriver(t, nil)
		d.room = func(n int) int { return rapid.IntRange(0, n).Draw(t, "room") }
		cuts(t, sent, d.receive)
		d.EOF(d.now)
		if d.Queued() > 0 && d.Done() {
			t.Fatalf("done with %d bytes queued", d.Queued())
		}
		d.flush()
		if !bytes.Equal(d.output, want) {
			t.Fatalf("got %d bytes %s, want %d", len(d.output), d.packets(), len(want))
		}
		if !d.Done() {
			t.Fatalf("not done when all was echoed and the input had ended")
		}
		d.end(nil)
	})
}

// Whatever is sent, a session does not panic, holds what it promises to hold, answers with packets, and
// says the same however the bytes were cut.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x01a"), uint8(3))
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02ab\x00\x00\x00\x07"), uint8(5))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(1))
	f.Add([]byte("\x00\x00\x00\x01\x7f\xff\xff\xff"), uint8(8))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		const limit = 300
		whole := newDriver(t, func(s *Settings) { s.MaxPayload = limit })
		if len(b) > 0 {
			whole.receive(b)
		}
		pieces := newDriver(t, func(s *Settings) { s.MaxPayload = limit })
		for rest := b; len(rest) > 0; {
			n := min(int(cut%40)+1, len(rest))
			pieces.receive(rest[:n])
			rest = rest[n:]
			if used := pieces.service.Pool().Stats().InUseBytes; used > 4*(limit+protocol.HeaderSize) {
				t.Fatalf("holds %d bytes for packets of at most %d", used, limit)
			}
		}
		for _, d := range []*driver{whole, pieces} {
			d.EOF(d.now)
			d.flush()
			if !d.Done() {
				t.Fatalf("not done at the end of input")
			}
		}
		if !bytes.Equal(whole.output, pieces.output) {
			t.Fatalf("in one piece %s, in pieces of %d %s", whole.packets(), cut%40+1, pieces.packets())
		}
		whole.end(nil)
		pieces.end(nil)
	})
}

// The plain path neither copies nor allocates: the reply is the memory that was read into.
func TestPlainPathDoesNotCopyOrAllocate(t *testing.T) {
	d := newDriver(t, nil)
	burst := bytes.Repeat(send("sixteen bytes ok"), 16)
	work := make([]byte, len(burst))
	allocs := testing.AllocsPerRun(1000, func() {
		copy(work, burst)
		reply := d.Receive(d.now, work)
		if len(reply) != len(work) || &reply[0] != &work[0] {
			t.Fatal("the reply is not the memory of the read")
		}
		d.Sent(d.now, len(reply), reply)
	})
	if allocs != 0 {
		t.Errorf("%v allocations per burst, want 0", allocs)
	}
	if s := d.service.Pool().Stats(); s.Gets != 0 {
		t.Errorf("%d buffers were taken, want 0", s.Gets)
	}
	d.end(nil)
}

// A packet that arrives in parts and one that the socket refuses take pooled buffers, and nothing else
// once the pool is warm.
func TestPartsAndRefusalsDoNotAllocateOnceWarm(t *testing.T) {
	if buffer.Tracing {
		t.Skip("tracing allocates")
	}
	d := newDriver(t, nil)
	packet := send(string(make([]byte, 5000)))
	scratch := make([][]byte, 0, 8)
	work := make([]byte, len(packet))
	allocs := testing.AllocsPerRun(1000, func() {
		copy(work, packet)
		d.Sent(d.now, 0, d.Receive(d.now, work[:3000]))
		reply := d.Receive(d.now, work[3000:])
		d.Sent(d.now, 100, reply)
		scratch = d.Pending(scratch[:0])
		d.Sent(d.now, d.Queued(), nil)
		copy(work, packet)
		d.Sent(d.now, 10, d.Receive(d.now, work))
		d.Sent(d.now, d.Queued(), nil)
	})
	if allocs > 0.1 {
		t.Errorf("%v allocations per round, want 0", allocs)
	}
	d.end(nil)
}

// An idle connection, and one in mid-packet, hold no more than they must.
func TestMemoryOfAPartialPacketFollowsWhatArrived(t *testing.T) {
	d := newDriver(t, nil)
	header := unhex(t, "00000001 00100000") // promises a mebibyte
	d.receive(header)
	if used := d.service.Pool().Stats().InUseBytes; used > 64 {
		t.Errorf("%d bytes are held for a header", used)
	}
	d.receive(make([]byte, 1000))
	if used := d.service.Pool().Stats().InUseBytes; used > 6000 {
		t.Errorf("%d bytes are held for a thousand", used)
	}
	d.end(nil)
	if n := d.service.Totals().Partial; n != 1 {
		t.Errorf("%d partial packets were counted, want 1", n)
	}
}

func TestBadPacketsAreAnsweredAndEndTheOutput(t *testing.T) {
	for _, c := range []struct{ name, input, want string }{
		{"too large", "00000001 00100001", "ERROR too large: DATA_SEND has 1048577 bytes, at most 1048576 are allowed"},
		{"unknown kind", "00000009 00000000", "ERROR unsupported kind: kind 9 is unknown, only DATA_SEND, PING and PONG are accepted"},
		{"a server's kind", "00000002 00000000", "ERROR unsupported kind: DATA_ECHO is not accepted in this direction, only DATA_SEND, PING and PONG are"},
		{"flags", "00000101 00000000", "ERROR malformed: DATA_SEND has flags 0x000001, but no flag is defined"},
		{"long ping", "00000003 00000041", "ERROR malformed: PING has 65 bytes, at most 64 are allowed"},
		{"whole ones before it", "00000001 00000001 61 00000003 00000000 00000007 00000000", "DATA_ECHO a, PONG, ERROR unsupported kind: kind 7 is unknown, only DATA_SEND, PING and PONG are accepted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for cut := 1; cut <= 9; cut += 4 {
				d := newDriver(t, nil)
				input := unhex(t, c.input)
				for len(input) > 0 {
					n := min(cut, len(input))
					d.receive(input[:n])
					input = input[n:]
				}
				d.flush()
				expect(t, "answer", d.packets(), c.want)
				if !d.Ending() || !d.Reading() || d.Done() {
					t.Errorf("after an ERROR: ending %t, reading %t, done %t; want true, true, false", d.Ending(), d.Reading(), d.Done())
				}
				d.receive(send("ignored")) // what a client had under way
				expect(t, "answer after more input", d.packets(), c.want)
				d.EOF(d.now)
				if !d.Done() {
					t.Error("not done after the peer closed")
				}
				d.end(nil)
				var v *protocol.Violation
				if !errors.As(d.events.closed[0], &v) || len(d.events.violations) != 1 {
					t.Errorf("reported %v and %v, want one violation as the reason", d.events.violations, d.events.closed)
				}
			}
		})
	}
}

func TestHalfCloseDropsAPartialPacketAndEchoesTheRest(t *testing.T) {
	d := newDriver(t, nil)
	d.room = func(int) int { return 0 }
	d.receive(join(send("whole"), send("cut off")[:10]))
	d.EOF(d.now)
	if d.Done() || !d.Ending() || d.Reading() {
		t.Errorf("at the end of input: done %t, ending %t, reading %t; want false, true, false", d.Done(), d.Ending(), d.Reading())
	}
	d.flush()
	expect(t, "echo", d.packets(), "DATA_ECHO whole")
	if !d.Done() {
		t.Error("not done")
	}
	d.end(nil)
	expectReason(t, d, nil)
	if n := d.service.Totals().Partial; n != 1 {
		t.Errorf("%d partial packets were counted, want 1", n)
	}
}

func BenchmarkReceive(b *testing.B) {
	for _, c := range []struct {
		name           string
		packets, bytes int
	}{{"1x1024", 1, 1024}, {"16x64", 16, 64}} {
		b.Run(c.name, func(b *testing.B) {
			v, err := NewService(DefaultSettings(), buffer.NewPool(0), nil)
			if err != nil {
				b.Fatal(err)
			}
			s := v.Open(1, nil)
			burst := bytes.Repeat(send(string(make([]byte, c.bytes))), c.packets)
			b.ReportAllocs()
			for b.Loop() {
				reply := s.Receive(1, burst)
				s.Sent(1, len(reply), reply)
				for at := 0; at < len(burst); at += protocol.HeaderSize + c.bytes {
					protocol.SetKind(burst[at:], protocol.DataSend)
				}
			}
		})
	}
}
