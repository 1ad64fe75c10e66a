package load

import (
	"context"
	"fmt"
	"time"
)

// A watch is the coordinator's side of a run: it moves the phases, opens and closes the window, samples.
type watch struct {
	run *run
	ctx context.Context

	endedLoops int
	failure    error
	never      bool   // not one connection was established
	ended      string // why the run ended before its time

	cpu      [2]time.Duration // of the process, at the window's edges
	samples  []Sample
	previous levels // at the last sample or snapshot
	reported levels
	phaseAt  int64
}

// levels are sums over the loops at one moment.
type levels struct {
	at                                                              int64
	packets, bytes, backlog, failures, connections, busy, unsettled int64
	cpu                                                             time.Duration
}

// conduct takes the run through its phases, up to draining or aborted.
func (w *watch) conduct() {
	r := w.run
	w.phaseAt = r.clock()
	w.reported = w.read()
	if !w.connect() {
		return
	}
	r.origin.Store(r.clock())
	w.enter(warming)
	if !w.until(r.origin.Load() + int64(r.config.Warmup)) {
		w.stop()
		return
	}
	w.edge(Opens, 0)
	opened := r.clock()
	r.opened.Store(opened)
	w.enter(measuring)
	w.previous = w.read()
	w.until(opened + int64(r.config.Duration))
	w.edge(Closes, 1)
	r.closed.Store(r.clock())
	w.sample(r.closed.Load())
	w.stop()
}

// edge reads the clocks that span the window.
func (w *watch) edge(e Edge, i int) {
	if f := w.run.config.Window; f != nil {
		f(e)
	}
	w.cpu[i] = processCPU()
}

func (w *watch) enter(p phase) {
	w.phaseAt = w.run.clock()
	w.run.current.Store(int32(p))
	w.run.wake()
}

// stop ends the sending: in good order, or at once if the caller wants to leave.
func (w *watch) stop() {
	r := w.run
	if r.closed.Load() == 0 {
		r.closed.Store(r.clock())
	}
	r.drainUntil.Store(r.clock() + int64(r.config.DrainTimeout))
	if w.ctx.Err() != nil || w.failure != nil {
		w.enter(aborted)
		return
	}
	w.enter(draining)
	for w.endedLoops < len(r.loops) {
		select {
		case err := <-r.ended:
			w.noteEnd(err)
		case <-w.ctx.Done():
			w.interrupted()
			w.enter(aborted)
			return
		}
	}
}

// connect waits until it is known of every lasting connection what became of it.
func (w *watch) connect() bool {
	r := w.run
	for {
		l := w.read()
		if l.unsettled == 0 {
			if l.connections > 0 || r.config.Churn > 0 {
				return true
			}
			w.never = true
			w.stop()
			return false
		}
		if !w.pause(r.clock() + int64(time.Millisecond)) {
			w.stop()
			return false
		}
	}
}

// until lets the run go on until a time, and reports whether it got there.
func (w *watch) until(deadline int64) bool {
	r := w.run
	for {
		if w.ctx.Err() != nil {
			w.interrupted()
			return false
		}
		now := r.clock()
		if now >= deadline {
			return true
		}
		if !w.pause(min(deadline, now+int64(tick))) {
			return false
		}
		l := w.read()
		if c := &r.config; c.Churn == 0 && l.connections == 0 || c.Churn == 0 && c.Connections > 0 && l.busy == 0 {
			w.ended = fmt.Sprintf("no connection was left after %v", time.Duration(l.at-r.started).Round(time.Millisecond))
			return false
		}
		// A short rest would make a sample that says little: it belongs to the one before.
		if r.phase() == measuring && l.at-w.previous.at >= int64(interval) && deadline-l.at >= int64(interval/2) {
			w.sample(l.at)
		}
	}
}

// pause sleeps until a time, and reports false if the run can't go on.
func (w *watch) pause(until int64) bool {
	timer := time.NewTimer(time.Duration(until - w.run.clock()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case err := <-w.run.ended:
		w.noteEnd(err)
		return false
	case <-w.ctx.Done():
		w.interrupted()
		return false
	}
	w.report()
	return true
}

func (w *watch) interrupted() { w.ended = "it was interrupted" }

// noteEnd takes note of a loop that has ended.
func (w *watch) noteEnd(err error) {
	w.endedLoops++
	if err != nil && w.failure == nil {
		w.failure = err
	}
}

// read adds up what the loops have published.
func (w *watch) read() levels {
	s := levels{at: w.run.clock(), cpu: processCPU()}
	for _, l := range w.run.loops {
		live := &l.meter.live
		s.unsettled += live.unsettled.Load() // before connections: see established
		s.packets += live.packets.Load()
		s.bytes += live.bytes.Load()
		s.backlog += live.backlog.Load()
		s.failures += live.failures.Load()
		s.connections += live.connections.Load()
		s.busy += live.busy.Load()
	}
	return s
}

// sample ends an interval of the window at a time.
func (w *watch) sample(at int64) {
	l := w.read()
	var longest int64
	for _, loop := range w.run.loops {
		longest = max(longest, loop.meter.live.longest.Swap(0))
	}
	p := w.previous
	w.samples = append(w.samples, Sample{
		At: time.Duration(at - w.run.opened.Load()), Length: time.Duration(at - p.at),
		Packets: l.packets - p.packets, Bytes: l.bytes - p.bytes,
		Connections: int(l.connections), Backlog: l.backlog,
		Max: time.Duration(longest), ClientCPU: l.cpu - p.cpu,
	})
	w.previous = l
}

// report tells the caller how far the run is, about once per second.
func (w *watch) report() {
	r := w.run
	if r.config.Progress == nil || r.clock()-w.reported.at < int64(interval) {
		return
	}
	l := w.read()
	p := r.phase()
	remaining := r.config.Warmup + r.config.Duration
	switch p {
	case warming:
		remaining -= time.Duration(l.at - r.origin.Load())
	case measuring:
		remaining = r.config.Duration - time.Duration(l.at-r.opened.Load())
	}
	r.config.Progress(Snapshot{
		Phase: phaseNames[p], Elapsed: time.Duration(l.at - w.phaseAt), Remaining: max(remaining, 0),
		Connections: int(l.connections), Packets: l.packets, Failures: int(l.failures),
		Rate: float64(l.packets-w.reported.packets) / time.Duration(l.at-w.reported.at).Seconds(),
	})
	w.reported = l
}
