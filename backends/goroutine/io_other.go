//go:build !unix

package goroutine

// mostWritten bounds a write that blocks, in bytes, so that a slow peer's progress is seen.
const mostWritten = 64 << 10

// readShared holds its buffer while it waits: there is no way to wait without one here.
func (c *conn) readShared() ([]byte, error) {
	if c.block == nil {
		c.block = blocks.Get().(*block)
	}
	n, err := c.sock.Read(c.block[:])
	return c.block[:n], err
}

// writeNow leaves all to the second goroutine, which is patient: there is no write without waiting here.
func (c *conn) writeNow(b []byte) (n int, full bool, err error) {
	if !c.patient {
		return 0, true, nil
	}
	n, err = c.sock.Write(b[:min(len(b), mostWritten)])
	return n, n < len(b), err
}

func (c *conn) tryRead(uintptr) bool  { return true }
func (c *conn) tryWrite(uintptr) bool { return true }
