package epoll

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"echosrv/backends"
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

// addLoops makes the loops with their listeners: one each, or with handoff one for a loop of its own.
func (b *backend) addLoops() error {
	shared := b.config.Threads > 1 && b.config.Options.String(optAccept) == reuseport
	address, sharing := b.config.Address, sock.Exclusive
	if shared {
		sharing = sock.Shared
	}
	for range b.config.Threads {
		l, err := newLoop(b, len(b.loops))
		if err != nil {
			return err
		}
		b.loops = append(b.loops, l)
		if !shared && len(b.loops) > 1 || b.config.Options.String(optAccept) == handoff {
			continue
		}
		if err := l.listen(address, sharing); err != nil {
			return err
		}
		b.addr = l.listener.Addr
		address = b.addr.String() // if the kernel chose the port, the others need the same
	}
	if b.config.Options.String(optAccept) != handoff {
		return nil
	}
	acceptor, err := newLoop(b, len(b.loops))
	if err != nil {
		return err
	}
	acceptor.workers = b.loops
	b.loops = append(b.loops, acceptor)
	if err := acceptor.listen(address, sharing); err != nil {
		return err
	}
	b.addr = acceptor.listener.Addr
	return nil
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

// lockThread binds the calling goroutine to its thread, and the thread to the loop's CPU if one was
// chosen. The goroutine ends without unlocking, which ends the thread: nobody inherits its CPU.
func (l *loop) lockThread() error {
	if len(l.backend.config.CPUs) == 0 {
		return nil
	}
	runtime.LockOSThread()
	return sock.PinThread(l.backend.config.CPUs[l.index%len(l.backend.config.CPUs)])
}
