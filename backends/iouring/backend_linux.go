package iouring

import (
	"errors"
	"net"
	"sync"

	"echosrv/backends"
	"echosrv/backends/internal/filetable"
	"echosrv/backends/internal/sock"
)

// backend is a running engine: its loops, and the little that goroutines other than theirs may do.
type backend struct {
	config   backends.Config
	addr     net.Addr
	loops    []*loop
	warnings filetable.Warnings // that newcomers can't be accepted

	mu             sync.Mutex
	served, closed bool
}

// newBackend binds the listening sockets, one for each loop, and makes the rings, so that what can't be had
// is known before anybody is served.
func newBackend(config backends.Config) (backends.Backend, error) {
	if err := available(); err != nil {
		return nil, err
	}
	b := &backend{config: config}
	listeners, err := sock.ListenShared(config.Address, max(config.Threads, 1))
	if err != nil {
		return nil, err
	}
	b.addr = listeners[0].Addr
	for i, listener := range listeners {
		l, failed := newLoop(b, listener, i)
		b.loops = append(b.loops, l)
		err = errors.Join(err, failed)
	}
	if err != nil {
		b.free()
		return nil, err
	}
	return b, nil
}

func (b *backend) free() {
	for _, l := range b.loops {
		l.free()
	}
}

// Addr implements backends.Backend.
func (b *backend) Addr() net.Addr { return b.addr }

// Serve implements backends.Backend.
func (b *backend) Serve() error {
	b.mu.Lock()
	if b.closed || b.served {
		b.mu.Unlock()
		return nil
	}
	b.served = true
	b.mu.Unlock()
	failures := make([]error, len(b.loops))
	var running sync.WaitGroup
	for i, l := range b.loops {
		running.Go(func() {
			if failures[i] = l.run(); failures[i] != nil {
				b.ask(func(l *loop) { l.asked.stop.Store(true) })
			}
		})
	}
	running.Wait()
	return errors.Join(failures...)
}

// Drain implements backends.Backend.
func (b *backend) Drain() { b.ask(func(l *loop) { l.asked.drain.Store(true) }) }

// Activity is how many turns all loops made, how many receives brought something, and how many sends were made.
func (b *backend) Activity() (turns, reads, writes uint64) {
	for _, l := range b.loops {
		t, r, w := l.tally.Read()
		turns, reads, writes = turns+t, reads+r, writes+w
	}
	return turns, reads, writes
}

// Close implements backends.Backend.
func (b *backend) Close() error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	served := b.served
	b.mu.Unlock()
	switch {
	case served:
		b.ask(func(l *loop) { l.asked.stop.Store(true) })
	case first:
		b.free()
	}
	return nil
}

// ask tells every loop something and wakes it.
func (b *backend) ask(tell func(*loop)) {
	for _, l := range b.loops {
		tell(l)
		l.waker.Wake()
	}
}
