package iouring

import (
	"sync/atomic"
	"time"

	"echosrv/backends/internal/sock"

	"golang.org/x/sys/unix"
)

// accepting is the part of a loop that gets newcomers.
type accepting struct {
	listener *sock.Listener // nil: closed
	reserve  *sock.Reserve
	armed    bool // an accept is under way
	warned   *seldom
}

// seldom lets something through once in an interval; the loops of a backend share one.
type seldom struct{ last atomic.Int64 }

func (s *seldom) now(now, interval time.Duration) bool {
	last := s.last.Load()
	return (last == 0 || now-time.Duration(last) >= interval) && s.last.CompareAndSwap(last, int64(now))
}

const (
	// acceptPause is how long newcomers wait after an accept failed for want of descriptors.
	acceptPause = 50 * time.Millisecond
	// acceptLogInterval is the least time between two log lines about that, of all loops together.
	acceptLogInterval = time.Second
)

var acceptKey = makeKey(acceptKind, 0, 0)

// accept begins to accept, or goes on after a pause.
func (l *loop) accept() {
	if l.listener == nil || l.armed || l.draining || l.stopping {
		return
	}
	l.armed = true
	l.ring.sqe().accept(l.listener.FD, acceptKey)
}

// accepted takes a completion of the accept: a connection, or the reason why there are no more.
func (l *loop) accepted(now time.Duration, e cqe) {
	if e.flags&cqeMore == 0 {
		l.armed = false
	}
	switch errno := unix.Errno(-e.res); {
	case e.res >= 0:
		if l.stopping {
			unix.Close(int(e.res))
		} else {
			l.opened(now, int(e.res))
		}
	case errno == unix.ECANCELED, errno == unix.EINTR, errno == unix.EAGAIN, errno == unix.ECONNABORTED, errno == unix.EPROTO:
	default:
		l.refuse(now, errno)
		return
	}
	if l.draining || l.stopping {
		l.closeListener()
		return
	}
	l.accept()
}

// refuse deals with a full file table. Accepting would fail again at once, even with nobody waiting, so it
// pauses; one newcomer is told by being closed.
func (l *loop) refuse(now time.Duration, errno unix.Errno) {
	if l.draining || l.stopping {
		l.closeListener()
		return
	}
	refused := sock.TableFull(errno) && l.reserve.Refuse(l.listener.FD)
	if l.warned.now(now, acceptLogInterval) {
		l.config.Log.Warn("can't accept connections, pausing", "error", errno, "pause", acceptPause, "refused", refused, "connections", l.conns.open)
	}
	l.timers.Add(now+acceptPause, uint64(acceptKey))
}

// stopAccepting closes the listening socket once the kernel no longer uses it.
func (l *loop) stopAccepting() {
	if l.armed {
		l.ring.sqe().cancel(acceptKey)
	}
	l.closeListener()
}

func (l *loop) closeListener() {
	if l.listener != nil && !l.armed {
		l.listener.Close()
		l.listener = nil
	}
}
