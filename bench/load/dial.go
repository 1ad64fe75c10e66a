package load

import (
	"errors"
	"math"
	"syscall"
)

const (
	// dialsPerTurn is how many connects a loop starts before it looks at its sockets again.
	dialsPerTurn = 64
	// mostDialing is how many connects of a loop may be under way: well below the usual length of a
	// listen queue, beyond which connects are silently retried after a second.
	mostDialing = 512
)

// lasting is what is left of the connections that a loop opens at the beginning: every threads-th.
type lasting struct {
	next    int // number of the connection, from 0
	left    int
	dialing int
}

// roleOf says what the i-th lasting connection is for.
func (c *Config) roleOf(i int) role {
	switch {
	case i < c.Connections:
		return active
	case i < c.Connections+c.Idle:
		return idle
	default:
		return slow
	}
}

// lastingTotal is how many connections are opened at the beginning.
func (c *Config) lastingTotal() int { return c.Connections + c.Idle + c.Slow }

// dialLasting opens the connections that are due, and says when the next one is.
func (l *loop) dialLasting() (wake int64) {
	c := &l.run.config
	for range dialsPerTurn {
		if l.lasting.left == 0 || l.lasting.dialing >= mostDialing {
			return math.MaxInt64
		}
		due := l.run.started + int64(float64(c.Ramp)*float64(l.lasting.next)/float64(c.lastingTotal()))
		if due > l.now {
			return due
		}
		i := l.lasting.next
		l.lasting.next += c.Threads
		l.lasting.left--
		l.lasting.dialing++
		r := c.roleOf(i)
		depth := c.Depth
		if r == slow {
			depth = math.MaxInt32
		}
		l.dial(r, newFlow(l.run.script, i+1, depth, c.Seed))
	}
	return l.now
}

func (l *loop) dial(r role, f flow) {
	c := l.place()
	*c = conn{flow: f, role: r, state: dialing, handle: c.handle, born: l.run.clock(), waiting: c.waiting}
	l.watch(c, l.run.config.ConnectTimeout)
	if err := l.poller.connect(c.handle); err != nil {
		l.dialFailed(c, err)
	}
}

// place is a connection that may be used: one that is gone, or a new one.
func (l *loop) place() *conn {
	if n := len(l.unused); n > 0 {
		h := l.unused[n-1]
		l.unused = l.unused[:n-1]
		return l.conns[h]
	}
	c := &conn{handle: len(l.conns)}
	l.conns = append(l.conns, c)
	return c
}

// established goes on with a connection whose connect has come to an end.
func (l *loop) established(c *conn) {
	if err := l.poller.connected(c.handle); err != nil {
		l.dialFailed(c, err)
		return
	}
	l.unwatch(c)
	c.state = open
	// Counted before it is settled: who sees that all are settled must see those that were established.
	l.count(c, 1)
	l.settled(c)
	l.meter.populations[c.role].Established++
	now := l.run.clock()
	record(l.meter.connect, now-c.born, 1)
	if c.role == slow {
		l.poller.pause(c.handle, true)
	}
	l.feed(c, now)
}

func (l *loop) dialFailed(c *conn, err error) {
	cause, hint := Unreachable, ""
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "; every local port towards it is taken, or was a minute ago"
	case errors.Is(err, syscall.ECONNREFUSED):
		cause = Refused
	case errors.Is(err, syscall.ETIMEDOUT):
		cause = TimedOut
	case errors.Is(err, syscall.ECONNRESET):
		cause = Reset
	}
	l.meter.failf(cause, 1, "connection %d: connecting to %s failed: %v%s", c.flow.name, l.run.config.Address, err, hint)
	l.undial(c)
}

// undial gives up a connection that was never established.
func (l *loop) undial(c *conn) {
	l.settled(c)
	l.drop(c)
}

// settled notes that it is known what became of a connect.
func (l *loop) settled(c *conn) {
	if c.role != churned {
		l.lasting.dialing--
		l.meter.live.unsettled.Add(-1)
	}
}
