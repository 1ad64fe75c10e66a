//go:build unix

package goroutine

import (
	"io"
	"os"
	"syscall"
)

// readShared waits until the socket is readable before it borrows a buffer, so that an idle connection
// holds none.
func (c *conn) readShared() ([]byte, error) {
	if err := c.raw.Read(c.readable); err != nil {
		return nil, err
	}
	return c.block[:c.got], c.readErr
}

// tryRead reads once. False has the runtime wait until the socket is readable and call again.
func (c *conn) tryRead(fd uintptr) bool {
	if c.block == nil {
		c.block = blocks.Get().(*block)
	}
	n, err := again(syscall.Read, fd, c.block[:])
	if err == syscall.EAGAIN {
		c.giveBlock()
		return false
	}
	c.got, c.readErr = max(n, 0), nil
	switch {
	case err != nil:
		c.readErr = os.NewSyscallError("read", err)
	case n == 0:
		c.readErr = io.EOF
	}
	return true
}

// writeNow writes b as far as the socket takes it without waiting; full says that it did not take all.
func (c *conn) writeNow(b []byte) (n int, full bool, err error) {
	c.out = b
	if err := c.raw.Write(c.writable); err != nil {
		return 0, false, err
	}
	n = len(b) - len(c.out)
	c.out = nil
	if c.writeErr == syscall.EAGAIN {
		return n, true, nil
	}
	return n, false, c.writeErr
}

// tryWrite writes until the socket is full. False, if it is to be patient and nothing was written, has the
// runtime wait until the socket is writable and call again.
func (c *conn) tryWrite(fd uintptr) bool {
	c.writeErr = nil
	wrote := false
	for len(c.out) > 0 && c.writeErr == nil {
		var n int
		n, c.writeErr = again(syscall.Write, fd, c.out)
		if n > 0 {
			c.out = c.out[n:]
			wrote = true
		}
	}
	return wrote || !c.patient || c.writeErr != syscall.EAGAIN
}

// again repeats a system call that a signal interrupted.
func again(call func(int, []byte) (int, error), fd uintptr, b []byte) (int, error) {
	for {
		n, err := call(int(fd), b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}
