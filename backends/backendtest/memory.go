package backendtest

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"echosrv/backends"
)

// Memory is a machine of its own with an engine that has no sockets: clients and servers are joined by
// buffers in memory. What is built on top of engines can be tested with it, ports and descriptors left
// out, and it passes the conformance suite like any other.
type Memory struct {
	mu        sync.Mutex
	listening map[string]*memoryBackend
	ports     int
}

// NewMemory makes a machine on which nothing listens.
func NewMemory() *Memory { return &Memory{listening: map[string]*memoryBackend{}} }

// MemoryAddr is where a memory engine listens.
type MemoryAddr string

func (MemoryAddr) Network() string  { return "memory" }
func (a MemoryAddr) String() string { return string(a) }

// Engine is the entry for a table of engines.
func (m *Memory) Engine() backends.Engine {
	return backends.Engine{
		Name:  "memory",
		Model: "a goroutine per connection on buffers in memory, for tests",
		Capabilities: backends.Capabilities{
			PauseReads: true, FullDuplex: true, HalfClose: true, LosslessDrain: true, SurvivesFullTable: true,
			Timers: true, OrderlyClose: true, NoDelay: true,
		},
		Threads:   func() int { return 1 },
		Available: func() error { return nil },
		New:       m.listen,
	}
}

// Dial connects to the server that listens on a.
func (m *Memory) Dial(a net.Addr) (Conn, error) {
	m.mu.Lock()
	b := m.listening[a.String()]
	m.mu.Unlock()
	if b == nil {
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: a, Err: syscall.ECONNREFUSED}
	}
	return b.connect()
}

func (m *Memory) listen(cfg backends.Config) (backends.Backend, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	address := cfg.Address
	if host, ok := strings.CutSuffix(address, ":0"); ok {
		m.ports++
		address = fmt.Sprintf("%s:%d", host, m.ports)
	}
	if m.listening[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: "memory", Addr: MemoryAddr(address), Err: syscall.EADDRINUSE}
	}
	b := &memoryBackend{memory: m, cfg: cfg, addr: MemoryAddr(address), conns: map[*memoryConn]struct{}{}}
	b.changed.L = &b.mu
	m.listening[address] = b
	return b, nil
}

// memoryBackend is one server. Connections wait in backlog until Serve takes them.
type memoryBackend struct {
	memory *Memory
	cfg    backends.Config
	addr   MemoryAddr

	mu       sync.Mutex
	changed  sync.Cond // of what follows
	backlog  []*link
	conns    map[*memoryConn]struct{}
	peers    int
	draining bool
	closed   bool
}

func (b *memoryBackend) Addr() net.Addr { return b.addr }

func (b *memoryBackend) connect() (Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining || b.closed {
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: b.addr, Err: syscall.ECONNREFUSED}
	}
	b.peers++
	l := newLink(b.addr, MemoryAddr(fmt.Sprintf("client-%d", b.peers)))
	b.backlog = append(b.backlog, l)
	b.changed.Broadcast()
	return &memoryClient{link: l, linger: -1}, nil
}

// Serve serves until Close, or until a drain has ended.
func (b *memoryBackend) Serve() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case len(b.backlog) > 0:
			b.start(b.backlog[0])
			b.backlog = b.backlog[1:]
		case (b.closed || b.draining) && len(b.conns) == 0:
			return nil
		default:
			b.changed.Wait()
		}
	}
}

// start serves a connection. The caller holds b.mu.
func (b *memoryBackend) start(l *link) {
	c := &memoryConn{link: l, backend: b}
	b.conns[c] = struct{}{}
	go func() {
		c.serve()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.conns, c)
		b.changed.Broadcast()
	}()
}

// Drain has every session drained.
func (b *memoryBackend) Drain() { b.stop(func(c *memoryConn) { c.draining.Store(true) }, &b.draining) }

// Close ends every connection.
func (b *memoryBackend) Close() error {
	b.stop(func(c *memoryConn) { c.stopped.Store(true) }, &b.closed)
	return nil
}

func (b *memoryBackend) stop(tell func(*memoryConn), state *bool) {
	b.memory.mu.Lock()
	if b.memory.listening[string(b.addr)] == b {
		delete(b.memory.listening, string(b.addr))
	}
	b.memory.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	*state = true
	for _, l := range b.backlog {
		l.closeServer()
	}
	b.backlog = nil
	for c := range b.conns {
		tell(c)
		c.notify()
	}
	b.changed.Broadcast()
}

// memoryConn is the server's end of a connection.
type memoryConn struct {
	*link
	backend           *memoryBackend
	draining, stopped atomic.Bool
	session           backends.Session
	buf               [16 << 10]byte
	drained, eof      bool
}

// RemoteAddr makes memoryConn a backends.Peer.
func (c *memoryConn) RemoteAddr() string { return c.client.String() }

func (c *memoryConn) serve() {
	defer c.closeServer()
	if c.session = c.backend.cfg.Open(backends.Now(), c); c.session == nil {
		return
	}
	for {
		c.flush(backends.Now(), nil)
		switch {
		case c.stopped.Load():
			c.session.Close(backends.ErrStopped)
			return
		case c.session.Done():
			c.session.Close(nil)
			return
		case c.session.Ending() && c.session.Queued() == 0:
			c.endOutput()
		}
		if err := c.step(); err != nil {
			c.session.Close(fmt.Errorf("%w: %w", backends.ErrReset, err))
			return
		}
	}
}

// step waits until there is something to do, and does it.
func (c *memoryConn) step() error {
	deadline := c.session.Deadline()
	n, end, err := c.wait(c.buf[:], c.session.Reading() && !c.eof, c.session.Queued() > 0, deadline, func() bool {
		return c.stopped.Load() || c.draining.Load() && !c.drained
	})
	now := backends.Now()
	switch {
	case err != nil:
		return err
	case n > 0:
		c.flush(now, c.session.Receive(now, c.buf[:n]))
	case end:
		c.eof = true
		c.session.EOF(now)
	}
	if c.draining.Load() && !c.drained {
		c.drained = true
		c.session.Drain(now)
	}
	if deadline != 0 && now >= deadline {
		c.session.Expire(now)
	}
	return nil
}

// flush writes what is pending and then the reply, until the link is full.
func (c *memoryConn) flush(now time.Duration, reply []byte) {
	var scratch [8][]byte
	for {
		pieces := c.session.Pending(scratch[:0])
		if len(reply) > 0 && total(pieces) == c.session.Queued() {
			pieces = append(pieces, reply)
		}
		n := 0
		for _, piece := range pieces {
			m := c.put(piece)
			n += m
			if m < len(piece) {
				break // room that comes up now must not be taken by the next
			}
		}
		if n == 0 && len(reply) == 0 {
			return
		}
		c.session.Sent(now, n, reply)
		reply = nil
	}
}

func total(pieces [][]byte) (n int) {
	for _, p := range pieces {
		n += len(p)
	}
	return n
}

var _ backends.Peer = (*memoryConn)(nil)

// until is the time left to a moment of a session's clock.
func until(deadline time.Duration) time.Duration { return deadline - backends.Now() }
