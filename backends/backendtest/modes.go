package backendtest

import (
	"fmt"

	"echosrv/backends"
	"echosrv/protocol/session"
)

var modes = []check{
	{name: "async: echoes are held for a while", run: checkAsync},
	{name: "a client above its rate waits", run: checkRate},
}

// checkAsync: what was held goes out when its time has come, although nothing arrives that the engine
// would answer.
func checkAsync(t T, s *Suite) {
	change := func(set *session.Settings) {
		set.Mode, set.FlushInterval, set.FlushBytes = session.Async, soon, 64<<10
	}
	timed(t, s, change, func(srv *server, c *client) error {
		for i := range 5 {
			if err := c.exchange(packets(uint64(i), 3, 100)); err != nil {
				return err
			}
		}
		if n := srv.service.Totals(); n.Flushes == 0 {
			return fmt.Errorf("nothing was held: %+v", n)
		}
		return nil
	})
}

// checkRate: a client that sends more than its rate is not read for a while, and then again, although no
// write goes on that would wake the engine. Nothing is lost, and the end of input is seen.
func checkRate(t T, s *Suite) {
	const perSecond = 500 // and as many at once
	srv := s.start(t, func(set *session.Settings) { set.ConnectionRate.Packets = perSecond })
	c := srv.dial(t)
	err := func() error {
		// Twice as many at once as are allowed; again if the machine was so slow that it kept to the rate.
		for i := uint64(0); srv.service.Totals().Throttled == 0; i++ {
			if i == 10 {
				return fmt.Errorf("nothing was throttled: %+v", srv.service.Totals())
			}
			if err := c.exchange(packets(i, 2*perSecond, 20)); err != nil {
				return err
			}
		}
		// A connection that was closed behind the last echo doesn't answer these.
		if err := c.exchange(packets(10, 50, 20)); err != nil {
			return err
		}
		if err := c.closeWrite(); err != nil {
			return err
		}
		return c.expectEnd()
	}()
	if !s.Engine.Capabilities.PauseReads {
		srv.eventually(t, "the session ends with ErrNoPause", func() bool { return srv.ended(backends.ErrNoPause) })
	}
	claim(t, s, "pause-reads", err)
}
