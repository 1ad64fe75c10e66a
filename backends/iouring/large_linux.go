package iouring

import (
	"time"

	"golang.org/x/sys/unix"
)

// Large receives, one at a time. Left to themselves, receives come in batches and so do the sends of their
// replies: with a few connections that exchange large packets, a megabyte or more is received before the
// first of it is sent, and has left the cache by then; and the clients, first starved and then flooded,
// sleep and have to be woken. So a connection that gets much at once has no receive under way. It is
// watched for input, and when there is some, receives one after the other are prepared behind the send of
// the one before.
//
//	submitted together:   SEND of reply n, RECV of request n+1, POLL_ADD of a connection that was served
const (
	// largeReceive is how much must arrive at once, in bytes.
	largeReceive = 32 << 10
	// smallReceive is what a connection gets, receive after receive, when it is no longer large.
	smallReceive = 4 << 10
	smallRow     = 8
)

// largeReads is the part of a loop for connections that are large.
type largeReads struct {
	ready  []key // those with input, in the order of its arrival
	taking bool  // a receive is under way
	area   piece // into this
}

// measure decides by a receive of n bytes whether the connection is large.
func (c *conn) measure(n int) {
	switch {
	case n >= largeReceive:
		c.state |= large
		c.small = 0
	case n >= smallReceive || !c.is(large):
		c.small = 0
	default:
		if c.small++; c.small == smallRow {
			c.state &^= large
		}
	}
}

// watch waits for input.
func (l *loop) watch(c *conn) {
	c.state |= watching
	l.ring.sqe().pollOnce(c.target(), unix.POLLIN, c.key(readableKind))
}

// readable puts a connection that has input at the end of the queue.
func (l *loop) readable(now time.Duration, e cqe) {
	c := l.conns.find(key(e.userData))
	if c == nil {
		return
	}
	c.state &^= receiving | watching | cancelling
	switch {
	case c.is(closing):
		l.release(c)
	case e.res > 0:
		c.state |= listed
		l.ready = append(l.ready, c.key(recvKind))
	default:
		l.settle(now, c)
	}
}

// takeLarge prepares the next receive.
func (l *loop) takeLarge() {
	for len(l.ready) > 0 && !l.taking {
		c := l.conns.find(l.ready[0])
		if c != nil && c.is(sending) {
			return // its outcome comes first
		}
		if c != nil && c.session != nil && c.session.Reading() {
			p, ok := l.buffers.lend()
			if !ok {
				return // until what is in them has been sent
			}
			l.taking, l.area = true, p
			c.state |= receiving | watching
			l.ring.sqe().receiveInto(c.target(), l.buffers.bytes(p), c.key(largeKind))
		}
		if c != nil {
			c.state &^= listed // one that may not read now is watched again when it may
		}
		l.ready = l.ready[:copy(l.ready, l.ready[1:])]
	}
}

// took takes the completion of such a receive.
func (l *loop) took(now time.Duration, e cqe) {
	a := arrival{key: key(e.userData), piece: l.area}
	l.taking = false
	if e.res > 0 {
		a.piece.to = a.piece.from + int(e.res)
	} else {
		l.buffers.giveBack(a.piece)
		a.piece, a.errno = piece{}, unix.Errno(-e.res)
	}
	l.received(now, &a)
}
