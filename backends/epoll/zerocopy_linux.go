package epoll

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"echosrv/backends/internal/sock"
	"echosrv/backends/internal/timer"
	"echosrv/protocol/buffer"
)

// Zero copy: the kernel sends a large reply from the memory it stands in instead of copying it. That
// memory must stay as it is until the kernel has reported on the socket's error queue that it is done, so
// every buffer of such a send is pinned: the loop's read buffer, which is then replaced by another, or
// buffers of the session's outbox. A connection is not closed while it has pins, since the kernel would
// go on sending from them.

// pinPatience is how long a closed connection may wait for the kernel to be done with its buffers; then it
// is reset, which makes the kernel forget them.
const pinPatience = 5 * time.Second

// pinner is a session that lets its pending buffers be pinned.
type pinner interface {
	Pin(dst []*buffer.Buffer, n int) []*buffer.Buffer
}

// zeroCopy is what a loop needs for it; least is zero where it is off.
type zeroCopy struct {
	least       int // the smallest reply that is sent so, in bytes
	pool        *buffer.Pool
	shared      *buffer.Buffer // the memory of loop.buffer
	scratch     []*buffer.Buffer
	sends       uint64          // that were made so
	pins        map[*conn]*pins // of connections that were ever sent to so
	completions sock.Completions
}

// pins are the buffers that the kernel sends from, of one connection.
type pins struct {
	sends uint32 // zero-copy sends so far: the kernel numbers them alike
	held  []pin
}

type pin struct {
	send uint32
	buf  *buffer.Buffer
}

// freshBuffer sees to it that the loop doesn't read into memory that the kernel still sends from.
func (l *loop) freshBuffer() {
	if l.zero.shared != nil && l.zero.shared.Refs() > 1 {
		l.newBuffer(len(l.buffer))
	}
}

// newBuffer replaces the loop's read buffer, which is pinned, or makes the first one.
func (l *loop) newBuffer(size int) {
	if l.zero.least == 0 {
		l.buffer = make([]byte, size)
		return
	}
	if l.zero.shared != nil {
		l.zero.shared.Release()
	}
	l.zero.shared = l.zero.pool.Get(size)
	l.buffer = l.zero.shared.Bytes()[:size]
}

// writePinned writes v, which holds pending bytes of c's session and behind them, if it stands in the read
// buffer, the reply. It must be called before Sent, which gives pending buffers up.
func (l *loop) writePinned(c *conn, v *sock.Vector, pending, reply int) (n int, errno unix.Errno) {
	n, errno = sock.WriteVectorZeroCopy(int(c.fd), v)
	if errno == unix.ENOBUFS {
		return sock.WriteVector(int(c.fd), v)
	}
	if errno != 0 || n == 0 {
		return n, errno
	}
	pinned := l.zero.pins[c]
	if pinned == nil {
		pinned = new(pins)
		if l.zero.pins == nil {
			l.zero.pins = map[*conn]*pins{}
		}
		l.zero.pins[c] = pinned
	}
	send := pinned.sends
	pinned.sends++
	l.zero.sends++
	if p, ok := c.session.(pinner); ok && pending > 0 {
		l.zero.scratch = p.Pin(l.zero.scratch[:0], min(n, pending))
		for _, b := range l.zero.scratch {
			pinned.held = append(pinned.held, pin{send, b})
		}
	}
	if n > pending && reply > 0 {
		pinned.held = append(pinned.held, pin{send, l.zero.shared.Retain()})
	}
	return n, 0
}

// mayPin says whether this much is worth a zero-copy send, and can be pinned: a reply in memory that is
// neither the session's nor the read buffer's can't.
func (l *loop) mayPin(c *conn, pending int, reply []byte) bool {
	if l.zero.least == 0 || pending+len(reply) < l.zero.least {
		return false
	}
	if _, ok := c.session.(pinner); pending > 0 && !ok {
		return false
	}
	return len(reply) == 0 || within(reply, l.buffer)
}

func within(b, outer []byte) bool {
	at, from := uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(unsafe.Pointer(unsafe.SliceData(outer)))
	return at >= from && at+uintptr(len(b)) <= from+uintptr(len(outer))
}

// unpin releases what the kernel reports to be done with.
func (l *loop) unpin(c *conn) {
	for {
		first, last, _, ok := l.zero.completions.Next(int(c.fd))
		if !ok {
			return
		}
		pinned := l.zero.pins[c]
		kept := pinned.held[:0]
		for _, p := range pinned.held {
			// A range of numbers that may wrap.
			if p.send-first <= last-first {
				p.buf.Release()
			} else {
				kept = append(kept, p)
			}
		}
		clear(pinned.held[len(kept):])
		pinned.held = kept
	}
}

// pinned says whether the kernel still sends from buffers of this connection.
func (l *loop) pinned(c *conn) bool {
	p := l.zero.pins[c]
	return p != nil && len(p.held) > 0
}

// postpone keeps a connection that is Done until the kernel is done too.
func (l *loop) postpone(c *conn) {
	if c.done {
		return
	}
	c.done, c.paused = true, true
	at := l.now + pinPatience
	c.ticket = timer.Ticket{} // of the session's deadlines nothing matters any more
	c.ticket.File(at)
	l.timers.Add(at, c.key())
	if !l.edge {
		// Only the completions matter now; told of them as they come, not of a hang-up again and again.
		l.poller.modify(int(c.fd), c.generation, unix.EPOLLET)
	}
}

// closeSocket closes a connection's socket. Buffers that the kernel still sends from are given up with it.
func (l *loop) closeSocket(c *conn) {
	if !l.pinned(c) {
		unix.Close(int(c.fd))
	} else {
		sock.CloseReset(int(c.fd))
		for _, p := range l.zero.pins[c].held {
			p.buf.Release()
		}
	}
	delete(l.zero.pins, c)
}
