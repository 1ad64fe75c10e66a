package goroutine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"echosrv/backends"
)

// Why a connection was woken: bits of conn.woken.
const (
	wakeDrain uint32 = 1 << iota
	wakeStop
	wakeWritten // the second goroutine has ended; its results are in written and writeErr
)

// past is a deadline that has always passed.
var past = time.Unix(1, 0)

// conn is one connection. All of it belongs to the goroutine that runs serve, but for woken and signal,
// which anyone may use, and what is said to be the second goroutine's.
type conn struct {
	backend *backend
	sock    *net.TCPConn
	raw     syscall.RawConn
	session backends.Session

	woken  atomic.Uint32
	signal chan struct{} // holds a token when woken has bits that sleep has to see

	armed time.Duration // the read deadline that is set on the socket; 0: none
	eof   bool          // the peer will send no more
	shut  bool          // our side of the socket is shut down for writing

	// For tryRead and tryWrite, which can't have arguments: as values made once per connection, they cost
	// no allocation per call.
	readable, writable func(fd uintptr) bool

	block   *block // the read buffer borrowed at present
	own     []byte // the read buffer held always, if that was chosen
	got     int    // bytes that tryRead read
	readErr error

	// These belong to the second goroutine while writing is true.
	out      []byte // what tryWrite is to write, and has left over
	patient  bool   // tryWrite waits until the socket takes something
	written  int
	writeErr error

	writing bool // the second goroutine runs
}

func newConn(b *backend, sock *net.TCPConn) *conn {
	return &conn{backend: b, sock: sock, signal: make(chan struct{}, 1)}
}

// RemoteAddr makes conn a backends.Peer.
func (c *conn) RemoteAddr() string { return c.sock.RemoteAddr().String() }

// serve is the life of a connection.
func (c *conn) serve() {
	defer c.backend.ended(c)
	if err := c.open(); err != nil {
		c.sock.Close()
		return
	}
	if c.session = c.backend.cfg.Open(backends.Now(), c); c.session == nil {
		c.sock.Close()
		return
	}
	reason := c.run()
	c.sock.Close()
	for c.writing && c.woken.Load()&wakeWritten == 0 {
		<-c.signal // the second goroutine still uses the session's bytes; the Close above ends it
	}
	c.session.Close(reason)
	c.giveBlock()
}

func (c *conn) open() (err error) {
	if n := c.backend.readBuffer; n > 0 {
		c.own = make([]byte, n)
	}
	c.raw, err = c.sock.SyscallConn()
	c.readable, c.writable = c.tryRead, c.tryWrite
	return err
}

// run moves bytes until the session is done, which is nil, or the socket or the engine ends.
func (c *conn) run() error {
	for {
		if c.woken.Load() != 0 {
			if err := c.attend(); err != nil {
				return err
			}
		}
		if c.session.Done() {
			return nil
		}
		if !c.shut && c.session.Ending() && c.session.Queued() == 0 {
			c.shut = true
			if err := c.sock.CloseWrite(); err != nil {
				return reset(err)
			}
		}
		if err := c.step(); err != nil {
			return err
		}
	}
}

// step waits for the next thing to happen, and does it.
func (c *conn) step() error {
	if c.eof || !c.session.Reading() {
		c.giveBlock()
		c.sleep()
		return c.expire()
	}
	b, err := c.read()
	switch {
	case err == nil:
		now := backends.Now()
		return c.flush(now, c.session.Receive(now, b))
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.armed = 0
		c.sock.SetReadDeadline(time.Time{})
		return c.expire()
	case err == io.EOF:
		c.eof = true
		now := backends.Now()
		c.session.EOF(now)
		return c.flush(now, nil)
	}
	return reset(err)
}

// expire has the session look at the time, if it wanted to by now, and writes what that led to.
func (c *conn) expire() error {
	now := backends.Now()
	d := c.session.Deadline()
	if d == 0 || now < d {
		return nil
	}
	c.session.Expire(now)
	return c.flush(now, nil)
}

// wake makes the goroutine of c look at the bit why. The bit comes before the deadline, and the owner
// looks at the bits after it has set a deadline of its own, so that none is overlooked.
func (c *conn) wake(why uint32) {
	c.woken.Or(why)
	c.sock.SetReadDeadline(past)
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

// attend does what c was woken for.
func (c *conn) attend() error {
	why := c.woken.Swap(0)
	if why&wakeStop != 0 {
		c.woken.Or(why & wakeWritten) // for serve, which waits for it
		return backends.ErrStopped
	}
	c.armed = 0
	c.sock.SetReadDeadline(time.Time{})
	now := backends.Now()
	if why&wakeDrain != 0 {
		c.session.Drain(now)
	}
	if why&wakeWritten != 0 {
		c.writing = false
		if c.writeErr != nil {
			return reset(c.writeErr)
		}
		c.session.Sent(now, c.written, nil)
	}
	return c.flush(now, nil)
}

// arm sees to it that a read ends when the session wants Expire. A deadline that moved away is left as
// it is: when it fires, there is nothing to do but to set the next. That is far cheaper than to move it
// with every packet.
func (c *conn) arm() {
	d := c.session.Deadline()
	if d == 0 || c.armed != 0 && c.armed <= d {
		return
	}
	c.armed = d
	c.sock.SetReadDeadline(at(d))
}

// at is the moment of a session's time as package net wants it.
func at(d time.Duration) time.Time { return time.Now().Add(d - backends.Now()) }

// sleep waits until woken or until the session wants Expire.
func (c *conn) sleep() {
	var fired <-chan time.Time
	if d := c.session.Deadline(); d != 0 {
		t := time.NewTimer(d - backends.Now())
		defer t.Stop()
		fired = t.C
	}
	select {
	case <-c.signal:
	case <-fired:
	}
}

func reset(cause error) error { return fmt.Errorf("%w: %w", backends.ErrReset, cause) }
