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

// received takes a completion of a receive: a buffer with bytes, the end of input, or a failure. Bytes
// that come while the reply to the last ones is being sent have to wait for the outcome: a session can't
// be called before. The outcome is known in the next turn, and what waits is then the first to be served.
func (l *loop) received(now time.Duration, e cqe) {
	c := l.conns.find(key(e.userData))
	if c == nil {
		l.giveBack(e)
		return
	}
	if c.is(sending) {
		l.waiting = append(l.waiting, e)
		return
	}
	if e.flags&cqeMore == 0 {
		c.state &^= receiving | cancelling
	}
	if c.is(closing) {
		l.giveBack(e)
		l.release(c)
		return
	}
	switch {
	case e.res > 0:
		l.bytes(now, c, uint16(e.flags>>cqeBufferShift), int(e.res))
	case e.res == 0:
		l.giveBack(e)
		c.session.EOF(now)
	case e.res == -int32(unix.ENOBUFS):
		// All buffers are in use. They come back when the sends of this turn are done.
		l.starved = append(l.starved, c.key(recvKind))
		return
	case e.res == -int32(unix.ECANCELED), e.res == -int32(unix.EINTR), e.res == -int32(unix.EAGAIN):
	default:
		l.drop(c, reset(unix.Errno(-e.res)))
		return
	}
	l.settle(now, c)
}

// bytes gives the session what arrived and prepares the reply, which is sent from the buffer itself.
func (l *loop) bytes(now time.Duration, c *conn, bid uint16, n int) {
	reply := c.session.Receive(now, l.buffers.taken(bid, n))
	switch {
	case len(reply) == 0:
		l.buffers.recycle(bid)
	case c.is(polling):
		// The socket takes nothing now, and a slow reader may not hold buffers that all share.
		c.session.Sent(now, 0, reply)
		l.buffers.recycle(bid)
	default:
		l.write(c, reply, int32(bid))
	}
}

// giveBack recycles the buffer of a completion that nobody wants, if it has one.
func (l *loop) giveBack(e cqe) {
	if e.flags&cqeBuffer != 0 {
		l.buffers.recycle(uint16(e.flags >> cqeBufferShift))
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
