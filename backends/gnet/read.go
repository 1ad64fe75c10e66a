package gnet

import (
	lib "github.com/panjf2000/gnet/v2"

	"echosrv/backends"
)

// read takes all the bytes that the library has, which is what one read of the socket gave, in the memory
// that it was read to.
func (c *conn) read() lib.Action {
	b, err := c.sock.Next(-1)
	if c.session == nil || err != nil {
		return lib.Close
	}
	now := backends.Now()
	if c.queue.library > 0 {
		c.lookAtQueue(now)
	}
	var reply []byte
	if len(b) > 0 {
		reply = c.session.Receive(now, b)
	}
	c.write(now, reply)
	return c.settle(now)
}
