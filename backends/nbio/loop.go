package nbio

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	lib "github.com/lesismal/nbio"
	"github.com/lesismal/nbio/logging"

	"echosrv/backends"
)

// The callbacks of the library: opened on the goroutine that accepts, readable on a connection's loop,
// written on whichever goroutine writes, with the library's lock held, and closed on one of its own.

// opened is called for a newcomer that is not yet registered with its loop.
func (b *backend) opened(sock *lib.Conn) {
	c := &conn{backend: b, sock: sock}
	c.mu.Lock()
	defer c.mu.Unlock()
	sock.SetSession(c)
	b.handed.Store(true)
	b.mu.Lock()
	b.lastKey++
	c.key = b.lastKey
	b.conns[c.key] = c
	draining, stopping := b.draining, b.stopping
	b.mu.Unlock()
	now := backends.Now()
	if !stopping {
		c.session = b.config.Open(now, c)
	}
	if c.session == nil {
		c.refuse()
		return
	}
	if draining {
		c.session.Drain(now)
	}
	c.write(now, nil)
	c.settle(now)
}

// connOf is the conn that opened has made. The library hands it from goroutine to goroutine by way of the
// kernel alone, which is not enough for Go's memory model.
func (b *backend) connOf(sock *lib.Conn) *conn {
	b.handed.Load()
	return sock.Session().(*conn)
}

func (b *backend) readable(sock *lib.Conn) {
	c := b.connOf(sock)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read(b.engine.PollerBuffer(sock))
}

// written counts what has really been written.
func (b *backend) written(sock *lib.Conn, _ []byte, n int) { b.connOf(sock).wrote(n) }

// closed is the last callback for a connection.
func closed(sock *lib.Conn, err error) {
	c := sock.Session().(*conn)
	c.end(err)
	b := c.backend
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c.key)
	b.timers.Forget(c.key)
	b.endIfDrained()
}

var (
	currentLog atomic.Pointer[slog.Logger]
	setLogger  sync.Once
)

// takeLog has the library log to the newest server's log. Its own would go to standard output.
func takeLog(log *slog.Logger) {
	currentLog.Store(log)
	setLogger.Do(func() { logging.SetLogger(logger{}) })
}

// logger takes the library's log. What it calls errors are those of single connections.
type logger struct{}

func (logger) Debug(string, ...any)             {}
func (logger) Info(string, ...any)              {}
func (logger) Warn(format string, args ...any)  { line(format, args) }
func (logger) Error(format string, args ...any) { line(format, args) }

func line(format string, args []any) {
	currentLog.Load().Debug("from the library", "line", fmt.Sprintf(format, args...))
}
