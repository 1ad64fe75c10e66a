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
	until   time.Duration // when it is closed, once its session has ended with an ERROR; 0: not yet
	reason  error         // why we close it
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
	if d := c.session.Deadline(); c.ticket.Wants(d) {
		c.ticket = timer.Ticket(d)
		c.backend.timers.Add(d, c.key)
	}
	return out, lib.None
}

// linger is how long a connection is read on after an ERROR. A close with input unread resets the
// connection, which may destroy what the peer has not yet received.
const linger = 100 * time.Millisecond

// lingered says whether that time is over.
func (c *conn) lingered(now time.Duration) bool {
	if c.until == 0 {
		c.until = now + linger
		c.backend.timers.Add(c.until, c.key)
	}
	return now >= c.until
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
