package session

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"echosrv/protocol"
	"echosrv/protocol/buffer"
)

func small(policy buffer.Policy) func(*Settings) {
	return func(s *Settings) { s.Outbox = buffer.Limits{Bytes: 100, Packets: 4, Policy: policy} }
}

func shut(int) int { return 0 }

func TestBlockStopsReadingUntilHalfIsFree(t *testing.T) {
	d := newDriver(t, small(buffer.Block))
	d.room = shut
	for i := range 4 {
		if !d.Reading() {
			t.Fatalf("stopped reading after %d packets of 4", i)
		}
		d.receive(send("12345678"))
	}
	d.receive(send("one too many"))
	if d.Reading() {
		t.Fatal("still reading with a full outbox")
	}
	d.room = func(n int) int { return min(n, 2*16) }
	d.settle(nil)
	if d.Reading() {
		t.Error("reading again with 3 of 4 packets queued")
	}
	d.room = func(n int) int { return min(n, 2*16) }
	d.settle(nil)
	if !d.Reading() {
		t.Error("not reading again with 1 of 4 packets queued")
	}
	d.flush()
	expect(t, "echo", d.packets(), "DATA_ECHO 12345678, DATA_ECHO 12345678, DATA_ECHO 12345678, DATA_ECHO 12345678, DATA_ECHO one too many")
	if n := d.service.Totals().Pauses; n != 1 {
		t.Errorf("%d pauses were counted, want 1", n)
	}
	d.end(nil)
}

func TestDropDiscardsTheNewestAndSaysHowMany(t *testing.T) {
	d := newDriver(t, small(buffer.Drop))
	d.room = shut
	for range 7 {
		d.receive(send("1"))
	}
	if !d.Reading() {
		t.Error("policy drop must not stop reading")
	}
	d.flush()
	d.receive(send("2"))
	expect(t, "answer", d.packets(), "DATA_ECHO 1, DATA_ECHO 1, DATA_ECHO 1, DATA_ECHO 1, "+
		"ERROR overflow: 3 packets were discarded because replies were not read, DATA_ECHO 2")
	if d.Ending() || d.events.dropped != 3 || d.service.Totals().Dropped != 3 {
		t.Errorf("ending %t, %d drops reported, %d counted; want false, 3, 3", d.Ending(), d.events.dropped, d.service.Totals().Dropped)
	}
	d.end(nil)
}

// A packet of which a part was sent must go out whole, however full the outbox is.
func TestDropNeverCutsAPacketThatWasBegun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDriver(t, small(buffer.Drop))
		d.room = func(n int) int { return rapid.IntRange(0, n).Draw(t, "room") }
		sent, _ := drawClient(t)
		cuts(t, sent, d.receive)
		d.EOF(d.now)
		d.flush()
		if got := d.packets(); strings.Contains(got, "no packet") {
			t.Fatalf("the stream was damaged: %s", got)
		}
		d.end(nil)
	})
}

func TestCloseRefusesAndEnds(t *testing.T) {
	d := newDriver(t, small(buffer.Close))
	d.room = shut
	d.receive(bytes.Repeat(send("1"), 7))
	if !d.Ending() {
		t.Error("the output goes on after an overflow")
	}
	d.flush()
	expect(t, "answer", d.packets(), "DATA_ECHO 1, DATA_ECHO 1, DATA_ECHO 1, DATA_ECHO 1, "+
		"ERROR overflow: replies that were not read fill the outbox of 100 bytes and 4 packets")
	if n := d.service.Totals().Dropped; n != 3 {
		t.Errorf("%d packets were counted as dropped, want 3", n)
	}
	d.end(nil)
}

// A peer that never reads costs at most its outbox and what one read brings.
func TestOutboxIsBounded(t *testing.T) {
	for _, policy := range []buffer.Policy{buffer.Block, buffer.Drop, buffer.Close} {
		t.Run(policy.String(), func(t *testing.T) {
			d := newDriver(t, func(s *Settings) { s.Outbox = buffer.Limits{Bytes: 10_000, Packets: 1000, Policy: policy} })
			d.room = shut
			burst := bytes.Repeat(send(string(make([]byte, 92))), 20)
			for range 200 {
				if d.Reading() {
					d.receive(burst)
				}
			}
			if d.Queued() > 10_000+len(burst)+200 {
				t.Errorf("%d bytes are queued", d.Queued())
			}
			if used := d.service.Pool().Stats().InUseBytes; used > 2*(10_000+int64(len(burst))) {
				t.Errorf("%d bytes of buffers are in use", used)
			}
			d.end(nil)
		})
	}
}

func TestTimers(t *testing.T) {
	const second = time.Second
	t.Run("none by default on an idle connection", func(t *testing.T) {
		d := newDriver(t, nil)
		if at := d.Deadline(); at != 0 {
			t.Errorf("deadline %s, want none", at)
		}
		d.end(nil)
	})
	t.Run("heartbeat and idle timeout", func(t *testing.T) {
		d := newDriver(t, func(s *Settings) { s.Heartbeat, s.IdleTimeout = 3*second, 9*second })
		d.at(3 * second)
		expect(t, "too early", d.packets(), "")
		d.at(4 * second)
		expect(t, "after the heartbeat", d.packets(), "PING")
		d.receive(protocol.Append(nil, protocol.Pong, nil))
		d.at(7 * second)
		expect(t, "after another", d.packets(), "PING, PING")
		d.at(13 * second)
		expect(t, "in time", d.packets(), "PING, PING, ERROR idle: nothing arrived for 9s")
		d.at(d.Deadline())
		if !d.Done() {
			t.Error("not done after the linger")
		}
		d.end(nil)
	})
	t.Run("slow packet", func(t *testing.T) {
		d := newDriver(t, func(s *Settings) { s.PacketTimeout = 5 * second })
		d.receive(send("slow")[:9])
		d.at(4 * second)
		d.receive(send("slow")[9:10]) // more bytes don't win more time
		d.at(6 * second)
		expect(t, "answer", d.packets(), "ERROR idle: a packet took longer than 5s to arrive")
		d.end(nil)
	})
	t.Run("write stall", func(t *testing.T) {
		d := newDriver(t, func(s *Settings) { s.WriteTimeout = 5 * second })
		d.room = shut
		d.receive(send("1"))
		d.at(5 * second)
		d.room = func(int) int { return 1 }
		d.settle(nil)
		d.room = shut
		d.at(9 * second)
		if d.Done() {
			t.Error("done although a byte was taken four seconds ago")
		}
		d.at(10 * second)
		if !d.Done() {
			t.Error("not done five seconds after the last byte was taken")
		}
		d.end(nil)
		expectReason(t, d, ErrWriteTimeout)
	})
	t.Run("a pause is not the peer's silence", func(t *testing.T) {
		d := newDriver(t, func(s *Settings) {
			small(buffer.Block)(s)
			s.IdleTimeout, s.PacketTimeout, s.WriteTimeout = 5*second, 5*second, 0
		})
		d.room = shut
		d.receive(join(bytes.Repeat(send("1"), 5), send("part")[:9]))
		d.at(60 * second)
		d.flush()
		d.at(61 * second)
		d.receive(send("part")[9:])
		d.flush()
		expect(t, "answer", d.packets(), strings.Repeat("DATA_ECHO 1, ", 5)+"DATA_ECHO part")
		d.end(nil)
	})
}

func TestDrain(t *testing.T) {
	t.Run("the peer finishes", func(t *testing.T) {
		d := newDriver(t, func(s *Settings) { s.DrainTimeout = 1500 * time.Millisecond })
		d.Drain(d.now)
		d.settle(nil)
		d.Drain(d.now)
		d.receive(send("under way"))
		d.EOF(d.now)
		d.flush()
		expect(t, "answer", d.packets(), "GOAWAY \x00\x00\x05\xdc, DATA_ECHO under way")
		if !d.Done() {
			t.Error("not done")
		}
		d.end(nil)
		expectReason(t, d, nil)
	})
	t.Run("the peer does not", func(t *testing.T) {
		d := newDriver(t, func(s *Settings) { s.DrainTimeout = time.Second })
		d.Drain(d.now)
		d.settle(nil)
		d.at(d.Deadline())
		d.at(d.Deadline())
		expect(t, "answer", d.packets(), "GOAWAY \x00\x00\x03\xe8, ERROR shutting down: the time to finish is over")
		if !d.Done() {
			t.Error("not done")
		}
		d.end(nil)
	})
}

func TestSettingsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Settings)
	}{
		{"payload", func(s *Settings) { s.MaxPayload = protocol.MaxPayload + 1 }},
		{"negative payload", func(s *Settings) { s.MaxPayload = -1 }},
		{"outbox bytes", func(s *Settings) { s.Outbox.Bytes = 0 }},
		{"outbox packets", func(s *Settings) { s.Outbox.Packets = 0 }},
		{"policy", func(s *Settings) { s.Outbox.Policy = 3 }},
		{"linger", func(s *Settings) { s.Linger = -1 }},
	} {
		s := DefaultSettings()
		c.change(&s)
		if _, err := NewService(s, buffer.NewPool(0), nil); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}

func TestConfigureReachesOpenSessions(t *testing.T) {
	d := newDriver(t, nil)
	set := d.service.Settings()
	set.MaxPayload = 3
	if err := d.service.Configure(set); err != nil {
		t.Fatal(err)
	}
	d.receive(send("four"))
	expect(t, "answer", d.packets(), "ERROR too large: DATA_SEND has 4 bytes, at most 3 are allowed")
	d.end(nil)
}
