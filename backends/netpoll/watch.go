package netpoll

import (
	"sync/atomic"
	"time"

	"echosrv/backends"
)

// watchEvery is how long a write may block before its session hears of it.
const watchEvery = 2 * time.Millisecond

// How much input may pile up behind a blocked write before it is read from outside, in bytes: maxBacklog
// where few writes are blocked, and otherwise a share of allBacklogs, but at least minBacklog.
const (
	maxBacklog  = 1 << 20
	minBacklog  = 256 << 10
	allBacklogs = 128 << 20
)

// watchKey is the key that the watch has among the timers; connections count from 1.
const watchKey = 0

// watch finds handlers that are blocked in a write, on the timers' goroutine. It costs nothing while
// nothing is written.
type watch struct {
	set     atomic.Bool
	blocked int // how many were found the last time
	conns   []*conn
}

// written is called before each write.
func (b *backend) written(now time.Duration) {
	if !b.watch.set.Load() && b.watch.set.CompareAndSwap(false, true) {
		b.timers.Add(now+watchEvery, watchKey)
	}
}

// lookForBlocked sees to it that sessions go on while a write of theirs is blocked.
func (b *backend) lookForBlocked() {
	w := &b.watch
	w.set.Store(false)
	limit := max(minBacklog, min(maxBacklog, allBacklogs/max(w.blocked, 1)))
	w.blocked = 0
	w.conns = b.appendAll(w.conns[:0])
	for _, c := range w.conns {
		if !c.flushing.Load() || !c.mu.TryLock() {
			continue // nobody is writing, or somebody is at work on it
		}
		if c.isBlocked() {
			w.blocked++
			c.goOn(limit)
		}
		c.unlock()
	}
	clear(w.conns)
	if w.blocked > 0 {
		b.written(backends.Now())
	}
}

// isBlocked says whether a write is under way. The caller holds mu.
func (c *conn) isBlocked() bool { return c.writing.busy && c.alive() }

// goOn does for a session what the goroutine that is blocked can't do. The caller holds mu.
func (c *conn) goOn(limit int) {
	now := backends.Now()
	w := &c.writing
	if now-w.since < watchEvery {
		return
	}
	if w.reply != nil {
		c.settleBlocked(now)
	}
	n := c.sock.Reader().Len()
	switch {
	case !w.byHandler || n <= limit:
	case c.session.Reading():
		c.readBlocked(now, n)
	default:
		c.doom(backends.ErrNoPause)
	}
	c.settle()
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
