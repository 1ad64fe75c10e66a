package load

import (
	"errors"
	"io"
	"math"
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
	// eofPatience is how long a server has to end its side of a connection after the client ended its own;
	// many a plain echo doesn't.
	eofPatience = 250 * time.Millisecond
	// evidencePatience is how long bytes are collected that may explain a wrong echo.
	evidencePatience = 200 * time.Millisecond
	// mostSuspects is on how many connections of a loop evidence is collected at once. Where a server is
	// wrong on thousands, the others are judged by what there is.
	mostSuspects = 16
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
	if c.role == active && l.meter.openLoop {
		l.hasRoom(c)
	} else if l.phase == measuring || l.phase == warming || l.phase == connecting && l.run.rampUp {
		switch {
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
	case c.flow.suspect() && c.flow.aside.accused:
		if c.flow.evidenceFull() {
			l.convict(c)
		}
	case c.flow.suspect():
		c.flow.aside.accused = true
		l.suspects++
		l.watch(c, evidencePatience)
		if l.suspects > mostSuspects || c.flow.evidenceFull() {
			l.convict(c)
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
	if c.flow.suspect() && c.flow.aside.accused {
		l.suspects--
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
