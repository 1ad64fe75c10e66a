package backendtest

import (
	"errors"
	"fmt"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/session"
)

var timers = []check{
	{name: "heartbeats on silent connections", run: checkHeartbeat},
	{name: "timers are on time", run: checkOnTime},
	{name: "idle connections are closed", run: checkIdle},
	{name: "a packet must arrive in time", run: checkPacketTimeout},
	{name: "replies must be taken in time", run: checkWriteTimeout},
	{name: "the linger after an error ends", run: checkLinger},
	{name: "deadlines that move", run: checkMovingDeadline},
}

// soon is a time limit that a check waits for; quiet is how long nothing must happen where an engine has
// no timers.
const (
	soon  = 40 * time.Millisecond
	quiet = 10 * soon
)

// timed is a check of something that only happens because time passes. An engine without timers is seen
// not to do it.
func timed(t T, s *Suite, change func(*session.Settings), wait func(*server, *client) error) {
	t.Helper()
	srv := s.start(t, change)
	c := srv.dial(t)
	if !s.Engine.Capabilities.Timers {
		c.patience = quiet
	}
	claim(t, s, "timers", wait(srv, c))
}

// checkHeartbeat: every silent connection gets a PING, and the next one after it answered.
func checkHeartbeat(t T, s *Suite) {
	const crowd = 50
	timed(t, s, func(set *session.Settings) { set.Heartbeat = soon }, func(srv *server, c *client) error {
		if err := errors.Join(c.heartbeat(), c.heartbeat()); err != nil {
			return err
		}
		return each(crowd, crowd, func(int) error {
			c, err := srv.connect()
			if err != nil {
				return err
			}
			defer c.close()
			return c.heartbeat()
		})
	})
}

func (c *client) heartbeat() error {
	if err := c.expect(protocol.Ping, nil); err != nil {
		return err
	}
	return c.sendPacket(protocol.Pong, nil)
}

// checkOnTime measures how late heartbeats are. The machine may be late too, so the best of many counts.
func checkOnTime(t T, s *Suite) {
	timed(t, s, func(set *session.Settings) { set.Heartbeat = soon }, func(_ *server, c *client) error {
		best := time.Hour
		if err := c.expect(protocol.Ping, nil); err != nil {
			return err
		}
		for range 15 {
			began := time.Now()
			if err := c.sendPacket(protocol.Pong, nil); err != nil {
				return err
			}
			if err := c.expect(protocol.Ping, nil); err != nil {
				return err
			}
			best = min(best, time.Since(began)-soon)
		}
		if best > backends.MaxTimerDelay {
			return fmt.Errorf("heartbeats are at least %s late, %s are allowed", best, backends.MaxTimerDelay)
		}
		return nil
	})
}

func checkIdle(t T, s *Suite) {
	timed(t, s, func(set *session.Settings) { set.IdleTimeout = soon }, func(_ *server, c *client) error {
		_, err := c.expectError(protocol.CodeIdle)
		return errors.Join(err, c.expectEnd())
	})
}

func checkPacketTimeout(t T, s *Suite) {
	timed(t, s, func(set *session.Settings) { set.PacketTimeout = soon }, func(_ *server, c *client) error {
		if err := c.send(packets(1, 1, 100).bytes()[:50]); err != nil {
			return err
		}
		_, err := c.expectError(protocol.CodeIdle)
		return errors.Join(err, c.expectEnd())
	})
}

// checkWriteTimeout: a client that takes nothing of what waits for it is cut off.
func checkWriteTimeout(t T, s *Suite) {
	if !s.Engine.Capabilities.FullDuplex {
		t.Logf("nothing waits for the client in the session of a half-duplex engine")
		return
	}
	// With room for all that the client sends, reading goes on; with little, it has been paused.
	outboxes := []int{2 * flood, smallOutbox}
	if !s.Engine.Capabilities.PauseReads {
		outboxes = outboxes[:1]
	}
	for _, outbox := range outboxes {
		timed(t, s, func(set *session.Settings) {
			set.WriteTimeout = 2 * soon
			set.Outbox.Bytes, set.Outbox.Packets = outbox, 1<<20
		}, stopReading)
	}
}

// stopReading sends and reads nothing until the session has ended.
func stopReading(srv *server, c *client) error {
	closed := func(session.Totals) bool { return srv.ended(session.ErrWriteTimeout) }
	srv.pump(c, 2, 1000, closed, paused) // an error is what should happen
	if !waitFor(c.patience, func() bool { return srv.ended(session.ErrWriteTimeout) }) {
		return fmt.Errorf("no session ended with ErrWriteTimeout: %v, totals %+v", srv.endings(), srv.service.Totals())
	}
	return nil
}

// checkLinger: a client that does not close after an ERROR is not waited for.
func checkLinger(t T, s *Suite) {
	if !s.Engine.Capabilities.OrderlyClose {
		t.Logf("an engine without orderly-close has no linger")
		return
	}
	timed(t, s, func(set *session.Settings) { set.Linger = soon }, func(srv *server, c *client) error {
		err := c.sendPacket(protocol.GoAway, nil)
		_, wrong := c.expectError(protocol.CodeUnsupported)
		if err = errors.Join(err, wrong, c.expectEnd()); err != nil {
			return err
		}
		if !waitFor(c.patience, func() bool { return srv.service.Totals().Closed == 1 }) {
			return fmt.Errorf("the connection is still open long after its linger")
		}
		return nil
	})
}

// checkMovingDeadline: a deadline that comes nearer while the engine waits for a later one is kept. The
// heartbeat is far away when the start of a packet brings the packet timeout.
func checkMovingDeadline(t T, s *Suite) {
	change := func(set *session.Settings) { set.Heartbeat, set.PacketTimeout = time.Hour, soon }
	timed(t, s, change, func(_ *server, c *client) error {
		if err := c.exchange(packets(2, 2, 100)); err != nil {
			return err
		}
		if err := c.send([]byte{0}); err != nil {
			return err
		}
		_, err := c.expectError(protocol.CodeIdle)
		return err
	})
}
