package goroutine

import (
	"sync"
	"time"

	"echosrv/backends"
)

// vector is scratch space for what a session has pending: the pieces written at one go.
type vector [16][]byte

var vectors = sync.Pool{New: func() any { return new(vector) }}

// give returns v, and lets go of what it points to.
func (v *vector) give() {
	clear(v[:])
	vectors.Put(v)
}

// flush writes what is pending and then the reply, as far as the socket takes it at once. What is left
// stays with the session, and a second goroutine goes on with it.
func (c *conn) flush(now time.Duration, reply []byte) error {
	for {
		queued := c.session.Queued()
		if queued == 0 && len(reply) == 0 {
			return nil
		}
		if c.writing {
			if len(reply) > 0 {
				c.session.Sent(now, 0, reply)
			}
			return nil
		}
		n, full, err := c.writePending(queued)
		if err == nil && !full && n == queued && len(reply) > 0 {
			var m int
			m, full, err = c.writeNow(reply)
			n += m
		}
		if err != nil {
			return reset(err)
		}
		c.session.Sent(now, n, reply)
		reply = nil
		if full {
			c.writeRest()
			return nil
		}
	}
}

// writePending writes the oldest pieces of the queued bytes, until the socket is full.
func (c *conn) writePending(queued int) (n int, full bool, err error) {
	if queued == 0 {
		return 0, false, nil
	}
	v := vectors.Get().(*vector)
	defer v.give()
	for _, piece := range c.session.Pending(v[:0]) {
		m, full, err := c.writeNow(piece)
		n += m
		if full || err != nil {
			return n, full, err
		}
	}
	return n, false, nil
}

// writeRest starts the second goroutine on the oldest piece that is pending. Its bytes stay put until the
// owner calls Sent, which it does when that goroutine has ended. There is no deadline: it is the owner who
// looks at the time, and who closes the socket when it has run out.
func (c *conn) writeRest() {
	if c.session.Queued() == 0 {
		return
	}
	v := vectors.Get().(*vector)
	defer v.give()
	c.writing = true
	go c.writeOne(c.session.Pending(v[:0:1])[0])
}

// writeOne waits until the socket takes something of b, and tells the owner how much.
func (c *conn) writeOne(b []byte) {
	c.patient = true
	c.written, _, c.writeErr = c.writeNow(b)
	c.patient = false
	c.wake(wakeWritten)
}

var _ backends.Peer = (*conn)(nil)
