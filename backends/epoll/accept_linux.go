package epoll

import (
	"time"

	"golang.org/x/sys/unix"

	"echosrv/backends/internal/filetable"
	"echosrv/backends/internal/sock"
)

const (
	// acceptBatch bounds the newcomers of one turn, so that a flood of them doesn't stop the service of
	// those who are in.
	acceptBatch = 64
	// refuseBatch is how many of those who wait are turned away in each pause.
	refuseBatch = 16
)

// accepting is the part of a loop that takes newcomers in.
type accepting struct {
	listener *sock.Listener // nil: another loop accepts for this one, or accepting has ended
	reserve  *sock.Reserve
	workers  []*loop // those to hand newcomers to; empty: this loop keeps them
	next     int     // the worker whose turn it is
	waiting  bool    // the listener was reported readable in this turn
	pause    filetable.Pause
	resumeAt time.Duration
}

// accept takes newcomers in, a bounded number in each turn.
func (l *loop) accept() {
	if l.listener == nil {
		return
	}
	if l.resumeAt != 0 && l.now >= l.resumeAt {
		l.resumeAt = 0
		l.poller.add(l.listener.FD, 0, unix.EPOLLIN)
		l.waiting = true
	}
	if !l.waiting {
		return
	}
	l.waiting = false
	for range acceptBatch {
		fd, errno := sock.Accept(l.listener.FD)
		switch {
		case errno == 0:
			l.pause.Reset()
			l.place(fd)
		case errno == unix.EAGAIN:
			return
		case sock.TableFull(errno):
			l.pauseAccepting(errno)
			return
		default:
			// accept4 also reports errors of the connection that it would have returned (accept(2)):
			// that one is gone, the next one may be fine.
		}
	}
}

// pauseAccepting turns a few newcomers away and ignores the listener for a moment: it stays readable as
// long as somebody waits, and the loop would spin.
func (l *loop) pauseAccepting(errno unix.Errno) {
	refused := 0
	for refused < refuseBatch && l.reserve.Refuse(l.listener.FD) {
		refused++
	}
	pause := l.pause.Next()
	l.resumeAt = l.now + pause
	l.poller.delete(l.listener.FD)
	if l.backend.warnings.Due(l.now) {
		l.backend.config.Log.Warn("can't accept connections", "error", errno, "refused", refused, "retry_in", pause)
	}
}

// place opens a connection here, or hands it to the worker whose turn it is.
func (l *loop) place(fd int) {
	if len(l.workers) == 0 {
		l.open(fd)
		return
	}
	w := l.workers[l.next%len(l.workers)]
	l.next++
	w.inbox.mu.Lock()
	closed := w.inbox.closed
	if !closed {
		w.inbox.fds = append(w.inbox.fds, fd)
	}
	w.inbox.mu.Unlock()
	if closed {
		unix.Close(fd)
		return
	}
	w.waker.Wake()
}

func (l *loop) closeListener() {
	if l.listener != nil {
		l.listener.Close()
		l.listener = nil
	}
	if l.reserve != nil {
		l.reserve.Close()
		l.reserve = nil
	}
	l.resumeAt, l.waiting = 0, false
}
