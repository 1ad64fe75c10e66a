package iouring

import (
	"fmt"
	"time"

	"echosrv/backends"
	"echosrv/backends/internal/sock"
	"echosrv/backends/internal/timer"

	"golang.org/x/sys/unix"
)

// conn is one connection, in a slot of its loop's table. It is 48 bytes, and with its session all that an
// idle connection costs this process.
type conn struct {
	session    backends.Session // nil: closing, or the slot is free
	ticket     timer.Ticket
	fd         int32
	slot       uint32
	generation uint32
	state      state
	pins       uint8 // zero-copy sends that the kernel is not done with
	small      uint8 // receives in a row that brought little
}

// state is a set of what holds for a connection.
type state uint16

const (
	receiving  state = 1 << iota // a receive is under way
	cancelling                   // and has been told to end
	large                        // what arrives is large: see large_linux.go
	watching                     // the receive under way is one of a large connection
	listed                       // and it is its turn soon
	blocked                      // the socket takes nothing more for now
	polling                      // the kernel says when that changes
	sending                      // a send was prepared and its outcome is not yet known
	ended                        // our output was shut down
	registered                   // the socket is in the ring's table of files, at slot
	copying                      // zero copy was refused
	postponed                    // closing, but for its pins
	told                         // asked to finish, as the loop is draining
	closing                      // to be closed when nothing is under way any more
)

func (c *conn) is(any state) bool { return c.state&any != 0 }

func (c *conn) key(k kind) key { return makeKey(k, c.generation, c.slot) }

// target is what requests for the connection work on.
func (c *conn) target() target {
	if c.is(registered) {
		return target{int32(c.slot), sqeFixedFile}
	}
	return target{c.fd, 0}
}

// RemoteAddr implements backends.Peer.
func (c *conn) RemoteAddr() string { return sock.RemoteAddr(int(c.fd)) }

// table holds the connections of a loop. Slots are made in blocks that never move, and used again.
type table struct {
	blocks []*[blockSlots]conn
	free   []uint32
	open   int
}

// blockSlots makes a block 12 KiB, which the allocator has a size for.
const blockSlots = 256

func (t *table) add(fd int) *conn {
	if len(t.free) == 0 {
		t.grow()
	}
	slot := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	t.open++
	c := t.at(slot)
	*c = conn{fd: int32(fd), slot: slot, generation: c.generation}
	return c
}

func (t *table) grow() {
	first := uint32(len(t.blocks) * blockSlots)
	t.blocks = append(t.blocks, new([blockSlots]conn))
	for i := uint32(blockSlots); i > 0; i-- {
		t.free = append(t.free, first+i-1)
	}
}

func (t *table) at(slot uint32) *conn { return &t.blocks[slot/blockSlots][slot%blockSlots] }

// find is the connection that a completion is for; nil if it has gone.
func (t *table) find(k key) *conn {
	if c := t.at(k.slot()); c.generation&generationMask == k.generation() {
		return c
	}
	return nil
}

func (t *table) remove(c *conn) {
	*c = conn{slot: c.slot, generation: c.generation + 1}
	t.free = append(t.free, c.slot)
	t.open--
}

// all calls f for every connection.
func (t *table) all(f func(*conn)) {
	for _, b := range t.blocks {
		for i := range b {
			if b[i].session != nil || b[i].is(closing) {
				f(&b[i])
			}
		}
	}
}

// opened begins the life of an accepted connection.
func (l *loop) opened(now time.Duration, fd int) {
	c := l.conns.add(fd)
	c.session = l.config.Open(now, c)
	if c.session == nil {
		unix.Close(fd)
		l.conns.remove(c)
		return
	}
	if c.slot < l.files {
		c.state |= registered
		l.ring.sqe().register(c.slot, &c.fd)
	}
	l.settle(now, c)
}

// settle does what the session wants after a call; see backends.Session. While a send is under way there
// is nothing to do: its outcome ends here again. Nor is there if the call has led to drop; c may be a free slot.
func (l *loop) settle(now time.Duration, c *conn) {
	s := c.session
	if s == nil || c.is(sending) {
		return
	}
	if l.draining || l.stopping {
		if l.stopping {
			l.drop(c, backends.ErrStopped)
			return
		}
		if !c.is(told) {
			c.state |= told
			s.Drain(now)
		}
	}
	if c.state|registered == receiving|registered && s.Steady() {
		return // nearly always: it is being received from, and that is all it wants
	}
	if s.Queued() > 0 {
		if !c.is(blocked) {
			l.write(c, nil, piece{})
			return
		}
	} else if s.Ending() && !c.is(ended) && !s.Done() {
		c.state |= ended
		if err := sock.ShutdownWrite(int(c.fd)); err != nil {
			l.drop(c, reset(err))
			return
		}
	}
	if s.Done() {
		l.drop(c, nil)
		return
	}
	l.read(c, s.Reading())
	if d := s.Deadline(); c.ticket.File(d) {
		l.timers.Add(d, uint64(c.key(0)))
	}
}

// drop ends a session, and its connection as soon as the kernel has nothing of it under way: closing the
// socket before would leave it open until then, as every request holds a reference.
func (l *loop) drop(c *conn, reason error) {
	c.session.Close(reason)
	c.session = nil
	c.state |= closing
	if c.is(receiving) && !c.is(cancelling) {
		l.cancelReceive(c)
	}
	if c.is(polling) {
		l.ring.sqe().cancel(c.key(pollKind))
	}
	l.release(c)
}

// release closes the socket of a connection that is closing, unless something is still under way.
func (l *loop) release(c *conn) {
	if !c.is(closing) || c.is(receiving|polling|sending) {
		return
	}
	if c.pins > 0 {
		l.postpone(c)
		return
	}
	l.close(c, func(fd int) { unix.Close(fd) })
}

// close closes a socket, in the way given, and frees its slot.
func (l *loop) close(c *conn, way func(fd int)) {
	if c.is(registered) {
		l.ring.sqe().register(c.slot, &noFile)
	}
	way(int(c.fd))
	l.timers.Forget(uint64(c.key(0)))
	l.conns.remove(c)
}

// noFile takes a file out of the table of registered ones.
var noFile int32 = -1

// reset is the reason for a close after a failed call.
func reset(cause error) error { return fmt.Errorf("%w: %w", backends.ErrReset, cause) }
