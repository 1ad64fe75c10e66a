package iouring

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"echosrv/backends"
	"echosrv/backends/internal/sock"
	"echosrv/backends/internal/tally"
	"echosrv/backends/internal/timer"

	"golang.org/x/sys/unix"
)

// loop is one thread with its ring, its listening socket and the connections accepted from it.
type loop struct {
	config *backends.Config
	cpu    int // to be pinned to; -1: none

	ring    *ring
	buffers *buffers
	waker   *sock.Waker
	accepting
	conns  table
	files  uint32 // slots that can have a registered file
	timers timer.Heap

	now        time.Duration // when the kernel last returned
	yielded    time.Duration // when the loop last called Go's scheduler
	quiet      int           // turns since something completed
	batch      []cqe         // the completions of this turn
	waiting    []arrival     // those that must wait for the outcome of a send, and come first in the next turn
	spareWait  []arrival
	sends      []send // prepared since the outcomes were last looked at
	spareSends []send
	starved    []key // connections to be read again once there are buffers
	spareKeys  []key
	vectors    []*sock.Vector
	zero       zeroCopy
	largeReads

	reads, writes uint64 // completed and prepared in this turn
	tally         tally.Tally

	// asked is what other goroutines ask for, before they wake the loop.
	asked    struct{ drain, stop atomic.Bool }
	draining bool
	stopping bool
}

// Sizes of the queues. A turn has some 20 completions, the number that the kernel works out in one go, and
// as many sends; small queues stay in the cache. More requests than fit are submitted in between, and more
// completions wait in the kernel, so these are no limits.
const (
	requestSlots    = 256
	completionSlots = 4096
)

// newLoop makes a loop that owns listener.
func newLoop(b *backend, listener *sock.Listener, index int) (*loop, error) {
	config := &b.config
	l := &loop{config: config, cpu: -1}
	l.listener, l.warnings = listener, &b.warnings
	if n := len(config.CPUs); n > 0 {
		l.cpu = config.CPUs[index%n]
	}
	var err error
	if l.ring, err = newRing(requestSlots, completionSlots); err != nil {
		return l, err
	}
	if l.buffers, err = newBuffers(l.ring, config.Options.Bytes(optBuffers), config.Options.String(optFill)); err != nil {
		return l, err
	}
	l.files = l.ring.registerFiles()
	l.zero.least = config.Options.Bytes(optZero)
	if l.waker, err = sock.NewWaker(); err != nil {
		return l, err
	}
	l.reserve, err = sock.NewReserve()
	return l, err
}

// free gives back what the loop has, apart from connections.
func (l *loop) free() {
	if l.listener != nil {
		l.listener.Close()
		l.listener = nil
	}
	if l.ring != nil {
		l.ring.close()
	}
	if l.buffers != nil {
		l.buffers.close()
	}
	if l.waker != nil {
		l.waker.Close()
	}
	if l.reserve != nil {
		l.reserve.Close()
	}
}

// run serves until the loop is stopped, or drained and without connections. Its thread is its own and ends
// with it, as the ring is bound to it.
func (l *loop) run() error {
	runtime.LockOSThread()
	defer l.free()
	if l.cpu >= 0 {
		unpin, err := sock.Pin(l.cpu)
		if err != nil {
			return fmt.Errorf("can't run on CPU %d: %w", l.cpu, err)
		}
		defer unpin()
	}
	if err := l.ring.enable(); err != nil {
		return err
	}
	l.ring.sqe().pollEach(target{fd: int32(l.waker.FD)}, unix.POLLIN, makeKey(wakeKind, 0, 0))
	l.accept()
	for !l.finished() {
		if err := l.turn(); err != nil {
			l.abandon()
			return err
		}
	}
	l.ring.submit() // what was registered must be let go
	return nil
}

func (l *loop) finished() bool {
	return (l.draining || l.stopping) && l.conns.open == 0 && l.listener == nil && l.zero.open == 0
}

// turn is one round: hand over what was prepared, see what happened, and prepare what follows from it.
//
// The order matters. First the outcomes of sends, so that no session waits for one; now every session may
// be called, for what is due and for what other goroutines asked; then arrivals, those that had to wait
// before those that are new.
func (l *loop) turn() (err error) {
	l.tally.Turn(l.reads, l.writes)
	l.reads, l.writes = 0, 0
	l.batch = l.batch[:0]
	if len(l.sends) > 0 && l.buffers.scarce() {
		// What the sends hold is wanted for the receives, so they don't go in one call.
		l.ring.submit()
		if err = l.complete(); err != nil {
			return err
		}
	}
	l.enter()
	if err = l.complete(); err != nil {
		return err
	}
	now := l.now
	if l.quiet++; len(l.batch) > 0 {
		l.quiet = 0
	}
	l.expire(now)
	l.obey(now)
	if len(l.starved) > 0 {
		l.feed(now)
	}
	if len(l.waiting) > 0 {
		waiting := l.waiting
		l.waiting = l.spareWait[:0]
		for i := range waiting {
			l.received(now, &waiting[i])
		}
		clear(waiting)
		l.spareWait = waiting[:0]
	}
	for batch := l.batch; len(batch) > 0; {
		if key(batch[0].userData).kind() == recvKind {
			var a arrival
			a, batch = l.arrived(batch)
			l.received(now, &a)
			continue
		}
		l.dispatch(now, batch[0])
		batch = batch[1:]
	}
	l.takeLarge()
	return nil
}

// complete takes the completions and settles all sends.
func (l *loop) complete() (err error) {
	seen := len(l.batch)
	l.batch, err = l.ring.completions(l.batch)
	l.now = backends.Now()
	if err == nil {
		l.outcomes(l.now, l.batch[seen:])
	}
	return err
}

// Keeping Go's monitor thread (sysmon in runtime/proc.go) asleep. It looks round every 10 ms as long as it
// finds nothing to do, but for some milliseconds every 20 us after it has taken a processor (a P) from a
// thread in a system call, at about 25 us of CPU for each look: 5 % of all that a busy loop needs. It takes
// the processor from a call that lasts 10 ms, and from any call it comes upon once the goroutine has run
// for 10 ms without the scheduler. So a loop calls the scheduler before that, and its waits are short,
// until it has been quiet for a second and there is nothing to be spared.
const (
	yieldAfter = 5 * time.Millisecond
	nap        = 8 * time.Millisecond
	naps       = 125
)

// enter calls the kernel. It waits there only if nothing is left to be done here: the outcome of a send
// must be looked at soon, as it may end a session or set a deadline.
func (l *loop) enter() {
	if l.now-l.yielded >= yieldAfter {
		runtime.Gosched()
		l.yielded = l.now
	}
	l.buffers.publish()
	if len(l.sends)+len(l.waiting)+len(l.starved)+len(l.ready)+len(l.batch)+len(l.ring.spilled) > 0 || l.taking {
		l.ring.collect()
		return
	}
	timeout := time.Duration(-1)
	if l.quiet < naps {
		timeout = nap
	}
	if next := l.timers.Next(); next != 0 {
		if left := max(next-backends.Now(), 0); timeout < 0 || left < timeout {
			timeout = left
		}
	}
	l.ring.wait(timeout)
}

// dispatch serves a completion that is neither of a receive nor of a send.
func (l *loop) dispatch(now time.Duration, e cqe) {
	switch key(e.userData).kind() {
	case readableKind:
		l.readable(now, e)
	case largeKind:
		l.took(now, e)
	case pollKind:
		l.writable(now, e)
	case zeroKind:
		l.unpin(e)
	case acceptKind:
		l.accepted(now, e)
	case wakeKind:
		l.waker.Clear()
		l.obey(now) // again: what was asked since turn looked might not wake us any more
		if e.flags&cqeMore == 0 {
			l.ring.sqe().pollEach(target{fd: int32(l.waker.FD)}, unix.POLLIN, makeKey(wakeKind, 0, 0))
		}
	}
}

// expire calls the sessions whose time has come.
func (l *loop) expire(now time.Duration) {
	for {
		due, ok := l.timers.Due(now)
		if !ok {
			return
		}
		k := key(due)
		if k.kind() == acceptKind {
			l.accept()
			continue
		}
		c := l.conns.find(k)
		if c == nil || !c.ticket.Pass(now) {
			continue // closed since, or not remembered
		}
		if c.is(closing) {
			l.giveUp(c)
			continue
		}
		if c.is(sending) {
			continue // the outcome comes to settle, which files the deadline again
		}
		if d := c.session.Deadline(); d != 0 && d <= now {
			c.session.Expire(now)
		}
		l.settle(now, c)
	}
}

// obey does what other goroutines asked for: settle then tells or drops each session, at once or when the
// outcome of its send is known.
func (l *loop) obey(now time.Duration) {
	drain, stop := l.asked.drain.Load(), l.asked.stop.Load()
	if drain == l.draining && stop == l.stopping {
		return
	}
	l.draining, l.stopping = drain, stop
	l.stopAccepting()
	l.conns.all(func(c *conn) {
		switch {
		case !c.is(closing):
			l.settle(now, c)
		case l.stopping:
			l.giveUp(c)
		}
	})
}

// abandon closes everything at once after a failure of the ring.
func (l *loop) abandon() {
	l.conns.all(func(c *conn) {
		if c.session != nil {
			c.session.Close(backends.ErrStopped)
		}
		unix.Close(int(c.fd))
	})
	for _, p := range l.zero.pins {
		for _, b := range p.buffers {
			if b != nil {
				b.Release()
			}
		}
	}
}
