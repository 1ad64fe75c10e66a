package epoll

import (
	"fmt"
	"iter"

	"golang.org/x/sys/unix"

	"echosrv/backends"
	"echosrv/backends/internal/sock"
	"echosrv/backends/internal/timer"
)

// conn is a connection: a socket, its session, and what this loop asked epoll for. It takes 48 bytes, a size
// class of the allocator.
type conn struct {
	session    backends.Session // nil: closed
	ticket     timer.Ticket
	fd         int32
	generation uint32 // tells this connection's events from those of an earlier one with its descriptor
	interest   uint8  // what a level-triggered epoll was asked for: EPOLLIN, EPOLLOUT
	full       bool   // the socket took less than it was given: wait for EPOLLOUT
	shut       bool   // our output has ended
	paused     bool   // the session did not want to read
	again      bool   // in loop.again
	ended      bool   // the end of input waits behind what there is to read (EPOLLRDHUP)
	done       bool   // only what the kernel sends from keeps it open
}

// RemoteAddr is the other end, for logs.
func (c *conn) RemoteAddr() string { return sock.RemoteAddr(int(c.fd)) }

// open makes a connection of a socket that was accepted.
func (l *loop) open(fd int) {
	c := l.conns.put(fd)
	session := l.backend.config.Open(l.now, c)
	if session == nil {
		l.conns.remove(c)
		unix.Close(fd)
		return
	}
	c.session = session
	if l.zero.least > 0 {
		_ = sock.EnableZeroCopy(fd) // without it, sends are refused with the flag, and copied
	}
	c.interest = unix.EPOLLIN
	interest := uint32(c.interest)
	if l.edge {
		interest = edgeInterest
	}
	if errno := l.poller.add(fd, c.generation, interest); errno != 0 {
		l.drop(c, fmt.Errorf("%w: epoll_ctl: %w", backends.ErrReset, errno))
		return
	}
	l.settle(c, nil)
}

// follow does what the session wants after every call: close, end our output, read or pause, be called
// at its deadline.
func (l *loop) follow(c *conn) {
	s := c.session
	if s.Done() {
		if l.pinned(c) {
			l.postpone(c)
			return
		}
		l.drop(c, nil)
		return
	}
	if !c.shut && s.Ending() && s.Queued() == 0 {
		c.shut = true
		_ = sock.ShutdownWrite(int(c.fd)) // fails only if the peer is gone, which a read will tell
	}
	reading := s.Reading()
	if l.edge {
		if reading && c.paused {
			l.readAgain(c) // what arrived in the meantime will not be announced
		}
	} else {
		l.ask(c, reading)
	}
	c.paused = !reading
	if at := s.Deadline(); c.ticket.File(at) {
		l.timers.Add(at, c.key())
	}
}

// key is what a deadline of this connection is filed under.
func (c *conn) key() uint64 { return uint64(c.generation)<<32 | uint64(uint32(c.fd)) }

// ask tells a level-triggered epoll what to wait for, if that has changed.
func (l *loop) ask(c *conn, reading bool) {
	var want uint8
	if reading {
		want = unix.EPOLLIN
	}
	if c.full {
		want |= unix.EPOLLOUT
	}
	if want != c.interest {
		c.interest = want
		l.poller.modify(int(c.fd), c.generation, uint32(want))
	}
}

func (l *loop) readAgain(c *conn) {
	if !c.again {
		c.again = true
		l.again = append(l.again, c)
	}
}

// drop closes a connection. Closing a descriptor takes it out of epoll (epoll(7), question 6).
func (l *loop) drop(c *conn, reason error) {
	c.session.Close(reason)
	c.session = nil
	c.again = false
	l.timers.Forget(c.key())
	l.closeSocket(c)
	l.conns.remove(c)
}

// table finds a connection by its descriptor, in pages: descriptors are small numbers that are used again,
// and a page never moves.
type table struct {
	pages [][]*conn
	free  []*conn // closed ones, to be used again
	count int
	// generations counts all that were opened; it may wrap, as it only tells apart those of one descriptor
	// that are close in time.
	generations uint32
}

const pageSize = 1024

func (t *table) get(fd int) *conn {
	if page := fd / pageSize; page < len(t.pages) && t.pages[page] != nil {
		return t.pages[page][fd%pageSize]
	}
	return nil
}

func (t *table) put(fd int) *conn {
	for fd/pageSize >= len(t.pages) {
		t.pages = append(t.pages, nil)
	}
	if t.pages[fd/pageSize] == nil {
		t.pages[fd/pageSize] = make([]*conn, pageSize)
	}
	var c *conn
	if last := len(t.free) - 1; last >= 0 {
		c, t.free = t.free[last], t.free[:last]
	} else {
		c = new(conn)
	}
	t.generations++
	*c = conn{fd: int32(fd), generation: t.generations}
	t.pages[fd/pageSize][fd%pageSize] = c
	t.count++
	return c
}

func (t *table) remove(c *conn) {
	t.pages[c.fd/pageSize][c.fd%pageSize] = nil
	t.free = append(t.free, c)
	t.count--
}

// all yields the connections there are; they may be removed meanwhile.
func (t *table) all() iter.Seq[*conn] {
	return func(yield func(*conn) bool) {
		for _, page := range t.pages {
			for _, c := range page {
				if c != nil && !yield(c) {
					return
				}
			}
		}
	}
}
