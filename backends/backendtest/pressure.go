package backendtest

import (
	"fmt"
	"runtime"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"
)

var pressure = []check{
	{name: "block: a client that never reads", run: checkBlock},
	{name: "block: pausing and going on, many times", run: checkPauses},
	{name: "drop: a client that never reads", run: checkDrop},
	{name: "close: a client that never reads", run: checkOverflowClose},
}

const (
	// flood is how much a client that does not read tries to send, in bytes.
	flood = 48 << 20
	// taken is how much of it a server that does not read either can have taken: what is in its outbox,
	// and what the kernel holds, whose send buffers grow to 4 MiB and receive buffers to 6 MiB
	// (tcp_wmem, tcp_rmem).
	taken = 24 << 20
	// mostHeap is how much the heap may grow for one client that floods, in bytes: less than the flood, and
	// more than the four read buffers of 8 MiB each that the greediest library (netpoll) comes to have.
	mostHeap = 40 << 20
	// smallOutbox is the outbox under pressure, in bytes.
	smallOutbox = 256 << 10
	// slack is what a server may hold beyond its outboxes: the replies to what it had read, and partial
	// packets, with the rounding of their buffers.
	slack = 2 << 20
	// stall is how long nothing must happen before a check asks whether that is meant.
	stall = 300 * time.Millisecond
)

// limited starts a server with a small outbox.
func limited(t T, s *Suite, policy buffer.Policy) *server {
	return s.start(t, func(set *session.Settings) {
		set.Outbox = buffer.Limits{Bytes: smallOutbox, Packets: 4096, Policy: policy}
	})
}

// heap is the live memory of this process, in bytes. What lies in a sync.Pool goes with the second
// collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// checkBounded asks whether a server that is under pressure kept its memory, and serves others.
func checkBounded(t T, srv *server, other *client, heapBefore int64) {
	t.Helper()
	if n := srv.pool.Stats().InUseBytes; n > smallOutbox+slack {
		t.Errorf("%d bytes of buffers are in use by one connection with an outbox of %d", n, smallOutbox)
	}
	if grown := heap() - heapBefore; grown > mostHeap {
		t.Errorf("the heap has grown by %d MiB for one client that does not read", grown>>20)
	}
	if err := other.exchange(packets(9, 100, 100)); err != nil {
		t.Errorf("another client, while one does not read: %v", err)
	}
}

// checkBlock: the server stops reading from a client that reads nothing, which TCP passes on to the
// client; when the client reads at last, nothing is missing. An engine that can't pause gives the
// connection up.
func checkBlock(t T, s *Suite) {
	srv := limited(t, s, buffer.Block)
	other := srv.dial(t)
	must(t, other.exchange(packets(1, 1, 100)))
	before := heap()
	c := srv.dial(t)
	p, err := srv.pump(c, 2, 1000, never, paused)
	checkBounded(t, srv, other, before)
	if !s.Engine.Capabilities.FullDuplex {
		must(t, err)
		checkPushedBack(t, srv, c, p)
		return
	}
	if err == nil {
		err = readAll(srv, c, p)
	}
	if !s.Engine.Capabilities.PauseReads {
		srv.eventually(t, "the session ends with ErrNoPause", func() bool { return srv.ended(backends.ErrNoPause) })
	}
	claim(t, s, "pause-reads", err)
}

// checkPushedBack: a half-duplex engine stops reading before its session has to do anything about it, and
// goes on when the client reads at last.
func checkPushedBack(t T, srv *server, c *client, p pumped) {
	t.Helper()
	if n := srv.service.Totals(); n.BytesIn > taken || n.Pauses+n.Dropped+n.Violations > 0 {
		t.Errorf("a half-duplex engine took %d MiB from a client that reads nothing: %+v", n.BytesIn>>20, n)
	}
	wait := c.finish(p)
	must(t, c.expectStream(p.stream))
	must(t, wait())
	must(t, c.closeWrite())
	must(t, c.expectEnd())
}

// readAll asks whether the server had stopped reading, and then reads all replies.
func readAll(srv *server, c *client, p pumped) error {
	n := srv.service.Totals()
	if n.BytesIn > taken {
		return fmt.Errorf("the server read on: it took %d MiB from a client that reads nothing", n.BytesIn>>20)
	}
	wait := c.finish(p)
	if err := c.expectStream(p.stream); err != nil {
		return fmt.Errorf("reading at last: %w; totals %+v, endings %v", err, srv.service.Totals(), srv.endings())
	}
	if err := wait(); err != nil {
		return err
	}
	if err := c.closeWrite(); err != nil {
		return err
	}
	return c.expectEnd()
}

// checkPauses has an outbox of a few packets, and a client that reads just as it sends, so that reading is
// paused and goes on all the time. An engine that can't pause gets an outbox that is never full.
func checkPauses(t T, s *Suite) {
	srv := s.start(t, func(set *session.Settings) {
		set.Outbox.Packets, set.Outbox.Bytes = 64, 64<<10
		if !s.Engine.Capabilities.PauseReads {
			set.Outbox.Packets, set.Outbox.Bytes = 1<<20, 64<<20
		}
	})
	c := srv.dial(t)
	must(t, c.exchange(packets(1, 8000, 1500)))
	must(t, c.exchange(packets(2, 40_000, 0)))
	must(t, c.exchange(packets(3, 40, 300_000)))
	must(t, c.closeWrite())
	must(t, c.expectEnd())
}

// checkDrop: the newest packets are thrown away, and the client is told how many, so that it can account
// for every packet.
func checkDrop(t T, s *Suite) {
	srv := limited(t, s, buffer.Drop)
	other := srv.dial(t)
	must(t, other.exchange(packets(1, 1, 100)))
	before := heap()
	c := srv.dial(t)
	p, err := srv.pump(c, 2, 1000, dropped, never)
	must(t, err)
	if !s.Engine.Capabilities.FullDuplex {
		checkPushedBack(t, srv, c, p)
		return
	}
	if n := srv.service.Totals(); n.Dropped == 0 {
		t.Fatalf("nothing was dropped although %d bytes were sent and none read: %+v", p.total()-len(p.rest), n)
	}
	checkBounded(t, srv, other, before)

	wait := c.finish(p)
	must(t, c.account(p.stream))
	must(t, wait())
	must(t, c.exchange(packets(3, 10, 100)))
	must(t, c.closeWrite())
	must(t, c.expectEnd())
}

// checkOverflowClose: the connection of a client that does not read is ended, with an ERROR behind the
// replies that were kept.
func checkOverflowClose(t T, s *Suite) {
	srv := limited(t, s, buffer.Close)
	other := srv.dial(t)
	must(t, other.exchange(packets(1, 1, 100)))
	before := heap()
	c := srv.dial(t)
	p, err := srv.pump(c, 2, 1000, violated, never)
	if !s.Engine.Capabilities.FullDuplex {
		must(t, err)
		checkPushedBack(t, srv, c, p)
		return
	}
	if n := srv.service.Totals(); n.Violations == 0 {
		t.Fatalf("the connection was not ended although %d bytes were sent and none read: %+v", p.total()-len(p.rest), n)
	}
	checkBounded(t, srv, other, before)
	if s.Engine.Capabilities.OrderlyClose {
		must(t, err)
		must(t, c.expectPrefix(p.stream, protocol.CodeOverflow))
		must(t, c.expectEnd())
	}
	c.close()
	srv.awaitClosed(t, 1)
}
