package evio

import (
	"net"
	"syscall"

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
	if b.room.full() {
		b.config.Log.Warn("a connection was refused: the table of descriptors is nearly full, and evio does not survive when it is")
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
	b.control = sock
	return true
}

// controlAction is what the connection to ourselves answers whenever it is opened or woken.
func (b *backend) controlAction() lib.Action {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopIfDrained()
	if b.stopping.Load() {
		return lib.Shutdown
	}
	return lib.None
}

// add files a newcomer; nil while the server is draining or stopping.
func (b *backend) add(sock lib.Conn) *conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining || b.stopping.Load() {
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
	case sock == b.control:
		b.control = nil
	}
	b.stopIfDrained()
	b.mu.Unlock()
	if c != nil && c.session != nil {
		c.end(err)
	}
	return lib.None
}

// wake has data called for a connection, on its loop, with no bytes. It may be called from any goroutine.
func (b *backend) wake(key uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.conns[key]; c != nil {
		c.sock.Wake()
	}
}

// stopIfDrained ends the loops once a drain is over. The caller holds b.mu.
func (b *backend) stopIfDrained() {
	if b.draining && len(b.conns) == 0 {
		b.stop()
	}
}

func (b *backend) isDraining() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.draining
}

// stop ends the loops, by way of the connection to ourselves. The caller holds b.mu.
func (b *backend) stop() {
	b.stopping.Store(true)
	if b.control != nil {
		b.control.Wake()
	}
}

// tableRoom tells when the process is about to run out of descriptors.
type tableRoom struct {
	limit int // descriptors are numbered below it; 0: not known
}

// Descriptors kept free for the library: what a loop may accept before it hears that a newcomer is to be
// closed, and some for whatever else the process opens.
const (
	roomPerLoop = 4
	roomBeside  = 8
)

func newTableRoom(loops int) *tableRoom {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil || r.Cur > 1<<30 {
		return &tableRoom{}
	}
	return &tableRoom{limit: max(int(r.Cur)-roomBeside-roomPerLoop*loops, 1)}
}

// full opens a descriptor to see its number: the kernel always gives the lowest that is free.
func (r *tableRoom) full() bool {
	if r.limit == 0 {
		return false
	}
	fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	syscall.Close(fd)
	return fd >= r.limit
}
