package evio

import (
	"errors"
	"fmt"
	"time"

	lib "github.com/tidwall/evio"

	"echosrv/backends"
	"echosrv/backends/internal/timer"
)

// conn is a connection. Its fields belong to the loop that it is on.
type conn struct {
	backend *backend
	sock    lib.Conn
	key     uint64
	session backends.Session // nil if it was refused
	loop    *loop            // nil until the first bytes have come
	ticket  timer.Ticket
	flushed bool          // the library is known to hold no output of this connection
	drained bool          // Session.Drain was called
	heard   time.Duration // when bytes last arrived
	linger  linger
	reason  error // why we close it
}

// RemoteAddr makes conn a backends.Peer.
func (c *conn) RemoteAddr() string { return c.sock.RemoteAddr().String() }

// settle does what the session wants after a call: it gives what is to be written, and whether to close
// the connection after that. The reply may be nil.
func (c *conn) settle(now time.Duration, reply []byte) ([]byte, lib.Action) {
	var out []byte
	if c.flushed {
		out = c.gather(now, reply)
		c.flushed = len(out) == 0
	}
	switch {
	case c.session.Done():
		return out, lib.Close
	case !c.session.Reading():
		c.reason = backends.ErrNoPause
		return out, lib.Close
	case c.session.Ending() && c.lingered(now):
		if c.session.Queued() > 0 {
			c.reason = fmt.Errorf("%w: %w", backends.ErrReset, errUnsaid)
		}
		return out, lib.Close
	}
	if d := c.session.Deadline(); c.ticket.File(d) {
		c.backend.timers.Add(d, c.key)
	}
	return out, lib.None
}

// linger is the time in which a connection is read on after an ERROR. A close with input unread resets the
// connection, which may destroy what the peer has not yet received.
type linger struct {
	since time.Duration
	filed time.Duration // the time filed with the timers
}

// It lasts until the peer has been silent for minLinger, but no longer than maxLinger.
const (
	minLinger = 50 * time.Millisecond
	maxLinger = time.Second
)

// lingered says whether that time is over, and has the connection woken when it will be.
func (c *conn) lingered(now time.Duration) bool {
	l := &c.linger
	if l.since == 0 {
		l.since = now
	}
	end := min(max(l.since, c.heard)+minLinger, l.since+maxLinger)
	if now < end && now >= l.filed {
		l.filed = end
		c.backend.timers.Add(end, c.key)
	}
	return now >= end
}

var (
	errPeerClosed = errors.New("the peer closed before all replies were written")
	errUnsaid     = errors.New("the peer could not be told why, as its last replies may not be written yet")
)

// end closes the session of a connection whose socket is gone. The library gives a nil error after the
// peer's FIN, after an action of ours and at the end of the server.
func (c *conn) end(err error) {
	switch {
	case err != nil:
		c.reason = fmt.Errorf("%w: %w", backends.ErrReset, err)
	case c.reason != nil || c.session.Done():
	case c.backend.stopping.Load():
		c.reason = backends.ErrStopped
	default:
		if c.session.EOF(backends.Now()); !c.session.Done() {
			c.reason = fmt.Errorf("%w: %w", backends.ErrReset, errPeerClosed)
		}
	}
	c.session.Close(c.reason)
	c.session = nil
}
