package nbio

import (
	"sync/atomic"
	"time"

	"echosrv/backends"
)

// queue says what the library's queue holds. It holds nothing but bytes at the front of what is queued in
// the session.
type queue struct {
	library int          // of the session's queued bytes, how many the library has taken
	given   int64        // bytes that the library was ever given
	written atomic.Int64 // bytes that it has ever written
	waiting atomic.Int64 // what written must reach for the connection to be attended to; 0: nothing
}

// wrote is called by the library, with its lock held, for each write to the socket.
func (c *conn) wrote(n int) {
	q := &c.queue
	sum := q.written.Add(int64(n))
	if at := q.waiting.Load(); at != 0 && sum >= at && q.waiting.CompareAndSwap(at, 0) {
		c.backend.timers.Add(backends.Now(), c.key)
	}
}

// left is how many bytes wait in the library's queue.
func (q *queue) left() int { return int(q.given - q.written.Load()) }

// give writes b, as far as the socket takes it; the library copies the rest. The caller holds mu.
func (c *conn) give(b []byte) {
	c.queue.given += int64(len(b))
	if _, err := c.sock.Write(b); err != nil {
		c.doom(reset(err))
	}
}

// write gives the library all that is pending and then the reply, or leaves them with the session if the
// library still has something to write. The caller holds mu.
func (c *conn) write(now time.Duration, reply []byte) {
	for c.alive() {
		queued := c.session.Queued()
		if queued == 0 && len(reply) == 0 {
			return
		}
		if c.queue.library > 0 {
			if len(reply) > 0 {
				c.session.Sent(now, 0, reply)
			}
			c.await()
			return
		}
		n := 0
		if queued > 0 {
			n = c.givePending()
		}
		whole := n == queued && c.queue.left() == 0 // the reply's turn has come
		if whole && len(reply) > 0 {
			c.give(reply)
		}
		c.given(now, n, reply, whole)
		reply = nil
	}
}

// givePending gives the library pending bytes until it has to queue some. It returns how many it took.
func (c *conn) givePending() (n int) {
	for _, p := range c.session.Pending(make([][]byte, 0, 16)) {
		c.give(p)
		if n += len(p); c.queue.left() > 0 || c.doomed {
			break
		}
	}
	return n
}

// given tells the session what became of n pending bytes, and of the reply if that was given to the
// library as well. What the library has only queued stays queued in the session too, so that its limits
// and its time for writing hold. A reply is not kept for that: its last byte is enough, which the session
// keeps whatever its overflow policy, being the rest of a packet that was begun.
func (c *conn) given(now time.Duration, n int, reply []byte, whole bool) {
	left := c.queue.left()
	if whole && len(reply) > 0 {
		left = min(left, 1)
		n += len(reply)
	}
	c.session.Sent(now, n-left, reply)
	if c.queue.library = left; left > 0 {
		c.await()
	}
}

// await has the connection attended to when the library's queue is empty.
func (c *conn) await() {
	q := &c.queue
	q.waiting.Store(q.given)
	if q.left() == 0 && q.waiting.CompareAndSwap(q.given, 0) { // it has just become empty
		c.backend.timers.Add(backends.Now(), c.key)
	}
}

// lookAtQueue tells the session what the library has written of its queue. The caller holds mu.
func (c *conn) lookAtQueue(now time.Duration) {
	q := &c.queue
	if q.library == 0 {
		return
	}
	left := min(q.left(), q.library)
	if left < q.library {
		c.session.Sent(now, q.library-left, nil)
		q.library = left
	}
}
