package epoll

import (
	"fmt"

	"golang.org/x/sys/unix"

	"echosrv/backends"
	"echosrv/backends/internal/sock"
)

// answer is settle for the plain path: a session that wants nothing but to have its reply written, and a
// socket that takes all of it. It reports whether that was so; otherwise nothing has been done.
func (l *loop) answer(c *conn, reply []byte) bool {
	s := c.session
	if c.full || len(reply) == 0 || !s.Steady() || l.mayPin(c, 0, reply) {
		return false
	}
	l.writes++
	n, errno := sock.Write(int(c.fd), reply)
	if errno == 0 && n == len(reply) {
		s.Sent(l.now, n, reply)
		return true
	}
	l.sent(c, n, errno, reply)
	return true
}

// settle writes what the session wants written, pending bytes before the reply, and then does what else
// it wants. The connection may be closed afterwards: then its session is nil.
func (l *loop) settle(c *conn, reply []byte) {
	s := c.session
	var errno unix.Errno
	switch {
	case c.full:
		if len(reply) > 0 {
			s.Sent(l.now, 0, reply)
		}
	case s.Queued() > 0 || l.mayPin(c, 0, reply):
		errno = l.writeQueued(c, reply)
	case len(reply) > 0:
		l.writes++
		n, errno := sock.Write(int(c.fd), reply)
		l.sent(c, n, errno, reply)
		return
	}
	l.wrote(c, errno)
}

// sent settles a reply of which one write took n bytes, or failed.
func (l *loop) sent(c *conn, n int, errno unix.Errno, reply []byte) {
	if errno != 0 {
		n = 0
	}
	c.full = n < len(reply)
	c.session.Sent(l.now, n, reply)
	l.wrote(c, errno)
}

// wrote goes on after the writes of a connection, unless the last one failed for good.
func (l *loop) wrote(c *conn, errno unix.Errno) {
	if errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR {
		l.drop(c, fmt.Errorf("%w: write: %w", backends.ErrReset, errno))
		return
	}
	l.follow(c)
}

// writeQueued writes what is pending, and the reply in the same call if it fits behind it, until all is
// written or the socket takes no more.
func (l *loop) writeQueued(c *conn, reply []byte) unix.Errno {
	s, v := c.session, l.vector
	defer v.Release()
	for {
		v.Slices = s.Pending(v.Slices[:0])
		pending := 0
		for _, b := range v.Slices {
			pending += len(b)
		}
		behind := len(v.Slices) < cap(v.Slices)
		var tail []byte // what of the reply goes along
		if behind && len(reply) > 0 {
			tail = reply
			v.Slices = append(v.Slices, reply)
		}
		n, errno := l.writeVector(c, v, pending, tail)
		want := pending + len(tail)
		s.Sent(l.now, n, tail)
		if behind {
			reply = nil
		}
		if n < want {
			c.full = true
			if len(reply) > 0 {
				s.Sent(l.now, 0, reply)
			}
			return errno
		}
		if s.Queued() == 0 && len(reply) == 0 {
			return 0
		}
	}
}

// writeVector writes v once: pending bytes of the session, and behind them the tail.
func (l *loop) writeVector(c *conn, v *sock.Vector, pending int, tail []byte) (n int, errno unix.Errno) {
	l.writes++
	if l.mayPin(c, pending, tail) {
		n, errno = l.writePinned(c, v, pending, len(tail))
	} else {
		n, errno = sock.WriteVector(int(c.fd), v)
	}
	if errno != 0 {
		n = 0
	}
	return n, errno
}
