// Package gnet serves sessions with github.com/panjf2000/gnet/v2 v2.10.0: level-triggered event loops, each
// with a listening socket of its own on the same port, a shared read buffer, and callbacks that write at
// once.
//
// What the library does not let an engine do, beyond what Capabilities say:
//
//   - Reading can't be paused. A connection whose session wants to pause is closed.
//   - What a write leaves over goes to a queue without a limit, and nobody is told when it is empty. So the
//     engine gives the library more only when that queue is empty, which it looks for every few
//     milliseconds while something waits; until then the session keeps its replies, within its limits.
//   - On the peer's FIN, what the socket takes of that queue at once is written, and the rest is lost.
//   - Any error of accept but those of the peer ends the server. Newcomers are therefore closed while the
//     table of descriptors is nearly full; if it fills up otherwise, Serve returns an error.
//   - A draining server can't leave its port: newcomers are accepted and closed.
//   - Its logger belongs to the process: that of the newest server gets the lines of all.
package gnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	lib "github.com/panjf2000/gnet/v2"

	"echosrv/backends"
	"echosrv/backends/internal/filetable"
	"echosrv/backends/internal/timer"
)

// readBuffer is the size of each loop's read buffer, in bytes: room for a payload of 64 KiB with its
// header, which the library's default hasn't.
const readBuffer = 128 << 10

// Engine is the entry of this engine in the table.
func Engine() backends.Engine {
	return backends.Engine{
		Name:    "gnet",
		Model:   "event loops of a library, callbacks write at once",
		Library: "github.com/panjf2000/gnet/v2",
		Capabilities: backends.Capabilities{
			FullDuplex:    true,
			LosslessDrain: true,
			// Elsewhere one more goroutine accepts all that wait, before a loop can refuse any.
			SurvivesFullTable: runtime.GOOS == "linux",
			Timers:            true,
			OrderlyClose:      true,
			NoDelay:           true,
		},
		Threads:    func() int { return 1 },
		MaxThreads: 255, // the library silently uses this many if more are asked for
		Available:  func() error { return nil },
		New:        newBackend,
	}
}

// errLoopsEnded is what Serve returns when the library's loops end without having been asked to. The
// library says why only in its log; its only cause but the callbacks is an accept that failed.
var errLoopsEnded = errors.New("gnet ended its loops because accepting a connection failed, which it does not survive: the table of descriptors may be full")

type backend struct {
	lib.BuiltinEventEngine
	config backends.Config
	url    string // of the address, as the library wants it
	addr   net.Addr
	engine lib.Engine
	table  *filetable.Table
	timers *timer.Service

	begin  sync.Once
	run    chan bool     // what OnBoot waits for: true to serve, false to stop at once
	booted chan struct{} // closed when the library listens
	ended  chan struct{} // closed when the library has returned
	result error         // what it returned

	stopping atomic.Bool // the loops are to end

	mu       sync.Mutex
	conns    map[uint64]*conn // those that may be woken
	lastKey  uint64
	draining bool
}

// newBackend has the library listen, and holds it in its first callback until Serve is called.
func newBackend(config backends.Config) (backends.Backend, error) {
	addr, err := reserve(config.Address)
	if err != nil {
		return nil, err
	}
	b := &backend{
		config: config,
		url:    url(addr),
		addr:   addr,
		table:  filetable.Watch("gnet", config),
		run:    make(chan bool, 1),
		booted: make(chan struct{}),
		ended:  make(chan struct{}),
		conns:  map[uint64]*conn{},
	}
	b.timers = timer.NewService(backends.Now, b.wake)
	go func() {
		b.result = lib.Run(b, b.url,
			lib.WithNumEventLoop(config.Threads),
			lib.WithReusePort(true),
			lib.WithReuseAddr(true),
			lib.WithReadBufferCap(readBuffer),
			lib.WithLogger(logger{config.Log}))
		close(b.ended)
	}()
	select {
	case <-b.booted:
		return b, nil
	case <-b.ended:
		b.timers.Close()
		return nil, fmt.Errorf("failed to listen on %s: %w", config.Address, b.result)
	}
}

// reserve finds an address that is free. With a listening socket for each loop the port can't be left to
// the kernel, and would be shared with another server that shares it.
func reserve(address string) (*net.TCPAddr, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return l.Addr().(*net.TCPAddr), l.Close()
}

// url is an address as the library wants it. It takes [::] for IPv6 alone, unlike package net, and no host
// for both.
func url(addr *net.TCPAddr) string {
	if addr.IP.IsUnspecified() && addr.IP.To4() == nil {
		return fmt.Sprintf("tcp://:%d", addr.Port)
	}
	return "tcp://" + addr.String()
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
	if b.draining {
		return
	}
	b.draining = true
	for _, c := range b.conns {
		c.wake()
	}
	b.stopIfDrained()
}

// Close ends the loops; they drop every connection.
func (b *backend) Close() error {
	b.stop()
	b.begin.Do(func() {
		b.run <- false
		<-b.ended
		b.release()
	})
	return nil
}

// release gives back what isn't a connection's.
func (b *backend) release() {
	b.timers.Close()
	// The library keeps every engine that ever ran in a table of the process, by its address, until it is
	// stopped in this way.
	//lint:ignore SA1019 what stands in its place leaves the engine in the table
	_ = lib.Stop(stopped, b.url)
}

// stopped is a context for the library's stopping, which otherwise looks only twice a second whether it is
// done; the engine hears of it when Run returns.
var stopped = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// stop ends the loops.
func (b *backend) stop() {
	b.stopping.Store(true)
	_ = b.engine.Stop(stopped) // the error says that it did not wait
}

// stopIfDrained ends the loops once a drain is over. The caller holds b.mu.
func (b *backend) stopIfDrained() {
	if b.draining && len(b.conns) == 0 {
		b.stop()
	}
}
