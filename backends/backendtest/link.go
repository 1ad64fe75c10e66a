package backendtest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many bytes a link holds in one direction.
const window = 64 << 10

// link joins a client and a server in memory, and behaves like TCP where engines and sessions differ:
// bytes under way are bounded, each direction ends by itself, and to close with input unread resets the
// connection and destroys what was sent.
type link struct {
	server, client net.Addr

	mu         sync.Mutex
	changed    sync.Cond
	up, down   flow // to the server, to the client
	reset      bool // by either side
	serverGone bool
	clientGone bool
}

// flow is one direction.
type flow struct {
	data  []byte
	ended bool // no more is written
}

func (f *flow) room() int { return window - len(f.data) }

func (f *flow) take(b []byte) int {
	n := copy(b, f.data)
	f.data = append(f.data[:0], f.data[n:]...)
	return n
}

func newLink(server, client net.Addr) *link {
	l := &link{server: server, client: client}
	l.changed.L = &l.mu
	return l
}

func (l *link) notify() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
}

// wait waits, for the server, until bytes are there and wanted, room is there and wanted, the deadline has
// passed, or woken says so. It returns bytes, or that the input has ended, or that the link was reset.
func (l *link) wait(b []byte, reading, writing bool, deadline time.Duration, woken func() bool) (n int, end bool, err error) {
	passed := false
	if deadline != 0 {
		t := time.AfterFunc(until(deadline), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			passed = true
			l.changed.Broadcast()
		})
		defer t.Stop()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.reset:
			return 0, false, syscall.ECONNRESET
		case woken() || passed:
			return 0, false, nil
		case reading && len(l.up.data) > 0:
			n = l.up.take(b)
			l.changed.Broadcast()
			return n, false, nil
		case reading && l.up.ended:
			return 0, true, nil
		case writing && l.down.room() > 0:
			return 0, false, nil
		}
		l.changed.Wait()
	}
}

// put writes, for the server, as much of b as there is room for.
func (l *link) put(b []byte) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reset || len(b) == 0 {
		return 0
	}
	if l.clientGone {
		l.reset = true // nobody is there to read it
		return 0
	}
	n := min(len(b), l.down.room())
	l.down.data = append(l.down.data, b[:n]...)
	l.changed.Broadcast()
	return n
}

// endOutput says that the server writes no more.
func (l *link) endOutput() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down.ended = true
	l.changed.Broadcast()
}

// closeServer closes the server's end.
func (l *link) closeServer() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serverGone, l.down.ended = true, true
	if len(l.up.data) > 0 {
		l.reset, l.down.data = true, nil
	}
	l.changed.Broadcast()
}

// memoryClient is the client's end of a link.
type memoryClient struct {
	*link
	linger      int
	read, write time.Time // deadlines
}

func (c *memoryClient) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.clientGone:
			return 0, net.ErrClosed
		case late(c.read):
			return 0, os.ErrDeadlineExceeded
		case len(c.down.data) > 0:
			n := c.down.take(b)
			c.changed.Broadcast()
			return n, nil
		case c.reset:
			return 0, syscall.ECONNRESET
		case c.down.ended:
			return 0, io.EOF
		}
		c.sleep(c.read)
	}
}

func (c *memoryClient) Write(b []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.clientGone || c.up.ended:
			return n, net.ErrClosed
		case c.reset || c.serverGone:
			c.reset = true
			return n, syscall.ECONNRESET
		case late(c.write):
			return n, os.ErrDeadlineExceeded
		}
		m := min(len(b), c.up.room())
		c.up.data = append(c.up.data, b[:m]...)
		b, n = b[m:], n+m
		c.changed.Broadcast()
		if len(b) == 0 {
			return n, nil
		}
		if m == 0 {
			c.sleep(c.write)
		}
	}
}

func late(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

// sleep waits for a change, or for a deadline to pass. The caller holds the lock.
func (c *memoryClient) sleep(deadline time.Time) {
	if !deadline.IsZero() {
		t := time.AfterFunc(time.Until(deadline), c.notify)
		defer t.Stop()
	}
	c.changed.Wait()
}

// Close closes the client's end.
func (c *memoryClient) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clientGone {
		return net.ErrClosed
	}
	c.clientGone, c.up.ended = true, true
	if c.linger == 0 || len(c.down.data) > 0 {
		c.reset, c.up.data = true, nil
	}
	c.changed.Broadcast()
	return nil
}

func (c *memoryClient) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reset || c.clientGone {
		return syscall.ENOTCONN
	}
	c.up.ended = true
	c.changed.Broadcast()
	return nil
}

func (c *memoryClient) SetLinger(seconds int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.linger = seconds
	return nil
}

func (c *memoryClient) SetDeadline(t time.Time) error      { return c.setDeadlines(&t, &t) }
func (c *memoryClient) SetReadDeadline(t time.Time) error  { return c.setDeadlines(&t, nil) }
func (c *memoryClient) SetWriteDeadline(t time.Time) error { return c.setDeadlines(nil, &t) }

func (c *memoryClient) setDeadlines(read, write *time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if read != nil {
		c.read = *read
	}
	if write != nil {
		c.write = *write
	}
	c.changed.Broadcast()
	return nil
}

func (c *memoryClient) LocalAddr() net.Addr  { return c.client }
func (c *memoryClient) RemoteAddr() net.Addr { return c.server }
