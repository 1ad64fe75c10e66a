package gnet

import (
	"sync"
	"time"
)

// queue says what the library's queue holds. It holds nothing but bytes at the front of what is queued in
// the session.
type queue struct {
	library int           // of the session's queued bytes, how many the library has taken
	look    time.Duration // when to look at its queue again
	pause   time.Duration // between looks
}

// How often the library's queue is looked at: at first, and when it doesn't move.
const (
	minPause = time.Millisecond
	maxPause = 16 * time.Millisecond
)

// pieces are slices to write several of the session's buffers at once.
var pieces = sync.Pool{New: func() any { return new([32][]byte) }}

// write gives the library all that is pending and then the reply, or leaves them with the session if the
// library still has something to write. The session may be closed after.
func (c *conn) write(now time.Duration, reply []byte) {
	for c.session != nil && (len(reply) > 0 || c.session.Queued() > 0) {
		switch queued := c.session.Queued(); {
		case c.queue.library > 0:
			if len(reply) > 0 {
				c.session.Sent(now, 0, reply)
			}
			return
		case queued == 0:
			n, err := c.sock.Write(reply)
			c.written(now, n, reply, err)
		default:
			c.writePending(now, queued, reply)
		}
		reply = nil
	}
}

// writePending writes what is pending, and the reply behind it if all of that fits into one call.
func (c *conn) writePending(now time.Duration, queued int, reply []byte) {
	room := pieces.Get().(*[32][]byte)
	defer pieces.Put(room)
	all := c.session.Pending(room[: 0 : len(room)-1])
	n := 0
	for _, p := range all {
		n += len(p)
	}
	if len(reply) > 0 {
		if n == queued {
			all = append(all, reply)
		} else {
			c.session.Sent(now, 0, reply)
			reply = nil
		}
	}
	n, err := c.sock.Writev(all)
	clear(room[:]) // or the pool would keep the buffers alive
	c.written(now, n, reply, err)
}

// written tells the session what became of n bytes, the reply at their end. What the library has only
// queued stays queued in the session too, so that its limits and its time for writing hold. A reply is not
// kept for that: its last byte is enough, which the session keeps whatever its overflow policy, being the
// rest of a packet that was begun.
func (c *conn) written(now time.Duration, n int, reply []byte, err error) {
	if err != nil || c.session == nil {
		return // the library has closed the connection
	}
	left := min(c.sock.OutboundBuffered(), n)
	if len(reply) > 0 {
		left = min(left, 1)
	}
	c.session.Sent(now, n-left, reply)
	c.queue = queue{library: left, pause: minPause}
}

// lookAtQueue tells the session what the library has written of its queue.
func (c *conn) lookAtQueue(now time.Duration) {
	q := &c.queue
	left := min(c.sock.OutboundBuffered(), q.library)
	if left == q.library {
		q.pause = min(2*q.pause, maxPause)
		return
	}
	c.session.Sent(now, q.library-left, nil)
	q.library, q.pause = left, minPause
}

// watchQueue sees to it that the library's queue is looked at.
func (c *conn) watchQueue(now time.Duration) {
	if q := &c.queue; q.library > 0 && now >= q.look {
		q.look = now + q.pause
		c.backend.timers.Add(q.look, c.key)
	}
}
