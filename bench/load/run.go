package load

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"echosrv/protocol"
)

// phase is how far a run is. Loops follow it.
type phase int32

const (
	connecting phase = iota
	warming
	measuring
	draining // nothing is sent any more, what is owed may still come
	aborted  // everything is closed at once
)

var phaseNames = [...]string{"connecting", "warm-up", "measuring", "draining", "ending"}

const (
	// tick is how often the coordinator looks after its loops.
	tick = 50 * time.Millisecond
	// interval is the time between samples, and between reports of progress.
	interval = time.Second
)

// A run is what its loops share: the settings, the script, and the phase with its times.
type run struct {
	config  Config
	script  *script
	chunk   int // packets that make a write of a good size
	rampUp  bool
	base    time.Time
	started int64 // ns, as all times of a run: since base

	current        atomic.Int32
	origin         atomic.Int64 // when schedules begin
	opened, closed atomic.Int64 // the window; 0: not yet
	drainUntil     atomic.Int64

	loops []*loop
	ended chan error
}

// Run loads the server as c says and returns what it measured. Its error is for what kept it from
// measuring at all: a Config that can't be, a limit of this machine, a server that took no connection.
// Everything that happens later is in the Result. When ctx ends Run returns soon, with what was measured
// until then and Result.Partial set.
//
// Each loop has a thread of its own, pinned if c.CPUs says so; the other threads of the process are not.
// While it runs GOMAXPROCS is at least one more than the loops, so that a loop that waits keeps its place.
func Run(ctx context.Context, c Config) (*Result, error) {
	return runOn(ctx, c, newPoller)
}

func runOn(ctx context.Context, c Config, newPoller func(*net.TCPAddr) (poller, error)) (*Result, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r := &run{config: c.withDefaults()}
	address, err := net.ResolveTCPAddr("tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("failed to find %q: %w", c.Address, err)
	}
	if err := r.config.RaiseFileLimit(); err != nil {
		return nil, err
	}
	r.prepare()
	if procs := runtime.GOMAXPROCS(0); procs <= r.config.Threads {
		runtime.GOMAXPROCS(r.config.Threads + 1)
		defer runtime.GOMAXPROCS(procs)
	}
	if err := r.start(address, newPoller); err != nil {
		return nil, err
	}
	w := &watch{run: r, ctx: ctx}
	w.conduct()
	return r.finish(w)
}

// RaiseFileLimit sees to it that the process may have as many connections open at once as c needs. Run does so
// itself; to call it before anything is started finds out early, and lets a server that is started by the same
// process inherit the same limit in every run.
func (c Config) RaiseFileLimit() error {
	c = c.withDefaults()
	connections := c.lastingTotal()
	if c.Churn > 0 {
		connections += mostChurned
	}
	return raiseFileLimit(connections, 2*c.Threads+spareDescriptors) // each loop has an epoll instance and an eventfd
}

func (r *run) prepare() {
	c := &r.config
	r.script = newScript(c.Sizes, c.Depth, c.Seed, c.Raw)
	r.chunk = min(max(int(scriptBytes/(c.Sizes.Mean()+protocol.HeaderSize)), 1), r.script.packets())
	r.rampUp = c.Ramp > 0
	// A time of 0 stands for "not yet", so none is 0.
	r.base = time.Now().Add(-time.Second)
	r.started = r.clock()
}

// clock is the time in ns.
func (r *run) clock() int64 { return int64(time.Since(r.base)) }

func (r *run) phase() phase { return phase(r.current.Load()) }

func (r *run) start(address *net.TCPAddr, newPoller func(*net.TCPAddr) (poller, error)) error {
	n := r.config.Threads
	r.ended = make(chan error, n)
	for i := range n {
		p, err := newPoller(address)
		if err != nil {
			for _, l := range r.loops {
				l.poller.shut()
			}
			return err
		}
		l := &loop{run: r, index: i, poller: p, meter: newMeter(r.config.Rate > 0)}
		l.lasting = lasting{next: i, left: (r.config.lastingTotal() + n - 1 - i) / n}
		l.meter.live.unsettled.Store(int64(l.lasting.left))
		r.loops = append(r.loops, l)
	}
	for _, l := range r.loops {
		go r.thread(l)
	}
	return nil
}

// thread gives a loop its thread. It is never unlocked: with the goroutine the thread ends too, and its
// pinning with it.
func (r *run) thread(l *loop) {
	runtime.LockOSThread()
	cpu := -1
	if n := len(r.config.CPUs); n > 0 {
		cpu = r.config.CPUs[l.index%n]
	}
	if err := settleThread(cpu); err != nil {
		l.shut()
		r.ended <- err
		return
	}
	r.ended <- l.work()
}

// wake lets every loop notice a new phase.
func (r *run) wake() {
	for _, l := range r.loops {
		l.wake()
	}
}

// finish waits for the loops and gathers what they measured.
func (r *run) finish(w *watch) (*Result, error) {
	for w.endedLoops < len(r.loops) {
		w.noteEnd(<-r.ended)
	}
	if w.failure != nil {
		return nil, w.failure
	}
	result := r.gather(w)
	if w.never {
		return nil, unconnected(r.config.Address, result)
	}
	return result, nil
}

// unconnected is the error of a run that has no connection at all.
func unconnected(address string, result *Result) error {
	if len(result.Failures) == 0 {
		return fmt.Errorf("no connection to %s was established", address)
	}
	f := result.Failures[0]
	hint := map[Cause]string{
		Refused:     "; is the server listening there?",
		TimedOut:    "; the server doesn't accept, or something on the way drops what is sent to it",
		Unreachable: "",
	}[f.Cause]
	return fmt.Errorf("no connection to %s was established: %s (%d of %d)%s", address, f.Examples[0], f.Count, result.Failed(), hint)
}
