package netpoll

import (
	"context"
	"sync/atomic"
	"time"

	lib "github.com/cloudwego/netpoll"

	"echosrv/backends"
)

// onRequest is the library's handler. One at a time runs for a connection, and it must take all the input
// there is or close the connection, or it is called again at once.
func onRequest(ctx context.Context, _ lib.Connection) error {
	c := ctx.(*conn)
	c.mu.Lock()
	defer c.unlock()
	input := c.sock.Reader()
	for c.alive() {
		n := input.Len()
		if n == 0 {
			break
		}
		from := input
		if n > lib.BinaryInplaceThreshold {
			// The reply will be written from this memory. As a slice it is held apart from the rest of
			// the input, which can be read and released while the write blocks.
			var err error
			if from, err = input.Slice(n); err != nil {
				c.doom(reset(err))
				break
			}
		}
		b, err := from.Next(n)
		if err != nil {
			c.doom(reset(err))
			break
		}
		now := backends.Now()
		c.reply(now, c.session.Receive(now, b))
		if c.alive() {
			// After a write that failed, a poller may still read this memory: it goes the way of the
			// connection then.
			_ = from.Release()
		}
	}
	return nil
}

// How long a write may block before the session hears of it, and how much input may pile up behind it
// before that is read from outside, in bytes.
const (
	watchEvery = 5 * time.Millisecond
	maxBacklog = 4 << 20
)

// watchKey is the key that the watch has among the timers; connections count from 1.
const watchKey = 0

// watch finds handlers that are blocked in a write. It costs nothing while nothing is written.
type watch struct{ set atomic.Bool }

// written is called before each write.
func (b *backend) written(now time.Duration) {
	if !b.watch.set.Load() && b.watch.set.CompareAndSwap(false, true) {
		b.timers.Add(now+watchEvery, watchKey)
	}
}

// lookAtBlocked runs on the timers' goroutine.
func (b *backend) lookAtBlocked() {
	b.watch.set.Store(false)
	now := backends.Now()
	blocked := false
	for _, c := range b.all() {
		if c.mu.TryLock() { // if not, it is not blocked
			blocked = c.lookAtBlocked(now) || blocked
			c.unlock()
		}
	}
	if blocked {
		b.written(now)
	}
}

// lookAtBlocked sees to it that a session goes on while a write is blocked. It reports whether one is.
func (c *conn) lookAtBlocked(now time.Duration) bool {
	w := &c.writing
	if !w.busy || !c.alive() {
		return false
	}
	if now-w.since < watchEvery {
		return true
	}
	if w.reply != nil {
		c.settleBlocked(now)
	}
	if n := c.sock.Reader().Len(); w.byHandler && n > maxBacklog {
		c.readBlocked(now, n)
	}
	c.settle()
	return true
}

// readBlocked reads for the handler while that is blocked in a write.
func (c *conn) readBlocked(now time.Duration, n int) {
	b, err := c.sock.Reader().Next(n)
	if err != nil {
		c.doom(reset(err))
		return
	}
	reply := c.session.Receive(now, b)
	c.session.Sent(now, 0, reply)
	_ = c.sock.Reader().Release()
}
