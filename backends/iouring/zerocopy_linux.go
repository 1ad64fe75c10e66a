package iouring

import (
	"math"
	"time"

	"echosrv/backends/internal/sock"
	"echosrv/backends/internal/timer"
	"echosrv/protocol/buffer"

	"golang.org/x/sys/unix"
)

// Zero copy: what a session holds pending (packets that arrived in several receives, as large ones do, and
// what the socket refused before) is sent from where it is. The kernel says twice how such a send goes: at
// once, what it took, as with any other; and, when the peer has acknowledged it all, that the memory is
// free. Until then its buffers are pinned, and the connection is not closed: the kernel would go on sending
// from them. Replies that still lie in the blocks of the loop are copied, as a slow reader must not hold
// those.

// pinPatience is how long a closed connection may wait for the kernel to be done with its buffers; then it
// is reset, which makes the kernel forget them.
const pinPatience = 5 * time.Second

// maxPins is how many sends of a connection may be pinned at once; more are copied.
const maxPins = math.MaxUint8

// pinner is a session that lets its pending buffers be pinned.
type pinner interface {
	Pin(dst []*buffer.Buffer, n int) []*buffer.Buffer
}

// zeroCopy is what a loop needs for it.
type zeroCopy struct {
	least int // bytes that are sent so; 0: none
	pins  []pin
	free  []uint32 // places in pins
	open  int      // pins in use
}

// pin holds the memory of one send.
type pin struct {
	conn    key
	send    int // its place in the list of sends of the turn in which it was prepared
	buffers []*buffer.Buffer
}

// mayPin says whether this much is worth a zero-copy send, and can be pinned.
func (l *loop) mayPin(c *conn, pending int) bool {
	if l.zero.least == 0 || pending < l.zero.least || c.is(copying) || c.pins == maxPins {
		return false
	}
	_, ok := c.session.(pinner)
	return ok
}

// pin takes hold of the first n pending bytes of c for the send that is about to be prepared.
func (l *loop) pin(c *conn, n int) key {
	z := &l.zero
	if len(z.free) == 0 {
		z.free = append(z.free, uint32(len(z.pins)))
		z.pins = append(z.pins, pin{})
	}
	at := z.free[len(z.free)-1]
	z.free = z.free[:len(z.free)-1]
	p := &z.pins[at]
	p.conn, p.send = c.key(0), len(l.sends)
	p.buffers = c.session.(pinner).Pin(p.buffers[:0], n)
	z.open++
	c.pins++
	return makeKey(zeroKind, 0, at)
}

// unpin takes the last completion of a zero-copy send, which is the only one if it has failed early.
func (l *loop) unpin(e cqe) {
	if e.flags&cqeMore != 0 {
		return
	}
	at := key(e.userData).slot()
	p := &l.zero.pins[at]
	for i, b := range p.buffers {
		b.Release()
		p.buffers[i] = nil
	}
	l.zero.free = append(l.zero.free, at)
	l.zero.open--
	if c := l.conns.find(p.conn); c != nil {
		c.pins--
		l.release(c)
	}
}

// refused says whether a zero-copy send failed for what it is, so that a copy may do: the kernel counts the
// pages against RLIMIT_MEMLOCK, and not every socket can.
func refused(errno unix.Errno) bool {
	switch errno {
	case unix.ENOBUFS, unix.ENOMEM, unix.EOPNOTSUPP, unix.EINVAL:
		return true
	}
	return false
}

// postpone keeps a connection that is closing until the kernel is done with its buffers.
func (l *loop) postpone(c *conn) {
	if c.is(postponed) {
		return
	}
	c.state |= postponed
	if l.stopping {
		l.giveUp(c)
		return
	}
	at := l.now + pinPatience
	c.ticket = timer.Ticket{} // of the session's deadlines nothing matters any more
	c.ticket.File(at)
	l.timers.Add(at, uint64(c.key(0)))
}

// giveUp resets a connection that was postponed: what was still to be sent is dropped, and the kernel is
// done with its buffers.
func (l *loop) giveUp(c *conn) {
	if c.is(postponed) {
		l.close(c, sock.CloseReset)
	}
}
