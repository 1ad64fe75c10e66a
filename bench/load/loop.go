package load

import (
	"errors"
	"io"
	"math"
	"sync"
	"time"
)

// role is what a connection is for.
type role int

const (
	active  role = iota // sends and receives for the whole run
	idle                // is held open
	slow                // sends all it can, reads slowly
	churned             // sends its packets and closes
	roles   = iota
)

// state is how far a connection is in its life.
type state int

const (
	gone    state = iota // closed; its handle may be used again
	dialing              // connect was called
	open                 // established
	ending               // the client's side is ended, the server's not yet
)

const (
	// longestWait is how long a loop sleeps at most before it looks at its deadlines again.
	longestWait = 100 * time.Millisecond
	// shortWait is the same while connections are ending or explained.
	shortWait = 10 * time.Millisecond
	// eofPatience is how long a server has to end its side of a connection after the client ended its own;
	// many a plain echo doesn't.
	eofPatience = 250 * time.Millisecond
	// evidencePatience is how long bytes are collected that may explain a wrong echo.
	evidencePatience = 200 * time.Millisecond
	// stampAgain is how many bytes of a burst take so long to check that the next packets get a stamp of
	// their own instead of the burst's.
	stampAgain = 16 << 10
)

type conn struct {
	flow     flow
	role     role
	state    state
	handle   int
	born     int64   // ns: when connect was called
	deadline int64   // ns: when its present state has lasted too long; 0: it may last
	credit   float64 // slow: bytes that may be read now
	waiting  bool    // open loop: it is in the list of connections with room
}

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

	alive   int              // established and not gone
	watched int              // connections with a deadline
	checkAt int64            // ns: when deadlines are looked at again
	cpu     [2]time.Duration // of the thread, at the window's edges

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
		if l.alive+l.watched == 0 || l.phase == aborted || l.now >= l.run.drainUntil.Load() {
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

// drain stops sending, and ends the connections that have nothing to wait for.
func (l *loop) drain() {
	l.lasting.left = 0
	l.endOpenLoop()
	l.endChurn()
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

// receive reads once, checks what came, and sends what may follow.
func (l *loop) receive(c *conn, limit int) int {
	b, err := l.poller.read(c.handle, limit)
	if err != nil {
		if err != errWouldBlock {
			l.readFailed(c, err)
		}
		return 0
	}
	now := l.run.clock()
	if l.run.phase() != l.phase {
		l.window()
	}
	l.turnTo(c)
	c.flow.receive(now, b, l.meter)
	if c.flow.aside != nil || c.flow.stopped {
		l.exception(c)
	}
	if c.state != open || c.flow.suspect() {
		return len(b)
	}
	if len(b) >= stampAgain {
		now = l.run.clock()
	}
	l.feed(c, now)
	if c.state == open && c.flow.left == 0 {
		l.endIfDone(c)
	}
	return len(b)
}

func (l *loop) turnTo(c *conn) {
	l.meter.population = &l.meter.populations[c.role]
	l.meter.beside = c.role == slow
}

// feed starts what may be started on a connection, and writes it.
func (l *loop) feed(c *conn, now int64) {
	if l.phase == measuring || l.phase == warming || l.phase == connecting && l.run.rampUp {
		switch {
		case c.role == active && l.open.due != nil:
			l.hasRoom(c)
		case c.role == active, c.role == churned:
			if n := c.flow.room(); n > 0 {
				l.start(c, now, now, n)
			}
		case c.role == slow:
			l.flood(c, now)
		}
	}
	if c.flow.hasOutput() {
		l.flush(c)
	}
}

func (l *loop) start(c *conn, now, due int64, n int) {
	c.flow.start(now, due, n)
	l.meter.populations[c.role].Sent += int64(n)
}

// flush writes until all is written or the kernel takes no more.
func (l *loop) flush(c *conn) {
	for c.flow.hasOutput() {
		a, b := c.flow.output()
		n, err := l.poller.write(c.handle, a, b)
		if err != nil {
			l.writeFailed(c)
			return
		}
		c.flow.wrote(n)
		if n < len(a)+len(b) {
			return
		}
	}
}

// writeFailed leaves the explanation to the read side: what the server said before it hung up is there.
func (l *loop) writeFailed(c *conn) {
	for c.state >= open {
		if l.receiveOnly(c) {
			return
		}
	}
}

// receiveOnly takes what a connection still has to say when nothing can be sent on it any more.
func (l *loop) receiveOnly(c *conn) (finished bool) {
	b, err := l.poller.read(c.handle, math.MaxInt)
	if err == errWouldBlock {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		l.readFailed(c, err)
		return true
	}
	l.turnTo(c)
	c.flow.receive(l.run.clock(), b, l.meter)
	return false
}

// exception deals with what is not the plain course of things: wrong echoes, a GOAWAY, a run at its end.
func (l *loop) exception(c *conn) {
	switch {
	case c.flow.suspect() && c.flow.evidenceFull():
		l.convict(c)
	case c.flow.suspect():
		if !c.flow.aside.accused {
			c.flow.aside.accused = true
			l.watch(c, evidencePatience)
		}
	case c.flow.stopped:
		l.endIfDone(c)
	}
}

// watch sets a deadline for what a connection is at; the check tells what to do at it.
func (l *loop) watch(c *conn, patience time.Duration) {
	if c.deadline == 0 {
		l.watched++
	}
	c.deadline = l.run.clock() + int64(patience)
}

func (l *loop) unwatch(c *conn) {
	if c.deadline != 0 {
		l.watched--
	}
	c.deadline = 0
}

// convict ends a connection whose echoes are wrong.
func (l *loop) convict(c *conn) {
	cause, sentence := c.flow.verdict()
	l.meter.failf(cause, 1, "%s", sentence)
	l.lose(c)
}

func (l *loop) readFailed(c *conn, err error) {
	cause, what := Reset, "it was reset"
	if errors.Is(err, io.EOF) {
		cause, what = Closed, "the server closed it"
	}
	switch {
	case c.flow.suspect():
		l.convict(c)
	case c.flow.told:
		// An ERROR packet said why.
		l.lose(c)
	case c.state == ending && c.flow.complete():
		// Ours was the first end; a reset after it harms nothing.
		l.drop(c)
	default:
		l.meter.failf(cause, 1, "connection %d: %s %s", c.flow.name, what, c.flow.place())
		l.lose(c)
	}
}

// endIfDone ends the client's side of a connection on which nothing is owed any more.
func (l *loop) endIfDone(c *conn) {
	if c.state != open || !c.flow.done() {
		return
	}
	l.poller.finish(c.handle)
	c.state = ending
	l.watch(c, eofPatience)
}

// lose drops an established connection that should have gone on.
func (l *loop) lose(c *conn) {
	l.meter.populations[c.role].Lost++
	l.meter.unanswered += int64(c.flow.inFlight)
	l.drop(c)
}

// drop closes a connection and makes its handle free for another.
func (l *loop) drop(c *conn) {
	if c.state == gone {
		return
	}
	l.unwatch(c)
	if c.state >= open {
		l.count(c, -1)
	}
	if c.role == churned {
		l.churn.current--
	}
	l.poller.close(c.handle)
	c.state = gone
	c.flow = flow{}
	l.unused = append(l.unused, c.handle)
}

// count keeps the numbers of established connections.
func (l *loop) count(c *conn, n int) {
	l.alive += n
	l.meter.live.connections.Store(int64(l.alive))
	switch c.role {
	case active:
		l.meter.live.busy.Add(int64(n))
	case slow:
		l.readers.alive += n
	}
}

// check looks for connections whose time is up.
func (l *loop) check() {
	for _, c := range l.conns {
		if c.deadline == 0 || l.now < c.deadline {
			continue
		}
		switch {
		case c.state == dialing:
			l.meter.failf(TimedOut, 1, "connection %d: it was not established within %v", c.flow.name, l.run.config.ConnectTimeout)
			l.undial(c)
		case c.flow.suspect():
			l.convict(c)
		default:
			l.drop(c)
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
