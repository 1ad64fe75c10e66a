package backendtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"echosrv/protocol"
	"echosrv/protocol/session"
)

var draining = []check{
	{name: "drain before serve", run: checkDrainFirst},
	{name: "drain refuses newcomers", run: checkDrainNewcomers},
	{name: "drain under load", run: checkDrain},
	{name: "drain ends at its deadline", run: checkDrainTimeout},
	{name: "close while draining", run: checkCloseDraining},
}

// checkDrainNewcomers: a connection that was there is served to its end, new ones are not.
func checkDrainNewcomers(t T, s *Suite) {
	srv := s.start(t, nil)
	c := srv.dial(t)
	must(t, c.exchange(packets(1, 1, 10)))
	srv.drain(t)
	srv.drain(t)
	s.prompt(t, c)
	must(t, c.expectGoAway(srv.settings.DrainTimeout))
	srv.eventually(t, "newcomers are refused", func() bool {
		late, err := srv.connect()
		if err != nil {
			return true
		}
		defer late.close()
		late.patience = stall
		return late.exchange(packets(2, 1, 10)) != nil
	})
	must(t, c.exchange(packets(3, 10, 100)))
	select {
	case err := <-srv.served:
		srv.served <- err
		t.Fatalf("Serve returned (%v) while a connection was open", err)
	default:
	}
	must(t, c.closeWrite())
	must(t, c.expectEnd())
	srv.awaitServe(t)
}

// prompt has a half-duplex engine say what it has to say: it must not have done so before.
func (s *Suite) prompt(t T, c *client) {
	t.Helper()
	if s.Engine.Capabilities.FullDuplex {
		return
	}
	patience := c.patience
	c.patience = quiet
	if p, err := c.receive(); err == nil {
		t.Fatalf("got %s from a half-duplex engine that was not spoken to", describe(p))
	}
	c.patience = patience
	must(t, c.sendPacket(protocol.Pong, nil))
}

// expectGoAway receives a GOAWAY that leaves at most this much time.
func (c *client) expectGoAway(most time.Duration) error {
	p, err := c.receive()
	if err != nil {
		return fmt.Errorf("expected GOAWAY: %w", err)
	}
	if p.Kind != protocol.GoAway {
		return fmt.Errorf("expected GOAWAY, got %s", describe(p))
	}
	left, err := protocol.ParseGoAway(p.Payload)
	if err == nil && left > most {
		err = fmt.Errorf("GOAWAY leaves %s, at most %s were expected", left, most)
	}
	return err
}

// checkDrain drains under load, and counts: well-behaved clients get back all that they sent. One client
// had read nothing when the drain began.
func checkDrain(t T, s *Suite) {
	tries := 2
	if !s.Engine.Capabilities.LosslessDrain {
		tries = 5
	}
	var err error
	for range tries {
		if err = drainUnderLoad(t, s); err != nil {
			break
		}
	}
	claim(t, s, "lossless-drain", err)
}

func drainUnderLoad(t T, s *Suite) error {
	const n = 20
	srv := s.start(t, func(set *session.Settings) {
		set.DrainTimeout = s.Patience
		set.Outbox.Bytes = smallOutbox // reading is paused when the drain comes
		if !s.Engine.Capabilities.PauseReads {
			set.Outbox.Bytes, set.Outbox.Packets = 2*inFlight, 1<<20
		}
	})
	// The one that has not read: what it sent is on the way back, in the outbox, or not read yet.
	slow := srv.dial(t)
	unread, err := srv.pump(slow, 99, 1000, func(n session.Totals) bool { return n.BytesIn > inFlight/2 }, paused)
	must(t, err)

	clients := make([]*client, n)
	for i := range clients {
		clients[i] = srv.dial(t)
	}
	// Every client must be served before the drain: one that still waits to be accepted is refused.
	var served atomic.Int64
	result := make(chan error, 1)
	sizes := packets(0, 1<<20, 300).sizes
	go func() {
		result <- each(n, n, func(i int) error {
			return clients[i].behave(stream{seed: uint64(i), sizes: sizes}, &served)
		})
	}()
	busy := waitFor(s.Patience, func() bool { return served.Load() == n })
	srv.drain(t)
	if !s.Engine.Capabilities.FullDuplex {
		unread.rest = protocol.Append(unread.rest, protocol.Pong, nil)
	}
	wait := slow.finish(unread)
	err = errors.Join(slow.takeLeave(unread.stream), wait(), <-result)
	if !busy {
		err = errors.Join(err, fmt.Errorf("only %d of %d clients were served", served.Load(), n))
	}
	if err != nil {
		srv.close(t)
	}
	srv.awaitServe(t)
	return err
}

// behave sends, with 16 packets under way, until GOAWAY; then it waits for its echoes, ends its output,
// and expects the server's end. It adds itself to served when it is well under way.
func (c *client) behave(s stream, served *atomic.Int64) error {
	sent, received := 0, 0
	goaway := false
	for !goaway || received < sent {
		for ; !goaway && sent < received+16 && sent < len(s.sizes); sent++ {
			if err := c.send(s.append(nil, sent)); err != nil {
				return err
			}
		}
		p, err := c.receive()
		switch {
		case err != nil:
			return fmt.Errorf("%d packets were sent, %d came back: %w", sent, received, err)
		case p.Kind == protocol.GoAway:
			goaway = true
		case p.Kind != protocol.DataEcho || s.find(p.Payload, received) != received:
			return fmt.Errorf("%w: expected echo number %d, got %s", errWrong, received, describe(p))
		default:
			if received++; received == 50 {
				served.Add(1)
			}
		}
	}
	if err := c.closeWrite(); err != nil {
		return err
	}
	return c.expectEnd()
}

// takeLeave receives the echoes of all that was sent, and a GOAWAY somewhere between, and closes.
func (c *client) takeLeave(s stream) error {
	for received, goaway := 0, false; !goaway || received < len(s.sizes); {
		p, err := c.receive()
		switch {
		case err != nil:
			return fmt.Errorf("the client that had not read: %d packets were sent, %d came back: %w", len(s.sizes), received, err)
		case p.Kind == protocol.GoAway && !goaway:
			goaway = true
		case p.Kind == protocol.DataEcho && s.find(p.Payload, received) == received:
			received++
		default:
			return fmt.Errorf("%w: expected echo number %d, got %s", errWrong, received, describe(p))
		}
	}
	if err := c.closeWrite(); err != nil {
		return err
	}
	return c.expectEnd()
}

// checkDrainTimeout: clients that ignore GOAWAY, the silent and the noisy, hold a drain up no longer than
// its deadline.
func checkDrainTimeout(t T, s *Suite) {
	if !s.Engine.Capabilities.Timers {
		t.Logf("an engine without timers has no deadline for a drain")
		return
	}
	srv := s.start(t, func(set *session.Settings) { set.DrainTimeout, set.Linger = soon, soon })
	silent, noisy := srv.dial(t), srv.dial(t)
	must(t, silent.exchange(packets(1, 1, 10)))
	must(t, noisy.exchange(packets(2, 1, 10)))
	var noise sync.WaitGroup
	noise.Go(func() {
		for noisy.send(packets(3, 1, 10).bytes()) == nil {
		}
	})
	srv.drain(t)
	if !s.Engine.Capabilities.FullDuplex {
		must(t, silent.expectEnd()) // nothing could be said, but it ends
		srv.awaitServe(t)
		noise.Wait()
		return
	}
	must(t, silent.expectGoAway(soon))
	_, err := silent.expectError(protocol.CodeShuttingDown)
	must(t, err)
	must(t, silent.expectEnd())
	srv.awaitServe(t)
	noisy.close()
	noise.Wait()
}

func checkCloseDraining(t T, s *Suite) {
	srv := s.start(t, nil)
	c := srv.dial(t)
	must(t, c.exchange(packets(1, 1, 10)))
	srv.drain(t)
	s.prompt(t, c)
	must(t, c.expectGoAway(srv.settings.DrainTimeout))
	srv.close(t)
	srv.awaitServe(t)
	if _, err := c.receive(); err == nil {
		t.Errorf("the connection goes on after Close")
	}
}
