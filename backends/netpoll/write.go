package netpoll

import (
	"fmt"
	"time"

	"echosrv/backends"
)

// writing is the state of the one write that may be under way.
type writing struct {
	busy      bool // somebody waits for the library to write
	byHandler bool // it is the handler, which then can't read
	since     time.Duration
	reply     []byte // what of it the session has not been told of yet
	bytes     int    // what to tell: pending bytes, then the reply
}

// maxCopied is how much of what is pending goes to the library at once, in bytes.
const maxCopied = 1 << 20

// reply writes a reply in the handler, after what is pending. If somebody else is writing, the session
// keeps it, and the other goes on with that. The caller holds mu, and may find the session closed after.
func (c *conn) reply(now time.Duration, reply []byte) {
	if c.writing.busy {
		if reply != nil {
			c.session.Sent(now, 0, reply)
		}
	} else {
		c.flush(now, reply, true)
	}
	c.settle()
}

// push sees to it that what is pending is written, outside the handler. The caller holds mu.
func (c *conn) push(now time.Duration) {
	if c.session.Queued() > 0 && !c.writing.busy {
		c.writing.busy, c.writing.byHandler, c.writing.since = true, false, now
		go c.writeQueued(now)
	}
	c.settle()
}

func (c *conn) writeQueued(now time.Duration) {
	c.mu.Lock()
	defer c.unlock()
	c.writing.busy = false
	if c.alive() {
		c.flush(now, nil, false)
		c.settle()
	}
}

// flush writes all that is pending and then the reply, and whatever is queued in the meantime. It gives mu
// up while the library writes.
func (c *conn) flush(now time.Duration, reply []byte, byHandler bool) {
	w := &c.writing
	for c.alive() && (len(reply) > 0 || c.session.Queued() > 0) {
		n, left := c.hand(now, reply)
		w.busy, w.byHandler, w.since, w.reply, w.bytes = true, byHandler, now, left, n
		reply = nil
		c.backend.written(now)
		c.flushing.Store(true)
		c.mu.Unlock()
		err := c.sock.Writer().Flush()
		c.mu.Lock()
		c.flushing.Store(false)
		w.busy, w.byHandler = false, false
		switch {
		case err != nil:
			w.reply = nil
			c.doom(reset(err))
		case c.session != nil:
			if w.reply == nil {
				now = backends.Now() // it took long
			}
			c.session.Sent(now, w.bytes, w.reply)
			w.reply = nil
		}
	}
}

// hand gives the library what is to be written next: pending bytes are copied, as they may be given back
// while it still writes, a reply is referred to if it is above 4 KiB. It returns the number of bytes and
// the reply, if that is among them; otherwise the session has kept it.
func (c *conn) hand(now time.Duration, reply []byte) (n int, written []byte) {
	out := c.sock.Writer()
	if queued := c.session.Queued(); queued > 0 {
		n = c.copyPending(min(queued, maxCopied))
		if n < queued && len(reply) > 0 {
			c.session.Sent(now, 0, reply)
			return n, nil
		}
	}
	if len(reply) > 0 {
		_, _ = out.WriteBinary(reply) // it can't fail
		n += len(reply)
		written = reply
	}
	return n, written
}

// copyPending gives the library up to n of the pending bytes.
func (c *conn) copyPending(n int) int {
	var scratch [16][]byte
	copied := 0
	for _, p := range c.session.Pending(scratch[:0]) {
		p = p[:min(len(p), n-copied)]
		room, err := c.sock.Writer().Malloc(len(p))
		if err != nil || len(p) == 0 {
			break
		}
		copied += copy(room, p)
	}
	return copied
}

// settleBlocked settles a reply that is still being written, so that the session can be used meanwhile.
// The library has all of it; the last byte is left with the session, so that its time limit for writing
// runs. Being the rest of a packet that was begun, it is kept whatever the overflow policy.
func (c *conn) settleBlocked(now time.Duration) {
	w := &c.writing
	c.session.Sent(now, w.bytes-1, w.reply)
	w.reply, w.bytes = nil, 1
}

func reset(cause error) error { return fmt.Errorf("%w: %w", backends.ErrReset, cause) }
