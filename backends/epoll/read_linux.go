package epoll

import (
	"fmt"

	"golang.org/x/sys/unix"

	"echosrv/backends"
	"echosrv/backends/internal/sock"
)

// read reads once, so that a peer who sends without end gets no more of a turn than the others.
func (l *loop) read(c *conn) {
	if c.paused {
		return
	}
	l.freshBuffer()
	l.reads++
	n, errno := sock.Read(int(c.fd), l.buffer)
	switch {
	case errno == unix.EAGAIN:
	case errno == unix.EINTR:
		l.readAgain(c)
	case errno != 0:
		l.drop(c, fmt.Errorf("%w: read: %w", backends.ErrReset, errno))
	case n == 0:
		c.session.EOF(l.now)
		l.settle(c, nil)
	default:
		reply := c.session.Receive(l.now, l.buffer[:n])
		if !l.answer(c, reply) {
			l.settle(c, reply)
		}
		if l.edge && c.session != nil && (n == len(l.buffer) || c.ended) {
			l.readAgain(c) // there is, or may be, more, and no new event for it
		}
	}
}
