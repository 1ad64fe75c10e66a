package session

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"echosrv/protocol/buffer"
)

func async(s *Settings) {
	s.Mode, s.FlushInterval, s.FlushBytes = Async, 200*time.Millisecond, 1000
}

func TestAsyncSendsABatchWhenTheIntervalIsOver(t *testing.T) {
	d := newDriver(t, async)
	d.receive(send("1"))
	first := d.now
	d.now += 100 * time.Millisecond
	d.receive(send("2"))
	expect(t, "before the interval is over", d.packets(), "")
	if want := first + 200*time.Millisecond; d.Deadline() != want {
		t.Errorf("deadline %s, want %s: the interval counts from the first packet held", d.Deadline(), want)
	}
	if d.Queued() != 0 {
		t.Errorf("%d bytes are to be written, want none", d.Queued())
	}
	d.at(d.Deadline())
	expect(t, "after it", d.packets(), "DATA_ECHO 1, DATA_ECHO 2")
	if n := d.service.Totals().Flushes; n != 1 {
		t.Errorf("%d batches, want 1", n)
	}
	if at := d.Deadline(); at != 0 {
		t.Errorf("deadline %s with nothing held", at)
	}
	d.end(nil)
}

func TestAsyncSendsABatchWhenItIsLargeEnough(t *testing.T) {
	d := newDriver(t, async)
	packet := send(string(make([]byte, 392)))
	d.receive(packet)
	d.receive(packet)
	expect(t, "800 of 1000 bytes", d.packets(), "")
	d.receive(packet)
	if n := strings.Count(d.packets(), "DATA_ECHO"); n != 3 {
		t.Errorf("%d echoes at 1200 of 1000 bytes, want 3", n)
	}
	d.end(nil)
}

// Whatever is held goes out, in order, before an ERROR, a GOAWAY, the end, or an echo in real time.
func TestAsyncKeepsTheOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(*driver)
		want string
	}{
		{"end of input", func(d *driver) { d.EOF(d.now) }, "DATA_ECHO 1"},
		{"drain", func(d *driver) { d.Drain(d.now) }, "DATA_ECHO 1, GOAWAY \x00\x00\x27\x10"},
		{"bad packet", func(d *driver) { d.receive(join(send("2"), make([]byte, 8))) },
			"DATA_ECHO 1, DATA_ECHO 2, ERROR unsupported kind: kind 0 is unknown, only DATA_SEND, PING and PONG are accepted"},
		{"real time from now on", func(d *driver) {
			set := d.service.Settings()
			set.Mode = RealTime
			if err := d.service.Configure(set); err != nil {
				t.Fatal(err)
			}
			d.receive(send("2"))
		}, "DATA_ECHO 1, DATA_ECHO 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDriver(t, async)
			d.receive(send("1"))
			c.then(d)
			d.flush()
			expect(t, "output", d.packets(), c.want)
			d.end(nil)
		})
	}
}

func TestAsyncEchoDoesNotDependOnCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent, want := drawClient(t)
		d := newDriver(t, async)
		d.room = func(n int) int { return rapid.IntRange(0, n).Draw(t, "room") }
		cuts(t, sent, func(b []byte) {
			d.receive(b)
			d.at(d.now + time.Duration(rapid.IntRange(0, 150).Draw(t, "ms"))*time.Millisecond)
		})
		d.EOF(d.now)
		d.flush()
		if !bytes.Equal(d.output, want) || !d.Done() {
			t.Fatalf("got %d bytes %s, want %d; done %t", len(d.output), d.packets(), len(want), d.Done())
		}
		d.end(nil)
	})
}

// An outbox filled by what is held must not stop reading for good.
func TestAsyncFlushesAFullOutbox(t *testing.T) {
	d := newDriver(t, func(s *Settings) {
		async(s)
		s.Outbox = buffer.Limits{Bytes: 2000, Packets: 4, Policy: buffer.Block}
	})
	for range 9 {
		d.receive(send("1"))
	}
	if n := strings.Count(d.packets(), "DATA_ECHO"); n < 5 || !d.Reading() {
		t.Errorf("%d echoes of 9 packets with room for 4, reading %t", n, d.Reading())
	}
	d.end(nil)
}

func TestRatesPauseReadingAndLoseNothing(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"packets of a connection": func(s *Settings) { s.ConnectionRate.Packets = 10 },
		"bytes of a connection":   func(s *Settings) { s.ConnectionRate.Bytes = 90 },
		"packets of all":          func(s *Settings) { s.ServerRate.Packets = 10 },
		"bytes of all":            func(s *Settings) { s.ServerRate.Bytes = 90 },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDriver(t, change)
			d.receive(bytes.Repeat(send("1"), 10)) // a second's worth at once is allowed
			if !d.Reading() {
				t.Fatal("paused within the limit")
			}
			d.receive(bytes.Repeat(send("2"), 5))
			if d.Reading() {
				t.Fatal("still reading above the limit")
			}
			expect(t, "echo", d.packets(), strings.TrimSuffix(strings.Repeat("DATA_ECHO 1, ", 10)+strings.Repeat("DATA_ECHO 2, ", 5), ", "))
			if wait := d.Deadline() - d.now; wait < 499*time.Millisecond || wait > 501*time.Millisecond {
				t.Errorf("paused for %s, want half a second for half a second's worth", wait)
			}
			d.at(d.Deadline())
			if !d.Reading() {
				t.Error("not reading again when the debt is paid")
			}
			d.end(nil)
		})
	}
}

func TestAnEngineThatCannotPauseEndsWhatItWouldPause(t *testing.T) {
	t.Run("rate", func(t *testing.T) {
		d := newDriver(t, func(s *Settings) { s.NoPause, s.ConnectionRate.Packets = true, 2 })
		d.receive(bytes.Repeat(send("1"), 3))
		d.flush()
		expect(t, "output", d.packets(), strings.Repeat("DATA_ECHO 1, ", 3)+
			"ERROR rate limited: more arrived than is allowed in a second, and this engine can't wait")
		d.end(nil)
	})
	t.Run("outbox", func(t *testing.T) {
		d := newDriver(t, func(s *Settings) { small(buffer.Block)(s); s.NoPause = true })
		d.room = shut
		d.receive(bytes.Repeat(send("1"), 5))
		if !d.Ending() || !d.Reading() {
			t.Errorf("ending %t, reading %t; want both", d.Ending(), d.Reading())
		}
		d.end(nil)
	})
}

func TestBudgetOfAllOutboxes(t *testing.T) {
	a := newDriver(t, func(s *Settings) { s.OutboxBudget = 1000 })
	b := &driver{tb: t, service: a.service, now: a.now, events: a.events, Session: a.service.Open(a.now, nil)}
	a.room, b.room = shut, shut
	big := send(string(make([]byte, 792)))
	a.receive(big)
	if n := a.service.Queued(); n != 800 {
		t.Errorf("%d bytes are queued in all, want 800", n)
	}
	b.receive(send("1")) // within the budget
	b.receive(big)
	if b.Reading() || !a.Reading() {
		t.Errorf("reading %t and %t, want only the one within the budget", a.Reading(), b.Reading())
	}
	b.flush()
	if !b.Reading() {
		t.Error("not reading again with an empty outbox")
	}
	a.Close(nil)
	b.end(nil)
	if n := b.service.Queued(); n != 0 {
		t.Errorf("%d bytes are queued after both have closed", n)
	}
}

func TestOneConnectionTooMany(t *testing.T) {
	d := newDriver(t, func(s *Settings) { s.MaxConnections = 1 })
	late := &driver{tb: t, service: d.service, now: d.now, events: d.events, Session: d.service.Open(d.now, nil)}
	late.settle(nil)
	expect(t, "answer", late.packets(), "ERROR too many connections: 1 connections are allowed")
	if !late.Ending() || d.service.Connections() != 1 {
		t.Errorf("ending %t, %d connections; want true, 1", late.Ending(), d.service.Connections())
	}
	late.Close(nil)
	d.end(nil)
	again := d.service.Open(d.now, nil)
	if again.Ending() || d.service.Connections() != 1 || d.service.Totals().Refused != 1 {
		t.Errorf("after the first has gone: ending %t, %d connections, %d refused", again.Ending(), d.service.Connections(), d.service.Totals().Refused)
	}
	again.Close(nil)
}

func TestProbeTimesASample(t *testing.T) {
	d := newDriver(t, nil)
	clock := time.Second
	var seen []time.Duration
	d.service.Probe(func() time.Duration { clock += 3 * time.Microsecond; return clock }, func(d time.Duration) { seen = append(seen, d) })
	for range 10 * sampleEvery {
		d.receive(send("1"))
	}
	if len(seen) != 10 || seen[0] != 3*time.Microsecond {
		t.Errorf("observed %v, want ten times 3us", seen)
	}
	d.end(nil)
}

// What an idle connection costs is mostly this.
func TestSessionIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Session{}); size > 192 {
		t.Errorf("a session has %d bytes, want at most 192, a size class of the allocator", size)
	}
}

func TestCountersFillCacheLines(t *testing.T) {
	if size := unsafe.Sizeof(Counters{}); size%64 != 0 {
		t.Errorf("a shard of the counters has %d bytes, want a multiple of a cache line", size)
	}
}

// A change of settings while a server runs reaches sessions without a race, and other settings' changes
// leave what a rate is owed.
func TestConfigureWhileSessionsRun(t *testing.T) {
	d := newDriver(t, func(s *Settings) { s.ServerRate.Packets = 10 })
	changed := make(chan error)
	go func() {
		set := d.service.Settings()
		for i := range 100 {
			set.MaxPayload = 1000 + i
			if err := d.service.Configure(set); err != nil {
				changed <- err
				return
			}
		}
		changed <- nil
	}()
	for range 15 {
		d.receive(send("1"))
	}
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	if d.Reading() {
		t.Error("15 packets of 10 a second were taken without a pause: the debt was forgotten")
	}
	d.end(nil)
}

// The mode may change in the middle of a read. A packet that was completed by it must not be held back while
// the reply to those behind it goes out.
func TestModeChangeInTheMiddleOfARead(t *testing.T) {
	d := newDriver(t, nil)
	first, second := send("first"), send("second")
	d.receive(first[:10])
	before := d.service.settings.Load()
	set := d.service.Settings()
	async(&set)
	if err := d.service.Configure(set); err != nil {
		t.Fatal(err)
	}
	d.settle(d.Session.receive(d.now, before, join(first[10:], second)))
	d.flush()
	expect(t, "echo", d.packets(), "DATA_ECHO first, DATA_ECHO second")
	d.end(nil)
}
