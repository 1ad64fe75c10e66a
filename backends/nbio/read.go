package nbio

import (
	"errors"
	"sync"
	"syscall"

	"echosrv/backends"
)

// maxReads is how many full reads of a connection are served in a row, so that nobody starves.
const maxReads = 8

// buffers are for reads that are not on a connection's loop, whose buffer belongs to that loop alone.
var buffers = sync.Pool{New: func() any { return new([readBuffer]byte) }}

// read reads until there is no more or the session wants no more. Events come only for what arrives
// later, so the rest has to be remembered. The caller holds mu.
func (c *conn) read(buffer []byte) {
	c.unread = true
	for range maxReads {
		if !c.alive() || c.eof || !c.session.Reading() {
			return
		}
		n, err := c.sock.Read(buffer)
		switch {
		case n > 0:
			now := backends.Now()
			c.lookAtQueue(now)
			c.write(now, c.session.Receive(now, buffer[:n]))
			c.settle(now)
			if n < len(buffer) {
				c.unread = false
				return
			}
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			c.unread = false
			return
		case err != nil:
			c.doom(reset(err))
			return
		default:
			c.readEOF()
			return
		}
	}
	c.backend.timers.Add(backends.Now(), c.key)
}

// readOn is read, away from the loop.
func (c *conn) readOn() {
	buffer := buffers.Get().(*[readBuffer]byte)
	defer buffers.Put(buffer)
	c.read(buffer[:])
}

func (c *conn) readEOF() {
	c.unread, c.eof = false, true
	now := backends.Now()
	c.lookAtQueue(now)
	c.session.EOF(now)
	c.write(now, nil)
	c.settle(now)
}
