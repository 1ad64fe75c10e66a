package goroutine

import (
	"os"
	"sync"
)

// block is a read buffer that connections borrow while they have something to read.
type block [sharedBuffer]byte

var blocks = sync.Pool{New: func() any { return new(block) }}

// read waits for bytes and returns them, in a buffer that is good until the next read or sleep. Its
// errors are os.ErrDeadlineExceeded when the session's time has come or the connection was woken, io.EOF,
// and those of the socket.
func (c *conn) read() ([]byte, error) {
	c.arm()
	if c.woken.Load() != 0 {
		return nil, os.ErrDeadlineExceeded
	}
	if c.own != nil {
		n, err := c.sock.Read(c.own)
		return c.own[:n], err
	}
	return c.readShared()
}

// giveBlock returns the borrowed buffer, if there is one.
func (c *conn) giveBlock() {
	if c.block != nil {
		blocks.Put(c.block)
		c.block = nil
	}
}
