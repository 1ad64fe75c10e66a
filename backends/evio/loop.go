package evio

import (
	"net"
	"time"

	lib "github.com/tidwall/evio"

	"echosrv/backends"
)

// loop is what the connections of one loop of the library share.
type loop struct {
	scratch []byte
}

// loopOf finds the loop that in was read by. The library doesn't tell, but each loop has one read buffer.
func (b *backend) loopOf(in []byte) *loop {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.loops[&in[0]]
	if l == nil {
		l = new(loop)
		b.loops[&in[0]] = l
	}
	return l
}

// events are the callbacks of the library. Each runs on the loop of its connection, but for Serving, and
// but for Closed when the server ends: then no loop runs any more. listening is told the address.
func (b *backend) events(listening func(net.Addr)) lib.Events {
	return lib.Events{
		NumLoops: b.config.Threads,
		// The default is random, which leaves some loops with more connections than others.
		LoadBalance: lib.RoundRobin,
		Serving: func(s lib.Server) lib.Action {
			listening(s.Addrs[0])
			if <-b.run {
				return lib.None
			}
			return lib.Shutdown
		},
		Opened: b.opened,
		Data:   b.data,
		Closed: b.closed,
	}
}

// opened takes a newcomer in, or the connection to ourselves.
func (b *backend) opened(sock lib.Conn) ([]byte, lib.Options, lib.Action) {
	// Output is copied by the library before the loop reads again, so all connections can share the
	// loop's read buffer.
	options := lib.Options{ReuseInputBuffer: true}
	if b.isControl(sock) {
		return nil, options, b.controlAction()
	}
	if !b.table.Opened() {
		return nil, options, lib.Close
	}
	c := b.add(sock)
	if c == nil {
		return nil, options, lib.Close
	}
	sock.SetContext(c)
	now := backends.Now()
	if c.session = b.config.Open(now, c); c.session == nil {
		return nil, options, lib.Close
	}
	c.drain(now)
	out, action := c.settle(now, nil)
	return out, options, action
}

// isControl recognizes the connection to ourselves by the port it came from, until it has been found.
func (b *backend) isControl(sock lib.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.control != nil {
		return false
	}
	ours, ok := b.dialed.LocalAddr().(*net.TCPAddr)
	peer, isTCP := sock.RemoteAddr().(*net.TCPAddr)
	if !ok || !isTCP || ours.Port != peer.Port || !ours.IP.Equal(peer.IP) {
		return false
	}
	b.control, b.began = sock, backends.Now()
	return true
}

// youth is how long the loops are not ended after their start. The library starts them first and waits for
// the first of them to end after that: if one ends before, it waits for ever.
const youth = 100 * time.Millisecond

// controlKey is the key of the connection to ourselves among the timers; the others count from 1.
const controlKey = 0

// controlAction is what the connection to ourselves answers whenever it is opened or woken.
func (b *backend) controlAction() lib.Action {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopIfDrained()
	switch {
	case !b.stopping.Load():
		return lib.None
	case backends.Now() < b.began+youth:
		b.timers.Add(b.began+youth, controlKey)
		return lib.None
	}
	return lib.Shutdown
}

// lateComers is how long a draining server still takes newcomers in, to drain them with the others: those
// that connected before the drain may have sent something, and the library is slow to accept under load.
const lateComers = 100 * time.Millisecond

// add files a newcomer; nil if there are to be none.
func (b *backend) add(sock lib.Conn) *conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping.Load() || b.draining != 0 && backends.Now()-b.draining > lateComers {
		return nil
	}
	b.lastKey++
	c := &conn{backend: b, sock: sock, key: b.lastKey, flushed: true}
	b.conns[c.key] = c
	return c
}

// closed is called when the library has closed a socket. From here on the connection must not be woken:
// its loop may be gone, and the descriptor that a wake writes to somebody else's.
func (b *backend) closed(sock lib.Conn, err error) lib.Action {
	c, _ := sock.Context().(*conn)
	b.mu.Lock()
	switch {
	case c != nil:
		delete(b.conns, c.key)
		b.timers.Forget(c.key)
	case sock == b.control:
		b.control = nil
	}
	b.mu.Unlock()
	b.table.Closed()
	if c != nil && c.session != nil {
		c.end(err) // before the server stops: it ended by itself
	}
	b.mu.Lock()
	b.stopIfDrained()
	b.mu.Unlock()
	return lib.None
}

// wake has data called for a connection, on its loop, with no bytes. It may be called from any goroutine.
func (b *backend) wake(key uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.conns[key]; c != nil {
		c.sock.Wake()
	}
	if key == controlKey && b.control != nil {
		b.control.Wake()
	}
}

// stopIfDrained ends the loops once a drain is over. The caller holds b.mu.
func (b *backend) stopIfDrained() {
	if b.draining != 0 && len(b.conns) == 0 {
		b.stop()
	}
}

func (b *backend) isDraining() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.draining != 0
}

// stop ends the loops, by way of the connection to ourselves. The caller holds b.mu.
func (b *backend) stop() {
	b.stopping.Store(true)
	if b.control != nil {
		b.control.Wake()
	}
}
