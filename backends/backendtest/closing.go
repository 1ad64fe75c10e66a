package backendtest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/session"
)

var closing = []check{
	{name: "a peer that leaves at once", run: checkLeave},
	{name: "end of input between packets", run: checkEnd},
	{name: "end of input inside a packet", run: checkEndInside},
	{name: "half-close with 8 MiB in flight", run: checkHalfClose},
	{name: "reset inside a packet", run: checkReset},
	{name: "an error while the client is still sending", run: checkOrderlyClose},
}

func checkLeave(t T, s *Suite) {
	srv := s.start(t, nil)
	for range 10 {
		srv.dial(t).close()
	}
	srv.awaitClosed(t, 10)
	must(t, srv.dial(t).exchange(packets(1, 10, 100)))
}

// checkEnd half-closes right behind a few packets: they fit into any socket, so that every engine can
// return them.
func checkEnd(t T, s *Suite) {
	srv := s.start(t, nil)
	for i := range 20 {
		c := srv.dial(t)
		sent := packets(uint64(i), 5, 200)
		must(t, c.exchange(sent))
		must(t, c.closeWrite())
		must(t, c.expectEnd())
		c.close()
	}
	srv.awaitClosed(t, 20)
	if !srv.ended(nil) {
		t.Errorf("sessions ended with %v, not of themselves", srv.endings())
	}
}

// checkEndInside ends the input at every place in a packet. What was whole comes back, nothing else, and
// the rest is counted.
func checkEndInside(t T, s *Suite) {
	srv := s.start(t, nil)
	whole := packets(1, 2, 50)
	last := packets(2, 1, 20).bytes()
	for n := 1; n < len(last); n++ {
		c := srv.dial(t)
		must(t, c.exchange(whole))
		must(t, c.send(last[:n]))
		must(t, c.closeWrite())
		if err := c.expectEnd(); err != nil {
			t.Fatalf("after %d bytes of a packet: %v", n, err)
		}
		c.close()
	}
	want := uint64(len(last) - 1)
	srv.awaitClosed(t, want)
	if got := srv.service.Totals().Partial; got != want {
		t.Errorf("%d packets were counted as partial, %d ended inside one", got, want)
	}
}

// inFlight is what a client sends before it reads, in bytes: more than sockets hold.
const inFlight = 8 << 20

// checkHalfClose sends 8 MiB and the end of input before it reads anything. An engine that disclaims
// half-close must be seen to lose replies, at least once in a few tries.
func checkHalfClose(t T, s *Suite) {
	srv := s.start(t, func(set *session.Settings) {
		set.Outbox.Bytes, set.Outbox.Packets = 4*inFlight, 1<<20 // the client reads nothing until all is sent
	})
	tries := 1
	if !s.Engine.Capabilities.HalfClose {
		tries = 5
	}
	var err error
	for i := range tries {
		if err = halfClose(t, srv, uint64(i)); err != nil {
			break
		}
	}
	claim(t, s, "half-close", err)
}

func halfClose(t T, srv *server, seed uint64) error {
	c := srv.dial(t)
	defer c.close()
	sent := packets(seed, inFlight/4096, 4096-protocol.HeaderSize)
	before := srv.service.Totals()
	sending := make(chan error, 1)
	go func() {
		err := c.send(sent.bytes())
		if err == nil {
			err = c.closeWrite()
		}
		sending <- err
	}()
	srv.awaitInput(before, uint64(sent.total()))
	err := c.expectStream(sent)
	if err != nil {
		c.close() // ends the sender
	}
	if err := errors.Join(err, <-sending); err != nil {
		return err
	}
	return c.expectEnd()
}

// awaitInput waits until the server has read n bytes more than before. What the sockets don't hold of the
// replies is then queued there. It waits no longer when the connection was closed, or when a server that
// pushes back reads no more.
func (srv *server) awaitInput(before session.Totals, n uint64) {
	last, since := uint64(0), time.Now()
	waitFor(srv.suite.Patience, func() bool {
		now := srv.service.Totals()
		if now.BytesIn != last {
			last, since = now.BytesIn, time.Now()
		}
		blocked := !srv.suite.Engine.Capabilities.FullDuplex && time.Since(since) > stall
		return now.BytesIn-before.BytesIn >= n || now.Closed > before.Closed || blocked
	})
}

// claim holds a result against what the engine says of itself: no error where it claims the capability,
// some error where it disclaims it.
func claim(t T, s *Suite, capability string, err error) {
	t.Helper()
	has := false
	for _, c := range s.Engine.Capabilities.List() {
		has = has || c.Name == capability && c.Has
	}
	switch {
	case has && err != nil:
		t.Errorf("%s is claimed: %v", capability, err)
	case !has && err == nil:
		t.Errorf("%s is disclaimed, but it works; Capabilities should say so", capability)
	case !has:
		t.Logf("%s is disclaimed, and so it is: %v", capability, err)
	}
}

// checkReset resets connections in the middle of a packet, with replies unread and without. Their
// sessions end with ErrReset, and nobody else notices.
func checkReset(t T, s *Suite) {
	srv := s.start(t, nil)
	other := srv.dial(t)
	must(t, other.exchange(packets(1, 1, 10)))
	part := packets(2, 1, 1000).bytes()
	const n = 20
	for i := range n {
		c := srv.dial(t)
		if i%2 == 1 {
			must(t, c.send(packets(3, 100, 1000).bytes()))
		}
		must(t, c.send(part[:300]))
		srv.eventually(t, "the part arrives", func() bool { return srv.pool.Stats().InUse > 0 })
		c.reset()
		srv.awaitClosed(t, uint64(i)+1)
	}
	if !srv.ended(backends.ErrReset) {
		t.Errorf("sessions ended with %v, none with ErrReset", srv.endings())
	}
	if got := srv.pool.Stats().InUse; got != 0 {
		t.Errorf("%d buffers are in use after the sessions that held them ended", got)
	}
	must(t, other.exchange(packets(4, 100, 100)))
}

// checkOrderlyClose breaks a rule behind a lot of echoes and goes on sending, so that a server which
// closes with input unread destroys what it sent. The ERROR must arrive all the same. An engine that
// disclaims this must be seen to lose it, at least once in a few tries.
func checkOrderlyClose(t T, s *Suite) {
	srv := s.start(t, nil)
	var err error
	if !s.Engine.Capabilities.FullDuplex {
		// It can't shut down its side first, but it reads on for a while, so that the ERROR arrives.
		must(t, offendAndGoOn(t, srv, 0))
		return
	}
	for i := range 5 {
		if err = offendAndGoOn(t, srv, uint64(i)); err != nil {
			break
		}
	}
	claim(t, s, "orderly-close", err)
}

func offendAndGoOn(t T, srv *server, seed uint64) error {
	c := srv.dial(t)
	defer c.close()
	good := packets(seed, 1000, 1000)
	bad := protocol.Append(nil, protocol.GoAway, nil)

	var sender sync.WaitGroup
	defer sender.Wait()
	defer c.close()
	sending := make(chan error, 1)
	sender.Go(func() {
		err := c.send(append(good.bytes(), bad...))
		sending <- err
		for junk := make([]byte, 64<<10); err == nil; err = c.send(junk) {
		}
	})
	if err := <-sending; err != nil {
		return err
	}
	if err := c.expectStream(good); err != nil {
		return err
	}
	if _, err := c.expectError(protocol.CodeUnsupported); err != nil {
		return err
	}
	if err := c.expectEnd(); err != nil && srv.suite.Engine.Capabilities.FullDuplex {
		return fmt.Errorf("after the ERROR: %w", err)
	}
	return nil
}
