package iouring

import (
	"time"

	"echosrv/backends/internal/sock"

	"golang.org/x/sys/unix"
)

// send is a request that the kernel has been, or is about to be, given. It is done with when the kernel
// has taken the request (see sendFlags), so that a list of them is written and read once a turn.
type send struct {
	conn   *conn
	reply  []byte
	vector *sock.Vector // what it reads from, if there is more than one piece
	taken  int32        // bytes, or minus an errno; all of them unless a completion says otherwise
	total  int32
	piece  piece // that reply lies in
	zero   bool  // without a copy
}

const (
	// maxPieces is how many pieces of what is pending go into one send.
	maxPieces = 64
	// maxSend keeps a request's length within what the kernel takes at once (MAX_RW_COUNT is 2 GiB less
	// a page), in bytes.
	maxSend = 1 << 30
)

// write prepares a send of all that is pending and of reply behind it.
func (l *loop) write(c *conn, reply []byte, p piece) {
	c.state |= sending
	l.writes++
	s := send{conn: c, reply: reply, piece: p, total: int32(len(reply))}
	k := makeKey(sendKind, 0, uint32(len(l.sends)))
	request := l.ring.sqe()
	if queued := c.session.Queued(); queued == 0 {
		request.send(c.target(), reply, k)
	} else {
		v := l.vector()
		v.Slices = c.session.Pending(v.Slices[:0:maxPieces])
		total := 0
		for _, b := range v.Slices {
			total += len(b)
		}
		if total == queued && len(reply) > 0 {
			v.Slices = append(v.Slices[:len(v.Slices):cap(v.Slices)], reply)
			total += len(reply)
		}
		s.vector, s.total = v, int32(min(total, maxSend))
		if len(reply) == 0 && l.mayPin(c, total) {
			s.zero = true
			request.sendZeroCopy(c.target(), v, l.pin(c, total))
		} else {
			request.sendVector(c.target(), v, k)
		}
	}
	s.taken = s.total
	l.sends = append(l.sends, s)
}

// vector is scratch for a send of several pieces.
func (l *loop) vector() *sock.Vector {
	if n := len(l.vectors); n > 0 {
		v := l.vectors[n-1]
		l.vectors = l.vectors[:n-1]
		return v
	}
	return sock.NewVector(maxPieces + 1)
}

// outcomes tells sessions what became of their sends. Only those that took less than all have a
// completion, and the kernel has posted it by the time that it has taken the request.
func (l *loop) outcomes(now time.Duration, batch []cqe) {
	if len(l.sends) == 0 {
		return
	}
	for _, e := range batch {
		switch k := key(e.userData); {
		case k.kind() == sendKind:
			l.sends[k.slot()].taken = e.res
		case k.kind() == zeroKind && e.flags&cqeNotification == 0:
			l.sends[l.zero.pins[k.slot()].send].taken = e.res
		}
	}
	sends := l.sends
	l.sends = l.spareSends[:0]
	for i := range sends {
		l.sent(now, &sends[i])
	}
	clear(sends)
	l.spareSends = sends[:0]
}

// sent settles one send.
func (l *loop) sent(now time.Duration, s *send) {
	c := s.conn
	c.state &^= sending
	taken, errno := int(s.taken), unix.Errno(0)
	if taken < 0 {
		taken, errno = 0, unix.Errno(-s.taken)
	}
	c.session.Sent(now, taken, s.reply)
	l.buffers.giveBack(s.piece)
	if s.vector != nil {
		s.vector.Release()
		l.vectors = append(l.vectors, s.vector)
	}
	if s.zero && refused(errno) {
		c.state |= copying
		l.settle(now, c)
		return
	}
	switch errno {
	case 0, unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.ENOMEM:
	default:
		l.drop(c, reset(errno))
		return
	}
	if taken < int(s.total) {
		c.state |= blocked
		l.poll(c)
	}
	l.settle(now, c)
}

// poll has the kernel say when the socket can be written again. The request goes on until the connection is
// closed: once the socket had no room, which is when this is asked for, it completes each time that there
// is room again and not otherwise. One that is done after one completion would not do, as the kernel adds
// the end of input (POLLRDHUP) to what is waited for, which stays.
func (l *loop) poll(c *conn) {
	if !c.is(polling) {
		c.state |= polling
		l.ring.sqe().pollEach(c.target(), unix.POLLOUT, c.key(pollKind))
	}
}

// writable goes on with what is pending after the socket refused some.
func (l *loop) writable(now time.Duration, e cqe) {
	c := l.conns.find(key(e.userData))
	if c == nil {
		return
	}
	if e.flags&cqeMore == 0 {
		c.state &^= polling
	}
	if c.is(closing) {
		l.release(c)
		return
	}
	if e.res < 0 || e.res&(unix.POLLOUT|unix.POLLERR|unix.POLLHUP) != 0 {
		c.state &^= blocked
	} else if c.is(blocked) {
		l.poll(c)
	}
	l.settle(now, c)
}
