package nbio

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	lib "github.com/lesismal/nbio"

	"echosrv/backends"
	"echosrv/backends/internal/timer"
)

// conn is a connection. Its loop, the timers, a drain and the library's close come from different
// goroutines; whoever holds mu owns the session. mu is taken before the library's lock.
type conn struct {
	backend *backend
	sock    *lib.Conn
	key     uint64
	queue   queue

	mu      sync.Mutex
	session backends.Session // nil if it was refused, and when closed
	ticket  timer.Ticket
	unread  bool  // there may be input that no event will tell of
	eof     bool  // the peer will send no more
	doomed  bool  // the socket has been closed, or is to be by its loop
	shut    bool  // our half of the socket is shut down
	reason  error // why it is closed, if it is by us
}

// RemoteAddr makes conn a backends.Peer.
func (c *conn) RemoteAddr() string { return c.sock.RemoteAddr().String() }

// alive says whether the session may still be used. The caller holds mu.
func (c *conn) alive() bool { return c.session != nil && !c.doomed }

// doom closes the socket. The caller holds mu; the session is closed by another goroutine.
func (c *conn) doom(reason error) {
	if !c.doomed {
		c.doomed, c.reason = true, reason
		c.sock.Close()
	}
}

// refuse ends a connection that is not registered with its loop yet. Closed now, its descriptor might be
// somebody else's by the time the library registers it; shut down, its loop finds that the peer has gone.
func (c *conn) refuse() {
	c.doomed = true
	c.shutdown(syscall.SHUT_RDWR)
}

// shutdown is beyond the library, but it gives the descriptor away for such uses.
func (c *conn) shutdown(how int) {
	raw, err := c.sock.SyscallConn()
	if err == nil {
		// It fails only if the peer has reset the connection.
		_ = raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), how) })
	}
}

// settle does what the session wants after a call, but for writing and reading. The caller holds mu.
func (c *conn) settle(now time.Duration) {
	s := c.session
	switch {
	case !c.alive():
		return
	case s.Done():
		c.doom(nil)
		return
	case s.Ending() && s.Queued() == 0 && !c.shut:
		c.shut = true
		c.shutdown(syscall.SHUT_WR)
	}
	if d := s.Deadline(); c.ticket.File(d) {
		c.backend.timers.Add(d, c.key)
	}
}

// attend does what a timer was filed for: the session's deadline, or the library's queue that has moved.
func (c *conn) attend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := backends.Now()
	c.ticket.Pass(now)
	if !c.alive() {
		return
	}
	c.lookAtQueue(now)
	if d := c.session.Deadline(); d != 0 && now >= d {
		c.session.Expire(now)
	}
	c.write(now, nil)
	c.settle(now)
	if c.unread {
		c.readOn()
	}
}

// drain asks the peer to finish.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive() {
		now := backends.Now()
		c.lookAtQueue(now)
		c.session.Drain(now)
		c.write(now, nil)
		c.settle(now)
	}
}

func (c *conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doom(backends.ErrStopped)
}

// end closes the session when the socket is gone.
func (c *conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.session
	if s == nil {
		return
	}
	c.session = nil
	reason := c.reason
	switch {
	case c.doomed:
	case errors.Is(err, io.EOF) || err == nil:
		if !c.eof {
			s.EOF(backends.Now())
		}
		if !s.Done() {
			reason = reset(errPeerClosed)
		}
	default:
		reason = reset(err)
	}
	s.Close(reason)
}

func reset(cause error) error { return fmt.Errorf("%w: %w", backends.ErrReset, cause) }
