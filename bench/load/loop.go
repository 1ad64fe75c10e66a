package load

import (
	"math"
	"sync"
	"time"
)

const (
	// longestWait is how long a loop sleeps at most before it looks at its deadlines again.
	longestWait = 100 * time.Millisecond
	// shortWait is the same while connections are ending or explained.
	shortWait = 10 * time.Millisecond
)

// A loop is one thread of the client with the connections it drives.
type loop struct {
	run    *run
	index  int
	poller poller
	meter  *meter
	phase  phase
	now    int64   // ns: when the turn began
	conns  []*conn // by handle; those that are gone are used again
	unused []int   // handles of these

	lasting lasting
	churn   churn
	open    openLoop
	readers slowReaders

	alive    int              // established and not gone
	watched  int              // connections with a deadline
	checkAt  int64            // ns: when deadlines are looked at again
	resting  bool             // nothing is sent any more
	suspects int              // connections on which evidence is collected
	cpu      [2]time.Duration // of the thread, at the window's edges

	ending sync.Mutex // guards ended: a poller that is shut can't be woken
	ended  bool
}

// work runs the loop until its last connection is gone.
func (l *loop) work() error {
	defer l.shut()
	for {
		l.now = l.run.clock()
		wake, finished := l.turn()
		l.meter.publish()
		if finished {
			return nil
		}
		events, err := l.poller.wait(time.Duration(wake - l.now))
		if err != nil {
			return err
		}
		for i := range events {
			l.ready(&events[i])
		}
	}
}

// wake makes the loop take a turn now. Any goroutine may call it.
func (l *loop) wake() {
	l.ending.Lock()
	defer l.ending.Unlock()
	if !l.ended {
		l.poller.wake()
	}
}

func (l *loop) shut() {
	l.ending.Lock()
	l.ended = true
	l.ending.Unlock()
	l.poller.shut()
}

// turn does what time asks for, and says when to come back at the latest.
func (l *loop) turn() (wake int64, finished bool) {
	if p := l.run.phase(); p != l.phase {
		l.enter(p)
	}
	wake = l.now + int64(longestWait)
	if l.phase >= draining {
		late := l.now >= l.run.drainUntil.Load()
		if !l.resting && (l.open.backlog == 0 || l.alive == 0 || late || l.phase == aborted) {
			l.rest()
		}
		if l.alive+l.watched == 0 || l.phase == aborted || late {
			l.abandon()
			return 0, true
		}
		wake = l.now + int64(shortWait)
	}
	if l.watched > 0 {
		if l.now >= l.checkAt {
			l.check()
			l.checkAt = l.now + int64(shortWait)
		}
		wake = min(wake, l.checkAt)
	}
	if l.lasting.left > 0 {
		wake = min(wake, l.dialLasting())
	}
	if l.churn.due != nil {
		wake = min(wake, l.dialChurned())
	}
	if l.open.due != nil {
		wake = min(wake, l.dispatch())
	}
	if l.readers.alive > 0 {
		wake = min(wake, l.readSlow())
	}
	return wake, false
}

// enter begins a phase of the run.
func (l *loop) enter(p phase) {
	before := l.phase
	l.phase = p
	l.window()
	if p >= warming && before < warming {
		l.begin()
	}
	if p >= measuring && before < measuring {
		l.cpu[0] = threadCPU()
	}
	if p >= draining && before < draining {
		l.cpu[1] = threadCPU()
		l.drain()
	}
}

// window looks whether the window opened or closed: what a burst brings counts on the right side of its edges.
func (l *loop) window() {
	l.meter.measuring = l.run.phase() == measuring
	l.meter.opened, l.meter.closed = l.run.opened.Load(), l.run.closed.Load()
}

// begin starts the load on connections that are open and have waited for the others.
func (l *loop) begin() {
	l.beginOpenLoop()
	l.beginChurn()
	for _, c := range l.conns {
		if c.state == open {
			l.feed(c, l.run.clock())
		}
	}
}

// drain ends what brings new packets and connections.
func (l *loop) drain() {
	l.lasting.left = 0
	l.endOpenLoop()
	l.endChurn()
}

// rest stops the sending once nothing is due any more, and ends the connections that have nothing to wait for.
func (l *loop) rest() {
	l.resting = true
	l.meter.unsent += l.open.backlog
	l.open = openLoop{}
	for _, c := range l.conns {
		switch c.state {
		case dialing:
			l.drop(c)
		case open:
			l.meter.populations[c.role].Sent -= int64(c.flow.stop())
			if c.role == slow {
				l.poller.pause(c.handle, false)
			}
			l.endIfDone(c)
		}
	}
}

// ready handles one event.
func (l *loop) ready(e *event) {
	c := l.conns[e.handle]
	if e.writable && c.state == dialing {
		l.established(c)
		return
	}
	if e.readable && c.state >= open {
		l.receive(c, math.MaxInt)
	}
	if e.writable && c.state >= open && c.flow.hasOutput() {
		l.flush(c)
		if c.role == slow && c.state == open {
			l.feed(c, l.run.clock())
		}
	}
}

// abandon closes what is left at the end of the run, and counts what was never answered.
func (l *loop) abandon() {
	for _, c := range l.conns {
		if c.state < open {
			l.drop(c)
			continue
		}
		if c.flow.suspect() {
			l.convict(c)
			continue
		}
		n := c.flow.inFlight
		if n == 0 || c.role == slow || l.phase == aborted {
			l.drop(c)
			continue
		}
		l.meter.failf(Unanswered, n, "connection %d: the server fell silent %s", c.flow.name, c.flow.place())
		l.meter.unanswered += int64(n)
		l.drop(c)
	}
}
