// Package evio serves sessions with github.com/tidwall/evio v1.0.8: level-triggered event loops that read
// up to 64 KiB, hand the bytes to a callback, copy what it returns and write that on their next turn.
//
// What the library does not let an engine do, beyond what Capabilities say:
//
//   - Nobody is told when output has been written. A connection is read only once its output is gone, so
//     each read proves that; between an echo and the next read nothing can be added without the danger of
//     overwriting a rest. What a session wants to say of its own accord in that time (PING, GOAWAY, the
//     ERROR of an idle peer) waits until the peer sends something.
//   - A connection with output left can't be closed, only the whole server can. A peer that reads nothing
//     is not read either and costs at most one read's worth of memory, but it stays until it goes or the
//     server is closed: neither a session's time limits nor a drain can drop it.
//   - For the same reason a peer that reads too slowly is never told so: the policies drop and close have
//     nothing to discard.
//   - A socket can't be shut down for writing. After an ERROR the connection is read on for a moment, so
//     that the ERROR arrives, and then closed; a peer that is still sending sees it reset.
//   - TCP_NODELAY can't be set: neither the listener nor a connection gives its descriptor away.
//   - Any error of accept but EAGAIN ends the server. Newcomers are therefore closed while the table of
//     descriptors is nearly full; if it fills up otherwise, Serve returns an error.
//   - A draining server can't leave its port: newcomers are accepted and closed, after a moment in which
//     they are drained like the others, as they may have connected before.
//
// The library's own Tick is not used: its goroutine outlives the server, and then either waits for ever
// or writes to a descriptor that may be somebody else's by then. The server is stopped from a callback of
// a connection that the engine makes to itself.
package evio

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	lib "github.com/tidwall/evio"

	"echosrv/backends"
	"echosrv/backends/internal/filetable"
	"echosrv/backends/internal/timer"
)

// Engine is the entry of this engine in the table.
func Engine() backends.Engine {
	return backends.Engine{
		Name:    "evio",
		Model:   "event loops of a library, callbacks return what to write",
		Library: "github.com/tidwall/evio",
		Capabilities: backends.Capabilities{
			HalfClose:         true,
			LosslessDrain:     true,
			SurvivesFullTable: true,
			Timers:            true,
		},
		Threads:   func() int { return 1 },
		Available: func() error { return nil },
		New:       newBackend,
	}
}

// errLoopsEnded is what Serve returns when the library's loops end without having been asked to. It does not
// say why; its only cause but the callbacks is an accept that failed.
var errLoopsEnded = errors.New("evio ended its loops because accepting a connection failed, which it does not survive: the table of descriptors may be full")

type backend struct {
	config backends.Config
	addr   net.Addr
	dialed net.Conn // our end of the connection to ourselves
	table  *filetable.Table
	timers *timer.Service

	begin  sync.Once
	run    chan bool     // what Serving waits for: true to serve, false to stop at once
	ended  chan struct{} // closed when the library has returned
	result error         // what it returned

	stopping atomic.Bool // the loops are to end

	mu       sync.Mutex
	control  lib.Conn         // the library's end of dialed, from its opening to its close
	began    time.Duration    // when that was opened
	conns    map[uint64]*conn // those that may be woken
	lastKey  uint64
	draining time.Duration   // when Drain was called first; 0: not yet
	loops    map[*byte]*loop // by the first byte of their read buffers
}

// newBackend has the library listen, and holds it in its first callback until Serve is called.
func newBackend(config backends.Config) (backends.Backend, error) {
	b := &backend{
		config: config,
		table:  filetable.Watch("evio", config),
		run:    make(chan bool, 1),
		ended:  make(chan struct{}),
		conns:  map[uint64]*conn{},
		loops:  map[*byte]*loop{},
	}
	listening := make(chan net.Addr, 1)
	events := b.events(func(addr net.Addr) { listening <- addr })
	go func() {
		b.result = lib.Serve(events, "tcp://"+config.Address)
		close(b.ended)
	}()
	select {
	case b.addr = <-listening:
	case <-b.ended:
		return nil, fmt.Errorf("failed to listen: %w", b.result)
	}
	var err error
	if b.dialed, err = net.Dial("tcp", b.addr.String()); err != nil {
		b.Close()
		return nil, fmt.Errorf("failed to connect to our own %s: %w", b.addr, err)
	}
	b.timers = timer.NewService(backends.Now, b.wake)
	return b, nil
}

// Addr is where the library listens.
func (b *backend) Addr() net.Addr { return b.addr }

// Serve lets the loops run and waits for their end.
func (b *backend) Serve() error {
	b.begin.Do(func() { b.run <- true })
	<-b.ended
	b.release()
	switch {
	case b.result != nil:
		return b.result
	case !b.stopping.Load():
		return errLoopsEnded
	}
	return nil
}

// Drain has every connection's session drained on its loop, and newcomers closed.
func (b *backend) Drain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining != 0 {
		return
	}
	b.draining = backends.Now()
	for _, c := range b.conns {
		c.sock.Wake()
	}
	b.stopIfDrained()
}

// Close ends the loops; they drop every connection.
func (b *backend) Close() error {
	b.mu.Lock()
	b.stop()
	b.mu.Unlock()
	b.begin.Do(func() {
		b.run <- false
		<-b.ended
		b.release()
	})
	return nil
}

// release gives back what is not the library's.
func (b *backend) release() {
	if b.dialed != nil {
		b.dialed.Close()
	}
	if b.timers != nil {
		b.timers.Close()
	}
}
