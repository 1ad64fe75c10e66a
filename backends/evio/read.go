package evio

import (
	"time"

	lib "github.com/tidwall/evio"

	"echosrv/backends"
)

// data is called with what one read of a connection gave, or with nothing when it was woken.
func (b *backend) data(sock lib.Conn, in []byte) ([]byte, lib.Action) {
	c, ok := sock.Context().(*conn)
	if !ok {
		return nil, b.controlAction()
	}
	if c.session == nil {
		return nil, lib.Close
	}
	if len(in) == 0 {
		return c.woken()
	}
	c.flushed = true // or the library would not have read
	if c.loop == nil {
		c.loop = b.loopOf(in)
	}
	now := backends.Now()
	c.heard = now
	return c.settle(now, c.session.Receive(now, in))
}

// woken does what a timer or a drain woke the connection for. A wake may come at any time, and more than
// once.
func (c *conn) woken() ([]byte, lib.Action) {
	now := backends.Now()
	c.drain(now)
	c.ticket.Pass(now)
	if d := c.session.Deadline(); d != 0 && now >= d {
		c.session.Expire(now)
	}
	return c.settle(now, nil)
}

// drain drains the session if the server is draining.
func (c *conn) drain(now time.Duration) {
	if !c.drained && c.backend.isDraining() {
		c.drained = true
		c.session.Drain(now)
	}
}
