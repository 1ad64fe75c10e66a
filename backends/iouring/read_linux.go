package iouring

import (
	"time"

	"golang.org/x/sys/unix"

	"echosrv/backends/internal/sock"
)

// read sees to it that a receive is under way if the session wants bytes, and none if it doesn't. One that
// is ending has to complete before the next begins.
func (l *loop) read(c *conn, wanted bool) {
	switch {
	case wanted && !c.is(receiving|listed):
		c.state |= receiving
		if c.is(large) {
			l.watch(c)
		} else {
			l.ring.sqe().receive(c.target(), c.key(recvKind))
		}
	case c.is(receiving) && !c.is(cancelling) && (!wanted || c.is(large) && !c.is(watching)):
		l.cancelReceive(c)
	}
}

func (l *loop) cancelReceive(c *conn) {
	c.state |= cancelling
	k := recvKind
	if c.is(watching) {
		k = readableKind
	}
	l.ring.sqe().cancel(c.key(k))
}

// arrival is what became of a receive: a completion, or several that are as good as one.
type arrival struct {
	key   key
	piece piece // the bytes, if there are any
	errno unix.Errno
	more  bool // the receive goes on
}

// arrived takes the completion of a receive at the start of batch, and those behind it that go on with it
// seamlessly. It returns what of the batch is left.
func (l *loop) arrived(batch []cqe) (a arrival, rest []cqe) {
	e := batch[0]
	a = arrival{key: key(e.userData), more: e.flags&cqeMore != 0}
	if e.res < 0 {
		a.errno = unix.Errno(-e.res)
	}
	if e.flags&cqeBuffer != 0 {
		a.piece = l.buffers.take(e)
	}
	for rest = batch[1:]; len(rest) > 0; rest = rest[1:] {
		e = rest[0]
		if key(e.userData) != a.key || e.flags&cqeBuffer == 0 || !l.buffers.extend(&a.piece, e) {
			break
		}
		a.more = e.flags&cqeMore != 0
	}
	return a, rest
}

// received takes a completion of a receive: a buffer with bytes, the end of input, or a failure. Bytes
// that come while the reply to the last ones is being sent have to wait for the outcome: a session can't
// be called before. The outcome is known in the next turn, and what waits is then the first to be served.
func (l *loop) received(now time.Duration, a *arrival) {
	c := l.conns.find(a.key)
	if c == nil {
		l.buffers.giveBack(a.piece)
		return
	}
	if c.is(sending) {
		l.waiting = append(l.waiting, *a)
		return
	}
	if !a.more {
		c.state &^= receiving | watching | cancelling
	}
	if c.is(closing) {
		l.buffers.giveBack(a.piece)
		l.release(c)
		return
	}
	switch a.errno {
	case 0:
		if a.piece == (piece{}) {
			c.session.EOF(now)
		} else {
			l.bytes(now, c, a.piece)
		}
	case unix.ENOBUFS:
		// All blocks are in use. They come back when the sends of this turn are done.
		l.starved = append(l.starved, a.key)
		return
	case unix.ECANCELED, unix.EINTR, unix.EAGAIN:
	default:
		l.drop(c, reset(a.errno))
		return
	}
	l.settle(now, c)
}

// bytes gives the session what arrived and prepares the reply, which is sent from the block itself.
func (l *loop) bytes(now time.Duration, c *conn, p piece) {
	c.measure(p.to - p.from)
	l.reads++
	reply := c.session.Receive(now, l.buffers.bytes(p))
	switch {
	case len(reply) == 0:
		l.buffers.giveBack(p)
		// A reset that comes in the same moment as the bytes before it is not reported: the receive stopped
		// at a short read, and nothing will wake it again. A send would find out, but there is none.
		if errno := sock.Error(int(c.fd)); errno != 0 {
			l.drop(c, reset(errno))
		}
	case c.is(blocked):
		// The socket takes nothing now, and a slow reader may not hold blocks that all share.
		c.session.Sent(now, 0, reply)
		l.buffers.giveBack(p)
	default:
		l.write(c, reply, p)
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
