// Package netpoll serves sessions with github.com/cloudwego/netpoll v0.7.2: pollers that read whatever
// arrives into linked buffers, and a pool of goroutines that run a handler for each connection with input.
// A write that the socket doesn't take at once blocks the handler until it is through.
//
// What the library does not let an engine do, beyond what Capabilities say:
//
//   - Reading can't be paused: the poller reads on into memory while a handler blocks. Once too
//     much has piled up behind a blocked write (1 MiB, less where many are blocked), it is given to the
//     session from outside, which decides by its outbox what becomes of it. If it piles up again and the
//     session has paused, the connection is closed.
//   - On the peer's FIN the connection counts as closed, and every later write fails: replies that were
//     still to be written are lost.
//   - A draining server can't leave its port while it has connections, as the library's Shutdown closes
//     those that are idle: newcomers are accepted and closed.
//   - The pollers belong to the process, not to a server. Two servers at a time must agree on their number,
//     and one poller, with its goroutine and two descriptors, stays for good.
//   - After a full table of descriptors the library retries on a goroutine that does not end with the
//     server, and does so well only once. So it isn't told: the engine's listener answers a full table by
//     closing a newcomer in place of a reserved descriptor.
package netpoll

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"

	lib "github.com/cloudwego/netpoll"

	"echosrv/backends"
	"echosrv/backends/internal/timer"
)

// Engine is the entry of this engine in the table.
func Engine() backends.Engine {
	return backends.Engine{
		Name:    "netpoll",
		Model:   "pollers of a library read, a pool of goroutines handles and writes",
		Library: "github.com/cloudwego/netpoll",
		Capabilities: backends.Capabilities{
			FullDuplex:        true,
			LosslessDrain:     true,
			SurvivesFullTable: survivesFullTable,
			Timers:            true,
			OrderlyClose:      true,
			NoDelay:           true,
		},
		Threads:   func() int { return runtime.GOMAXPROCS(0) },
		Available: func() error { return nil },
		New:       newBackend,
	}
}

// errLoopEnded is what Serve returns if the library stops accepting without having been asked to.
var errLoopEnded = errors.New("netpoll ended its event loop")

type backend struct {
	config   backends.Config
	listener *listener
	loop     lib.EventLoop
	timers   *timer.Service
	watch    watch

	mu       sync.Mutex
	conns    map[uint64]*conn // by key
	list     []*conn          // the same, to go over them quickly
	lastKey  uint64
	serving  bool
	draining bool
	closing  bool
	isOver   bool
	over     chan struct{} // closed when Serve is to end: closing, or drained
	gone     sync.Cond     // signalled when the last of conns has gone
	released sync.Once
}

func newBackend(config backends.Config) (backends.Backend, error) {
	if err := takePollers(config.Threads, config.Log); err != nil {
		return nil, err
	}
	b := &backend{config: config, conns: map[uint64]*conn{}, over: make(chan struct{})}
	b.gone.L = &b.mu
	var err error
	if b.listener, err = listen(config); err != nil {
		givePollers()
		return nil, err
	}
	if b.loop, err = lib.NewEventLoop(onRequest, lib.WithOnPrepare(b.opened)); err != nil {
		b.listener.Close()
		givePollers()
		return nil, fmt.Errorf("failed to make an event loop: %w", err)
	}
	b.timers = timer.NewService(backends.Now, b.due)
	return b, nil
}

// Addr is where the listener listens.
func (b *backend) Addr() net.Addr { return b.listener.Addr() }

// Serve runs the library's event loop until the engine is over.
func (b *backend) Serve() error {
	defer b.release()
	b.mu.Lock()
	b.serving = true
	b.endIfDrained()
	over := b.isOver
	b.mu.Unlock()
	if over {
		return nil
	}
	ended := make(chan error, 1)
	go func() { ended <- b.loop.Serve(b.listener) }()
	select {
	case err := <-ended:
		b.dropAll()
		return errors.Join(errLoopEnded, err)
	case <-b.over:
	}
	b.dropAll()
	<-b.listener.started // or Shutdown would find nothing to shut down, and the loop would run for ever
	// Every connection has gone by now. The library may still list some that were reset while they were being
	// accepted, and would wait for them for ever: it is told not to wait.
	err := b.loop.Shutdown(noWait)
	<-ended
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// noWait is a context that is over.
var noWait = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// release gives back what isn't any connection's.
func (b *backend) release() {
	b.released.Do(func() {
		b.listener.Close()
		b.timers.Close()
		givePollers()
	})
}

// dropAll closes every connection and waits until they have gone.
func (b *backend) dropAll() {
	b.listener.refuse()
	b.mu.Lock()
	b.closing = true
	b.mu.Unlock()
	for _, c := range b.appendAll(nil) {
		c.drop(backends.ErrStopped)
	}
	b.mu.Lock()
	for len(b.conns) > 0 {
		b.gone.Wait()
	}
	b.mu.Unlock()
}

// Drain has every connection's session drained, and newcomers closed.
func (b *backend) Drain() {
	b.listener.refuse()
	b.mu.Lock()
	b.draining = true
	b.endIfDrained()
	b.mu.Unlock()
	for _, c := range b.appendAll(nil) {
		c.drain()
	}
}

// Close ends Serve, which drops every connection.
func (b *backend) Close() error {
	b.listener.refuse()
	b.mu.Lock()
	b.closing = true
	b.end()
	serving := b.serving
	b.mu.Unlock()
	if !serving {
		b.release()
	}
	return nil
}

// endIfDrained ends Serve once a drain is over. The caller holds b.mu.
func (b *backend) endIfDrained() {
	if b.draining && len(b.conns) == 0 {
		b.end()
	}
}

// end ends Serve. The caller holds b.mu.
func (b *backend) end() {
	if !b.isOver {
		b.isOver = true
		close(b.over)
	}
}

// appendAll appends the connections there are to list.
func (b *backend) appendAll(list []*conn) []*conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append(list, b.list...)
}

// opened is called by a poller for a newcomer that isn't registered with it yet. What it returns comes
// back to onRequest.
func (b *backend) opened(sock lib.Connection) context.Context {
	c := &conn{Context: context.Background(), backend: b, sock: sock}
	now := backends.Now()
	c.mu.Lock()
	defer c.unlock()
	if c.session = b.config.Open(now, c); c.session == nil {
		c.doom(nil)
		return c
	}
	_ = sock.AddCloseCallback(c.closed)
	b.mu.Lock()
	b.lastKey++
	c.key, c.index = b.lastKey, len(b.list)
	b.conns[c.key] = c
	b.list = append(b.list, c)
	draining, closing := b.draining, b.closing
	b.mu.Unlock()
	switch {
	case closing:
		c.doom(backends.ErrStopped)
	case draining:
		c.drained(now)
	default:
		c.push(now)
	}
	return c
}

// removed is called when a connection has gone.
func (b *backend) removed(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c.key)
	b.timers.Forget(c.key)
	last := len(b.list) - 1
	b.list[c.index] = b.list[last]
	b.list[c.index].index = c.index
	b.list[last] = nil
	b.list = b.list[:last]
	if len(b.conns) == 0 {
		b.gone.Broadcast()
	}
	b.endIfDrained()
}

// due is called by the timers.
func (b *backend) due(key uint64) {
	if key == watchKey {
		b.lookForBlocked()
		return
	}
	b.mu.Lock()
	c := b.conns[key]
	b.mu.Unlock()
	if c != nil {
		c.expire()
	}
}
