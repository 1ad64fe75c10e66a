package iouring

import (
	"time"

	"golang.org/x/sys/unix"
)

// read sees to it that a receive is under way if the session wants bytes, and none if it doesn't. One that
// is ending has to complete before the next begins.
func (l *loop) read(c *conn, wanted bool) {
	switch {
	case wanted && !c.is(receiving):
		c.state |= receiving
		l.ring.sqe().receive(int(c.fd), c.key(recvKind))
	case !wanted && c.is(receiving) && !c.is(cancelling):
		c.state |= cancelling
		l.ring.sqe().cancel(c.key(recvKind))
	}
}

// arrival is a completion of a receive.
type arrival struct {
	key key
	piece
	res  int32
	more bool // the receive goes on
}

// received takes a completion of a receive: a buffer with bytes, the end of input, or a failure. Bytes
// that come while the reply to the last ones is being sent have to wait for the outcome: a session can't
// be called before. The outcome is known in the next turn, and what waits is then the first to be served.
func (l *loop) received(now time.Duration, a *arrival) {
	c := l.conns.find(a.key)
	if c == nil {
		l.buffers.giveBack(a.block)
		return
	}
	if c.is(sending) {
		l.waiting = append(l.waiting, *a)
		return
	}
	if !a.more {
		c.state &^= receiving | cancelling
	}
	if c.is(closing) {
		l.buffers.giveBack(a.block)
		l.release(c)
		return
	}
	if a.res > 0 {
		l.bytes(now, c, a.piece)
		l.settle(now, c)
		return
	}
	l.buffers.giveBack(a.block)
	switch errno := unix.Errno(-a.res); errno {
	case 0:
		c.session.EOF(now)
	case unix.ENOBUFS:
		// All blocks are in use. They come back when the sends of this turn are done.
		l.starved = append(l.starved, a.key)
		return
	case unix.ECANCELED, unix.EINTR, unix.EAGAIN:
	default:
		l.drop(c, reset(errno))
		return
	}
	l.settle(now, c)
}

// bytes gives the session what arrived and prepares the reply, which is sent from the block itself.
func (l *loop) bytes(now time.Duration, c *conn, p piece) {
	reply := c.session.Receive(now, p.bytes)
	switch {
	case len(reply) == 0:
		l.buffers.giveBack(p.block)
	case c.is(polling):
		// The socket takes nothing now, and a slow reader may not hold blocks that all share.
		c.session.Sent(now, 0, reply)
		l.buffers.giveBack(p.block)
	default:
		l.write(c, reply, p.block)
	}
}

// feed begins again with the receives that found no buffer.
func (l *loop) feed(now time.Duration) {
	starved := l.starved
	l.starved = l.spareKeys[:0]
	for _, k := range starved {
		if c := l.conns.find(k); c != nil {
			l.settle(now, c)
		}
	}
	l.spareKeys = starved[:0]
}
