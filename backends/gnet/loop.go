package gnet

import (
	"fmt"
	"log/slog"

	lib "github.com/panjf2000/gnet/v2"

	"echosrv/backends"
)

// The callbacks of the library. Those of a connection run on its loop.

// OnBoot is called when the library listens and no loop runs yet.
func (b *backend) OnBoot(engine lib.Engine) lib.Action {
	b.engine = engine
	close(b.booted)
	if <-b.run {
		return lib.None
	}
	return lib.Shutdown
}

// OnOpen takes a newcomer in.
func (b *backend) OnOpen(sock lib.Conn) ([]byte, lib.Action) {
	room := b.table.Opened()
	c := &conn{backend: b, sock: sock}
	sock.SetContext(c)
	if !room || !b.add(c) {
		return nil, lib.Close
	}
	now := backends.Now()
	if c.session = b.config.Open(now, c); c.session == nil {
		return nil, lib.Close
	}
	c.write(now, nil)
	return nil, c.settle(now)
}

// OnTraffic takes what one read gave.
func (b *backend) OnTraffic(sock lib.Conn) lib.Action {
	return sock.Context().(*conn).read()
}

// OnClose is called when the library is about to close a socket. From here on the connection must not be
// woken: its loop may be gone, and the descriptor that a wake writes to somebody else's.
func (b *backend) OnClose(sock lib.Conn, err error) lib.Action {
	c := sock.Context().(*conn)
	b.mu.Lock()
	delete(b.conns, c.key)
	b.timers.Forget(c.key)
	b.stopIfDrained()
	b.mu.Unlock()
	b.table.Closed()
	c.end(err)
	return lib.None
}

// add files a newcomer, if there is to be one.
func (b *backend) add(c *conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining || b.stopping.Load() {
		return false
	}
	b.lastKey++
	c.key = b.lastKey
	b.conns[c.key] = c
	return true
}

// wake has woken called for a connection, on its loop. It may be called from any goroutine.
func (b *backend) wake(key uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.conns[key]; c != nil {
		c.wake()
	}
}

func (b *backend) isDraining() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.draining
}

// logger takes the library's log. What it calls errors are mostly those of single connections.
type logger struct{ log *slog.Logger }

func (l logger) Debugf(format string, args ...any) {}
func (l logger) Infof(format string, args ...any)  {}
func (l logger) Warnf(format string, args ...any)  { l.line(slog.LevelDebug, format, args) }
func (l logger) Errorf(format string, args ...any) { l.line(slog.LevelDebug, format, args) }
func (l logger) Fatalf(format string, args ...any) { l.line(slog.LevelError, format, args) }

func (l logger) line(level slog.Level, format string, args []any) {
	l.log.Log(stopped, level, "from the library", "line", fmt.Sprintf(format, args...))
}
