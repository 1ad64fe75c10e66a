package load

import (
	"math"
	"time"
)

// openLoop is a loop's share of a fixed rate: packets are sent when they are due, whatever comes back.
type openLoop struct {
	due     *schedule // runs with the clock while packets become due
	sent    *schedule // follows with what was sent; nil: nothing is to be sent
	backlog int64     // due and not sent
	room    fifo[*conn]
}

func (l *loop) beginOpenLoop() {
	if l.run.config.Rate > 0 {
		l.open.due, l.open.sent = l.share(), l.share()
	}
}

// share is the loop's part of the schedule of all packets.
func (l *loop) share() *schedule {
	c := &l.run.config
	return newSchedule(l.run.origin.Load(), c.Rate, c.Arrivals, l.index, c.Threads, c.Seed)
}

// dispatch takes note of packets that have become due, sends them, and says when the next one is due.
func (l *loop) dispatch() (wake int64) {
	o := &l.open
	for o.due.next() <= l.now {
		if due := o.due.next(); l.meter.inWindow(due) {
			record(l.meter.lateness, l.now-due, 1)
		}
		o.due.take()
		o.backlog++
	}
	l.sendDue()
	l.meter.live.backlog.Store(o.backlog)
	return o.due.next()
}

// hasRoom puts a connection in the list of those that may get a packet.
func (l *loop) hasRoom(c *conn) {
	if l.open.sent != nil && !c.waiting && c.flow.room() > 0 {
		c.waiting = true
		l.open.room.push(c)
		if l.open.backlog > 0 {
			l.sendDue()
		}
	}
}

// sendDue gives due packets to the connections with room, the longest waiting first.
func (l *loop) sendDue() {
	o := &l.open
	for o.backlog > 0 && o.room.len() > 0 {
		c := o.room.pop()
		c.waiting = false
		if c.state != open || c.role != active || c.flow.room() == 0 {
			continue
		}
		due := o.sent.next()
		o.sent.take()
		o.backlog--
		l.start(c, l.run.clock(), due, 1)
		if c.flow.room() > 0 {
			c.waiting = true
			o.room.push(c)
		}
		l.flush(c)
	}
}

// lateShare is how much of what was due may be sent after the window has closed: then every packet of a
// server that kept up is in the figures, also those that a pause at the very end delayed. A longer backlog
// is given up, and the run is not sustained.
const lateShare = 0.05

// endOpenLoop counts what was due in the window, and what of it was not sent.
func (l *loop) endOpenLoop() {
	o := &l.open
	if o.due == nil {
		return
	}
	for ; o.due.next() < l.meter.closed; o.due.take() {
		o.backlog++
	}
	o.due = nil
	again := l.share()
	for ; again.next() < l.meter.closed; again.take() {
		if l.meter.inWindow(again.next()) {
			l.meter.due++
		}
	}
	l.meter.backlog = o.backlog
	if float64(o.backlog) > lateShare*float64(l.meter.due) {
		l.meter.unsent, o.backlog = o.backlog, 0
	}
	l.sendDue()
}

// churn is a loop's share of the connections that come and go.
type churn struct {
	due     *schedule // nil: none
	current int       // open or opening
	number  int       // of the next one
}

const (
	// mostChurned is how many churned connections may be open at once, over all loops.
	mostChurned = 4096
	// churnRetry is when a loop that has its share of them looks again.
	churnRetry = time.Millisecond
)

func (l *loop) beginChurn() {
	c := &l.run.config
	if c.Churn > 0 {
		l.churn.due = newSchedule(l.run.origin.Load(), c.Churn, c.Arrivals, l.index, c.Threads, c.Seed+1)
		l.churn.number = c.lastingTotal() + l.index + 1
	}
}

// dialChurned opens the connections that have become due, and says when the next one is.
func (l *loop) dialChurned() (wake int64) {
	c := &l.run.config
	for range dialsPerTurn {
		if l.churn.due.next() > l.now {
			return l.churn.due.next()
		}
		if l.churn.current >= max(mostChurned/c.Threads, 1) {
			return l.now + int64(churnRetry)
		}
		l.churn.due.take()
		l.churn.current++
		l.meter.populations[churned].Asked++
		f := newFlow(l.run.script, l.churn.number, c.Depth, c.Seed)
		f.left = int64(c.ChurnPackets)
		l.churn.number += c.Threads
		l.dial(churned, f)
	}
	return l.now
}

// endChurn counts the connections that were due and never opened.
func (l *loop) endChurn() {
	if l.churn.due == nil {
		return
	}
	for ; l.churn.due.next() < l.meter.closed; l.churn.due.take() {
		l.meter.populations[churned].Asked++
	}
	l.churn.due = nil
}

// slowReaders is when a loop's slow connections read.
type slowReaders struct {
	alive  int
	readAt int64 // ns
}

const (
	// slowTurn is the time between two reads of a slow reader.
	slowTurn = 100 * time.Millisecond
	// mostSlowOwed is how much a slow reader has sent at most without reading it, in bytes: more than any
	// server should hold for one client.
	mostSlowOwed = 64 << 20
)

// readSlow lets every slow reader read what its rate allows, and says when to come again.
func (l *loop) readSlow() (wake int64) {
	r := &l.readers
	if l.now < r.readAt || l.phase >= draining {
		return max(r.readAt, l.now+int64(shortWait))
	}
	rate := l.run.config.SlowRate
	for _, c := range l.conns {
		if c.role != slow || c.state != open {
			continue
		}
		// What a silent server kept from being read is not made up for later.
		c.credit = min(c.credit+rate*slowTurn.Seconds(), max(rate, 1))
		if c.credit >= 1 {
			c.credit -= float64(l.receive(c, int(min(c.credit, math.MaxInt32))))
		}
	}
	r.readAt = l.now + int64(slowTurn)
	return r.readAt
}

// flood sends on a slow connection as long as the kernel takes it.
func (l *loop) flood(c *conn, now int64) {
	for c.state == open && !c.flow.hasOutput() && c.flow.owed < mostSlowOwed {
		l.start(c, now, now, min(l.run.chunk, c.flow.room()))
		l.flush(c)
	}
}
