package gnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	lib "github.com/panjf2000/gnet/v2"

	"echosrv/backends"
	"echosrv/backends/internal/timer"
)

// conn is a connection. Its fields belong to the loop that it is on.
type conn struct {
	backend *backend
	sock    lib.Conn
	key     uint64
	session backends.Session // nil if it was refused, and when closed
	ticket  timer.Ticket
	drained bool  // Session.Drain was called
	shut    bool  // our half of the socket is shut down
	reason  error // why we close it
	queue   queue
}

// RemoteAddr makes conn a backends.Peer.
func (c *conn) RemoteAddr() string { return c.sock.RemoteAddr().String() }

// settle does what the session wants after a call, but for writing.
func (c *conn) settle(now time.Duration) lib.Action {
	s := c.session
	switch {
	case s == nil || s.Done():
		return lib.Close
	case !s.Reading():
		c.reason = backends.ErrNoPause
		return lib.Close
	}
	if s.Ending() && s.Queued() == 0 && !c.shut {
		c.shut = true
		// This is beyond the library, but it gives the descriptor away for such uses. It fails only if
		// the peer has reset the connection.
		_ = syscall.Shutdown(c.sock.Fd(), syscall.SHUT_WR)
	}
	c.watchQueue(now)
	if d := s.Deadline(); c.ticket.File(d) {
		c.backend.timers.Add(d, c.key)
	}
	return lib.None
}

// wake has woken called on the loop. The caller holds backend.mu, and the connection has not been closed.
func (c *conn) wake() {
	_ = c.sock.EventLoop().Execute(context.Background(), lib.RunnableFunc(func(context.Context) error {
		c.woken()
		return nil
	}))
}

// woken does what a timer or a drain woke the connection for. It may come at any time, and more than once.
func (c *conn) woken() {
	if c.session == nil {
		return
	}
	now := backends.Now()
	if !c.drained && c.backend.isDraining() {
		c.drained = true
		c.session.Drain(now)
	}
	c.ticket.Pass(now)
	c.lookAtQueue(now)
	if d := c.session.Deadline(); d != 0 && now >= d {
		c.session.Expire(now)
	}
	c.write(now, nil)
	if c.settle(now) == lib.Close {
		_ = c.sock.EventLoop().Close(c.sock)
	}
}

var errPeerClosed = errors.New("the peer closed before all replies were written")

// end closes the session of a connection whose socket is about to go.
func (c *conn) end(err error) {
	s := c.session
	if s == nil {
		return
	}
	c.session = nil
	reason := c.reason
	switch {
	case reason != nil || s.Done():
	case errors.Is(err, io.EOF):
		if s.EOF(backends.Now()); !s.Done() {
			reason = fmt.Errorf("%w: %w", backends.ErrReset, errPeerClosed)
		}
	case err != nil:
		reason = fmt.Errorf("%w: %w", backends.ErrReset, err)
	default:
		reason = backends.ErrStopped
	}
	s.Close(reason)
}
