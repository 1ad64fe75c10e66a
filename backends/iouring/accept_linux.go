package iouring

import (
	"time"

	"echosrv/backends/internal/filetable"
	"echosrv/backends/internal/sock"

	"golang.org/x/sys/unix"
)

// accepting is the part of a loop that gets newcomers.
type accepting struct {
	listener *sock.Listener // nil: closed
	reserve  *sock.Reserve
	armed    bool // an accept is under way
	pause    filetable.Pause
	warnings *filetable.Warnings
}

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
		l.pause.Reset()
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
	pause := l.pause.Next()
	if l.warnings.Due(now) {
		l.config.Log.Warn("can't accept connections, pausing", "error", errno, "pause", pause, "refused", refused, "connections", l.conns.open)
	}
	l.timers.Add(now+pause, uint64(acceptKey))
	l.quiet = naps // no reason to sleep lightly
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
