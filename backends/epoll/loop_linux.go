package epoll

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"echosrv/backends"
	"echosrv/backends/internal/sock"
	"echosrv/backends/internal/tally"
	"echosrv/backends/internal/timer"
	"echosrv/protocol/buffer"
)

// loop is one thread's share of the work. All but inbox belongs to the goroutine of run.
type loop struct {
	backend *backend
	index   int
	poller  *poller
	waker   *sock.Waker
	edge    bool
	busy    time.Duration

	conns  table
	now    time.Duration // when the events of this turn were taken
	buffer []byte        // for every read; a reply is written from it
	vector *sock.Vector  // for replies that queue up behind others
	zero   zeroCopy
	timers timer.Heap
	// again are connections to serve in the next turn although epoll won't say so: edge-triggered ones
	// that had more to read than one turn allows, or that go on reading after a pause.
	again, turn []*conn

	reads, writes uint64 // tried in this turn
	tally         tally.Tally

	accepting
	drained bool // Drain was passed on to the sessions

	inbox inbox
}

// inbox is how an acceptor hands sockets to another loop.
type inbox struct {
	mu     sync.Mutex
	fds    []int
	closed bool
}

func newLoop(b *backend, index int) (*loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	w, err := sock.NewWaker()
	if err != nil {
		p.close()
		return nil, err
	}
	o := b.config.Options
	l := &loop{
		backend: b, index: index, poller: p, waker: w,
		edge: o.String(optTrigger) == edge, busy: o.Duration(optBusy),
		vector: sock.NewVector(64),
		zero:   zeroCopy{least: o.Bytes(optZero), pool: buffer.NewPool(0)},
	}
	l.newBuffer(o.Bytes(optBuffer))
	if errno := p.add(w.FD, 0, unix.EPOLLIN); errno != 0 {
		l.free()
		return nil, os.NewSyscallError("epoll_ctl", errno)
	}
	return l, nil
}

// run serves until the backend is closed, or drained and the last connection gone.
func (l *loop) run() error {
	defer l.closeAll()
	release, err := l.lockThread()
	if err != nil {
		return err
	}
	defer release()
	l.now = backends.Now()
	for {
		events, err := l.wait()
		if err != nil {
			return err
		}
		l.now = backends.Now()
		woken := l.serve(events)
		l.serveAgain()
		l.expire()
		l.accept()
		if woken {
			l.waker.Clear()
			l.adopt()
		}
		l.tally.Turn(l.reads, l.writes)
		l.reads, l.writes = 0, 0
		if l.stop() {
			return nil
		}
	}
}

// wait returns events as soon as there are any. It sleeps in two steps: for a moment, in a call of which the
// scheduler knows nothing, and then for as long as it takes, in one that lets it have this thread's
// processor. Under load the second is never reached, and with it all that the scheduler does about threads
// that are away.
func (l *loop) wait() ([]unix.EpollEvent, error) {
	if len(l.again) > 0 {
		return l.poller.poll(0)
	}
	for limit := l.now + l.busy; l.busy > 0 && backends.Now() < limit; {
		if events, err := l.poller.poll(0); len(events) > 0 || err != nil {
			return events, err
		}
	}
	if events, err := l.poller.poll(0); len(events) > 0 || err != nil {
		return events, err
	}
	sleep := l.sleep()
	if sleep < 0 || sleep > nap {
		if events, err := l.poller.poll(nap); len(events) > 0 || err != nil {
			return events, err
		}
	}
	return l.poller.wait(sleep)
}

// sleep is how long the loop may sleep: until the earliest deadline; -1: for as long as nothing happens.
func (l *loop) sleep() time.Duration {
	next := l.timers.Next()
	if l.resumeAt != 0 && (next == 0 || l.resumeAt < next) {
		next = l.resumeAt
	}
	if next == 0 {
		return -1
	}
	return max(next-backends.Now(), 0)
}

// serve handles the events of connections and notes those of the listener and the waker for later.
func (l *loop) serve(events []unix.EpollEvent) (woken bool) {
	for i := range events {
		e := &events[i]
		c := l.conns.get(int(e.Fd))
		switch {
		case c != nil:
			if c.generation == uint32(e.Pad) {
				l.ready(c, e.Events)
			}
		case int(e.Fd) == l.waker.FD:
			woken = true
		case l.listener != nil && int(e.Fd) == l.listener.FD:
			l.waiting = true
		}
	}
	return woken
}

// ready serves one connection: first what it takes, which may let it read again, then what it sends.
func (l *loop) ready(c *conn, events uint32) {
	const failed = unix.EPOLLERR | unix.EPOLLHUP
	if events&unix.EPOLLERR != 0 && l.zero.pins[c] != nil {
		if l.unpin(c); c.done && !l.pinned(c) {
			l.drop(c, nil)
			return
		}
		events &^= unix.EPOLLERR // an error proper comes with EPOLLHUP
	}
	if c.done {
		return
	}
	if events&(unix.EPOLLOUT|failed) != 0 && c.full {
		c.full = false
		if l.settle(c, nil); c.session == nil {
			return
		}
	}
	if events&unix.EPOLLRDHUP != 0 {
		c.ended = true
	}
	if c.paused && events&failed != 0 && !c.full {
		// Reported until it is dealt with, and there is nothing to write that would tell the error.
		l.drop(c, fmt.Errorf("%w: reported by epoll", backends.ErrReset))
		return
	}
	l.read(c)
}

func (l *loop) serveAgain() {
	l.turn, l.again = l.again, l.turn[:0]
	for i, c := range l.turn {
		l.turn[i] = nil
		if c.again {
			c.again = false
			l.read(c)
		}
	}
}

// expire calls the sessions whose deadline has come, and files the others again.
func (l *loop) expire() {
	for {
		key, ok := l.timers.Due(l.now)
		if !ok {
			return
		}
		c := l.conns.get(int(uint32(key)))
		if c == nil || c.generation != uint32(key>>32) || !c.ticket.Pass(l.now) {
			continue // closed since, or not remembered
		}
		if c.done {
			l.drop(c, nil)
			continue
		}
		c.session.Expire(l.now)
		l.settle(c, nil)
	}
}

// adopt takes the sockets that an acceptor left.
func (l *loop) adopt() {
	l.inbox.mu.Lock()
	fds := l.inbox.fds
	l.inbox.fds = nil
	l.inbox.mu.Unlock()
	for _, fd := range fds {
		l.open(fd)
	}
}

// stop does what the stage of the backend asks for, and says whether the loop is at its end.
func (l *loop) stop() bool {
	switch l.backend.stage.Load() {
	case closing:
		return true
	case draining:
		l.drain()
		return l.conns.count == 0
	}
	return false
}

func (l *loop) drain() {
	if l.drained {
		return
	}
	l.drained = true
	l.closeListener()
	l.closeInbox()
	for c := range l.conns.all() {
		if c.done {
			continue
		}
		c.session.Drain(l.now)
		l.settle(c, nil)
	}
}

func (l *loop) closeInbox() {
	l.inbox.mu.Lock()
	l.inbox.closed = true
	l.inbox.mu.Unlock()
	l.adopt()
}

// closeAll drops what is still connected when the loop ends.
func (l *loop) closeAll() {
	l.closeListener()
	l.closeInbox()
	for c := range l.conns.all() {
		l.drop(c, backends.ErrStopped)
	}
}

// free gives the loop's own descriptors back. It may be called twice.
func (l *loop) free() {
	l.closeListener()
	l.waker.Close()
	if l.poller != nil {
		l.poller.close()
		l.poller = nil
	}
}

// listen begins to wait for newcomers.
func (l *loop) listen() (err error) {
	if l.reserve, err = sock.NewReserve(); err != nil {
		return err
	}
	if errno := l.poller.add(l.listener.FD, 0, unix.EPOLLIN); errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}
