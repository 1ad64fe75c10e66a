// Package goroutine is the engine that most Go programs have: one goroutine per connection over package
// net, whose runtime poller does the waiting. It is the baseline of every comparison, so it is written as
// well as the model allows.
//
// A connection's goroutine owns its session and is the only one that reads. It writes too, as much as the
// socket takes at once; while the socket is full, a second goroutine writes what is queued, so that
// reading goes on for as long as the session wants it. All that can happen to a connection from outside
// (a drain, a stop, the end of that write) is a bit in conn.woken and a deadline in the past, which makes
// the owner look.
package goroutine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"

	"echosrv/backends"
	"echosrv/backends/internal/filetable"
)

const (
	// sharedBuffer is the size of the read buffers that connections borrow, in bytes. It has room for a
	// payload of 64 KiB with its header, so that one of these needs no copy.
	sharedBuffer = 128 << 10
	// maxReadBuffer is the largest read buffer a connection can be given, in bytes.
	maxReadBuffer = 4 << 20
)

// Engine is the entry for the table of engines.
func Engine() backends.Engine {
	return backends.Engine{
		Name:  "goroutine",
		Model: "a goroutine per connection on the runtime's poller",
		Capabilities: backends.Capabilities{
			PauseReads: true, FullDuplex: true, HalfClose: true, LosslessDrain: true, SurvivesFullTable: true,
			Timers: true, OrderlyClose: true, NoDelay: true,
		},
		Options: []backends.Option{{
			Key: "read-buffer", Default: "0",
			Help: "bytes that each connection holds to read into, such as 4KiB; 0: none, " +
				"a shared buffer of " + backends.FormatBytes(sharedBuffer) + " is borrowed while there is something to read",
			Check: backends.Bytes(0, maxReadBuffer),
		}},
		Threads:   func() int { return runtime.GOMAXPROCS(0) },
		Available: func() error { return nil },
		New:       listen,
	}
}

// backend accepts connections and knows those that are open.
type backend struct {
	cfg        backends.Config
	listener   *net.TCPListener
	readBuffer int           // bytes held by each connection; 0: borrowed from blocks
	stopping   chan struct{} // closed by the first Drain or Close

	mu       sync.Mutex
	draining bool
	closed   bool
	conns    map[*conn]struct{}
	running  sync.WaitGroup // a count for each of conns
}

func listen(cfg backends.Config) (backends.Backend, error) {
	// Keep-alives would cost four system calls per connection that no other engine makes; sessions have
	// heartbeats. Multipath TCP would make this listener unlike the others.
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", cfg.Address)
	if err != nil {
		return nil, err
	}
	return &backend{
		cfg: cfg, listener: l.(*net.TCPListener), readBuffer: cfg.Options.Bytes("read-buffer"),
		stopping: make(chan struct{}), conns: map[*conn]struct{}{},
	}, nil
}

func (b *backend) Addr() net.Addr { return b.listener.Addr() }

// Serve accepts until the listener is closed, then waits for the connections to end.
func (b *backend) Serve() error {
	err := b.accept()
	if err != nil {
		b.Close()
	}
	b.running.Wait()
	return err
}

func (b *backend) accept() error {
	var pause filetable.Pause
	var warnings filetable.Warnings
	for {
		sock, err := b.listener.AcceptTCP()
		if err == nil {
			pause.Reset()
			b.start(sock)
			continue
		}
		if b.isStopping() {
			return nil
		}
		if !passing(err) {
			return fmt.Errorf("accept: %w", err)
		}
		if warnings.Due(backends.Now()) {
			b.cfg.Log.Warn("can't accept connections for now; those that are open go on", "error", err)
		}
		select {
		case <-b.stopping:
		case <-time.After(pause.Next()):
		}
	}
}

// passing says whether accept may work again later: the errors that accept(2) names for a lack of
// descriptors or memory.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (b *backend) start(sock *net.TCPConn) {
	c := newConn(b, sock)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		sock.Close()
		return
	}
	if b.draining {
		c.wake(wakeDrain)
	}
	b.conns[c] = struct{}{}
	b.running.Add(1)
	go c.serve()
}

// ended is called by the goroutine of a connection as the last thing.
func (b *backend) ended(c *conn) {
	b.mu.Lock()
	delete(b.conns, c)
	b.mu.Unlock()
	b.running.Done()
}

func (b *backend) isStopping() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.draining || b.closed
}

// Drain stops accepting and has every session drained by its own goroutine.
func (b *backend) Drain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining || b.closed {
		return
	}
	b.draining = true
	b.stop(wakeDrain)
}

// Close stops accepting and ends every connection.
func (b *backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	b.stop(wakeStop)
	return nil
}

// stop closes the listener and tells every connection why. The caller holds b.mu.
func (b *backend) stop(why uint32) {
	select {
	case <-b.stopping:
	default:
		close(b.stopping)
		b.listener.Close()
	}
	for c := range b.conns {
		c.wake(why)
	}
}
