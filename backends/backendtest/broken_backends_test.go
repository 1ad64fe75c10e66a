//go:build unix

package backendtest

import (
	"errors"
	"sync"
	"sync/atomic"

	"echosrv/backends"
)

// untouchable can't be closed.
type untouchable struct{ backends.Backend }

func newUntouchable(b backends.Backend) backends.Backend {
	atEnd(func() { b.Close() })
	return untouchable{b}
}

func (untouchable) Close() error { return nil }

// complaining takes its end for a failure.
type complaining struct{ backends.Backend }

func (b complaining) Serve() error { return errors.Join(b.Backend.Serve(), errors.New("closed")) }

// early returns from Serve when Close is called, and closes its connections later.
type early struct {
	backends.Backend
	once   sync.Once
	closed chan struct{}
}

func newEarly(b backends.Backend) backends.Backend {
	atEnd(func() { b.Close() })
	return &early{Backend: b, closed: make(chan struct{})}
}

func (b *early) Serve() error {
	go b.Backend.Serve()
	<-b.closed
	return nil
}

func (b *early) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// undrained forgets a Drain that comes before Serve.
type undrained struct {
	backends.Backend
	serving atomic.Bool
}

func (b *undrained) Serve() error {
	b.serving.Store(true)
	return b.Backend.Serve()
}

func (b *undrained) Drain() {
	if b.serving.Load() {
		b.Backend.Drain()
	}
}

// brusque drains by closing.
type brusque struct{ backends.Backend }

func (b brusque) Drain() { b.Close() }
