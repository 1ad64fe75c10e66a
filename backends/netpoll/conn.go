package netpoll

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	lib "github.com/cloudwego/netpoll"

	"echosrv/backends"
	"echosrv/backends/internal/timer"
)

// conn is a connection. Its handler, the timers, a drain and the library's close come from different
// goroutines; whoever holds mu owns the session. The holder gives mu up while it waits for a write.
type conn struct {
	context.Context // so that the library hands the conn to onRequest
	backend         *backend
	sock            lib.Connection
	key             uint64
	index           int         // in backend.list, under its lock
	flushing        atomic.Bool // the library is writing: a hint for those who don't hold mu

	mu      sync.Mutex
	session backends.Session // nil when closed
	ticket  timer.Ticket
	doomed  bool  // the socket is to be closed, or is
	closing bool  // sock.Close was called
	reason  error // why it is closed, if it is by us
	shut    bool  // our half of the socket is shut down
	writing writing
}

// RemoteAddr makes conn a backends.Peer.
func (c *conn) RemoteAddr() string { return c.sock.RemoteAddr().String() }

// lock takes the session over for something that happens beside the handler.
func (c *conn) lock() {
	c.mu.Lock()
	if c.writing.reply != nil {
		c.settleBlocked(backends.Now())
	}
}

// unlock gives the session up, and closes the socket if that was decided. The library may run closed from
// within Close, so it must not be called with mu held.
func (c *conn) unlock() {
	end := c.doomed && !c.closing
	c.closing = c.closing || end
	c.mu.Unlock()
	if end {
		c.sock.Close()
	}
}

// doom decides that the socket is to be closed. The caller holds mu.
func (c *conn) doom(reason error) {
	if !c.doomed {
		c.doomed, c.reason = true, reason
	}
}

func (c *conn) drop(reason error) {
	c.mu.Lock()
	defer c.unlock()
	c.doom(reason)
}

// alive says whether the session may still be used. The caller holds mu.
func (c *conn) alive() bool { return c.session != nil && !c.doomed }

// settle does what the session wants when nothing can be written for now. While the handler is blocked in
// a write, a pause needs no action yet: nothing is read but by the library. The caller holds mu.
func (c *conn) settle() {
	switch s := c.session; {
	case !c.alive():
	case s.Done():
		c.doom(nil)
	case !s.Reading() && !c.writing.byHandler:
		c.doom(backends.ErrNoPause)
	default:
		if s.Ending() && s.Queued() == 0 && !c.writing.busy && !c.shut {
			c.shut = true
			c.shutdownWrite()
		}
		if d := s.Deadline(); c.ticket.File(d) {
			c.backend.timers.Add(d, c.key)
		}
	}
}

// shutdownWrite is beyond the library, but it gives the descriptor away for such uses.
func (c *conn) shutdownWrite() {
	if fd, ok := c.sock.(lib.Conn); ok {
		_ = syscall.Shutdown(fd.Fd(), syscall.SHUT_WR) // it fails only if the peer has reset the connection
	}
}

// expire is called when a time that was filed has come.
func (c *conn) expire() {
	c.lock()
	defer c.unlock()
	now := backends.Now()
	if !c.ticket.Pass(now) || !c.alive() {
		return
	}
	if d := c.session.Deadline(); d != 0 && now >= d {
		c.session.Expire(now)
	}
	c.push(now)
}

// drain asks the peer to finish.
func (c *conn) drain() {
	c.lock()
	defer c.unlock()
	if c.alive() {
		c.drained(backends.Now())
	}
}

func (c *conn) drained(now time.Duration) {
	c.session.Drain(now)
	c.push(now)
}

var (
	errPeerReset  = errors.New("by the peer")
	errPeerClosed = errors.New("the peer closed before all replies were written")
)

// endOfPeer is the reason to give to a session whose peer has ended the connection, in whatever way: the
// library doesn't say in which.
func (c *conn) endOfPeer(s backends.Session) error {
	if fd, ok := c.sock.(lib.Conn); ok && !c.shut {
		if _, err := syscall.Getpeername(fd.Fd()); err != nil { // a socket that was reset has no peer
			return reset(errPeerReset)
		}
	}
	if s.EOF(backends.Now()); !s.Done() || c.writing.busy {
		return reset(errPeerClosed)
	}
	return nil
}

// closed is the last callback of the library for a connection, once its handler has returned.
func (c *conn) closed(lib.Connection) error {
	c.mu.Lock()
	s := c.session
	c.session, c.writing.reply = nil, nil
	reason := c.reason
	if !c.doomed {
		reason = c.endOfPeer(s)
	}
	c.doomed = true
	s.Close(reason)
	c.mu.Unlock()
	c.backend.removed(c)
	return nil
}
