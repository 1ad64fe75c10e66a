// Package nbio serves sessions with github.com/lesismal/nbio v1.6.12: edge-triggered event loops that call
// back when a connection has something to read, a goroutine that accepts, and writes from anywhere.
//
// The library's usual callback hands out bytes that it has read. This engine uses the other one, OnRead,
// which leaves the reading to the engine, as reading can be paused only in that way.
//
// What the library does not let an engine do, beyond what Capabilities say:
//
//   - On the peer's FIN the connection is closed as soon as the callback has returned: replies that were
//     still to be written are lost, and so is input that was not read because the session had paused.
//   - What a write leaves over goes to a queue without a limit. The engine gives the library more only when
//     that queue is empty; until then the session keeps its replies, within its limits.
//   - Several slices can't be written in one call, since a short write then loses some.
//   - A listener whose accept fails is asked again at once and for ever. The engine's listener answers a
//     full table of descriptors by waiting, and its end by not returning until the library stops.
//   - A connection of descriptor n goes to loop n modulo the number of loops, whatever their load.
//   - Its logger and the limit of its table of connections belong to the process.
package nbio

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	lib "github.com/lesismal/nbio"

	"echosrv/backends"
	"echosrv/backends/internal/timer"
)

// readBuffer is the size of each loop's read buffer, in bytes: room for a payload of 64 KiB with its
// header, which the library's default hasn't.
const readBuffer = 128 << 10

// Engine is the entry of this engine in the table.
func Engine() backends.Engine {
	return backends.Engine{
		Name:    "nbio",
		Model:   "edge-triggered event loops of a library, callbacks read and write",
		Library: "github.com/lesismal/nbio",
		Capabilities: backends.Capabilities{
			PauseReads:        true,
			FullDuplex:        true,
			LosslessDrain:     true,
			SurvivesFullTable: true,
			Timers:            true,
			OrderlyClose:      true,
			NoDelay:           true,
		},
		Threads:   func() int { return 1 },
		Available: available,
		New:       newBackend,
	}
}

// youth is how long the library is not stopped after its start. Each of its loops clears the flag that
// ends it when it begins: one that begins after the stop would run for ever.
const youth = 100 * time.Millisecond

type backend struct {
	config   backends.Config
	listener *listener
	engine   *lib.Engine
	timers   *timer.Service
	working  sync.WaitGroup // goroutines that the timers started
	started  time.Time      // when the library was
	handed   atomic.Bool    // stored before a conn is handed to its loop, loaded there: see connOf

	mu       sync.Mutex
	conns    map[uint64]*conn
	lastKey  uint64
	serving  bool
	draining bool
	stopping bool
	isOver   bool
	over     chan struct{} // closed when Serve is to end: closing, or drained
	released sync.Once
}

func newBackend(config backends.Config) (backends.Backend, error) {
	if err := available(); err != nil {
		return nil, err
	}
	takeLog(config.Log)
	b := &backend{config: config, conns: map[uint64]*conn{}, over: make(chan struct{})}
	var err error
	if b.listener, err = listen(config); err != nil {
		return nil, err
	}
	b.engine = lib.NewEngine(lib.Config{
		Name:           "echosrv",
		Network:        "tcp",
		Addrs:          []string{config.Address},
		NPoller:        config.Threads,
		ReadBufferSize: readBuffer,
		EpollMod:       lib.EPOLLET,
		Listen:         func(string, string) (net.Listener, error) { return b.listener, nil },
	})
	b.engine.OnOpen(b.opened)
	b.engine.OnRead(b.readable)
	b.engine.OnWrittenSize(b.written)
	b.engine.OnClose(closed)
	if err := b.engine.Start(); err != nil {
		b.listener.Close()
		return nil, fmt.Errorf("failed to start: %w", err)
	}
	b.started = time.Now()
	b.timers = timer.NewService(backends.Now, b.due)
	return b, nil
}

// Addr is where the listener listens.
func (b *backend) Addr() net.Addr { return b.listener.Addr() }

// Serve has the listener accept, and waits until the engine is over.
func (b *backend) Serve() error {
	b.mu.Lock()
	b.serving = true
	b.endIfDrained()
	b.mu.Unlock()
	b.listener.start()
	select {
	case <-b.over:
		b.release()
		return nil
	case err := <-b.listener.failed:
		b.release()
		return fmt.Errorf("failed to accept: %w", err)
	}
}

// release drops every connection and stops the library.
func (b *backend) release() {
	b.released.Do(func() {
		b.listener.leave() // from here on nobody opens a connection
		b.mu.Lock()
		b.stopping = true
		b.mu.Unlock()
		for _, c := range b.all() {
			c.drop()
		}
		time.Sleep(youth - time.Since(b.started))
		b.engine.Stop() // waits for every connection's last callback
		b.timers.Close()
		b.working.Wait()
	})
}

// Drain leaves the port and has every connection's session drained.
func (b *backend) Drain() {
	b.mu.Lock()
	first := !b.draining
	b.draining = true
	b.endIfDrained()
	b.mu.Unlock()
	if !first {
		return
	}
	b.listener.leave()
	for _, c := range b.all() {
		c.drain()
	}
	b.mu.Lock()
	b.endIfDrained()
	b.mu.Unlock()
}

// Close ends Serve, which drops every connection.
func (b *backend) Close() error {
	b.mu.Lock()
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

// all is a list of the connections there are.
func (b *backend) all() []*conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*conn, 0, len(b.conns))
	for _, c := range b.conns {
		all = append(all, c)
	}
	return all
}

// due is called by the timers, which have no time for what may follow.
func (b *backend) due(key uint64) {
	b.mu.Lock()
	c := b.conns[key]
	b.mu.Unlock()
	if c != nil {
		b.working.Go(c.attend)
	}
}

var errPeerClosed = errors.New("the peer closed before all replies were written")
