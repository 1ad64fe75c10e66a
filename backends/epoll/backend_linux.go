package epoll

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"echosrv/backends"
	"echosrv/backends/internal/filetable"
	"echosrv/backends/internal/sock"
)

func available() error { return nil }

// Stages of a backend's life; it only moves on.
const (
	serving int32 = iota
	draining
	closing
)

// backend is one running engine: its loops, and what they share.
type backend struct {
	config backends.Config
	loops  []*loop
	addr   net.Addr
	stage  atomic.Int32

	warnings filetable.Warnings // that newcomers can't be accepted

	mu     sync.Mutex
	served bool // Serve was called and frees what there is when it ends; otherwise Close does
}

func open(c backends.Config) (backends.Backend, error) {
	b := &backend{config: c}
	if err := b.addLoops(); err != nil {
		b.free()
		return nil, err
	}
	return b, nil
}

// addLoops makes the loops, and listeners for those that accept: each for itself, or one more for all.
func (b *backend) addLoops() error {
	for range b.config.Threads {
		if err := b.addLoop(); err != nil {
			return err
		}
	}
	acceptors := b.loops
	if b.config.Options.String(optAccept) == handoff {
		workers := b.loops
		if err := b.addLoop(); err != nil {
			return err
		}
		acceptors = b.loops[len(workers):]
		acceptors[0].workers = workers
	}
	listeners, err := sock.ListenShared(b.config.Address, len(acceptors))
	if err != nil {
		return err
	}
	b.addr = listeners[0].Addr
	for i, l := range acceptors {
		l.listener = listeners[i]
	}
	for _, l := range acceptors {
		if err := l.listen(); err != nil {
			return err
		}
	}
	return nil
}

func (b *backend) addLoop() error {
	l, err := newLoop(b, len(b.loops))
	if err == nil {
		b.loops = append(b.loops, l)
	}
	return err
}

func (b *backend) Addr() net.Addr { return b.addr }

func (b *backend) Serve() error {
	b.mu.Lock()
	if b.stage.Load() == closing {
		b.mu.Unlock()
		return nil
	}
	b.served = true
	b.mu.Unlock()
	ended := make(chan error, len(b.loops))
	for _, l := range b.loops {
		go func() { ended <- l.run() }()
	}
	var failures []error
	for range b.loops {
		if err := <-ended; err != nil {
			failures = append(failures, err)
			b.Close() // the others can't serve what this one did
		}
	}
	b.free()
	return errors.Join(failures...)
}

func (b *backend) Drain() { b.advance(draining) }

func (b *backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(closing)
	if !b.served {
		b.free()
	}
	return nil
}

// Activity is how many turns all loops made, and how many reads and writes they tried.
func (b *backend) Activity() (turns, reads, writes uint64) {
	for _, l := range b.loops {
		t, r, w := l.tally.Read()
		turns, reads, writes = turns+t, reads+r, writes+w
	}
	return turns, reads, writes
}

func (b *backend) advance(to int32) {
	for {
		now := b.stage.Load()
		if now >= to {
			return
		}
		if b.stage.CompareAndSwap(now, to) {
			break
		}
	}
	for _, l := range b.loops {
		l.waker.Wake()
	}
}

func (b *backend) free() {
	for _, l := range b.loops {
		l.free()
	}
}

// lockThread binds the calling goroutine to its thread, and the thread to the loop's CPU if one was chosen.
// The goroutine is to end without unlocking: nobody inherits its thread.
func (l *loop) lockThread() (release func(), err error) {
	runtime.LockOSThread()
	cpus := l.backend.config.CPUs
	if len(cpus) == 0 {
		return func() {}, nil
	}
	return sock.Pin(cpus[l.index%len(cpus)])
}
