package load

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"
)

// portableRead is how much one read of the portable poller takes at most, in bytes.
const portableRead = 64 << 10

// portable is a poller over package net, for platforms without epoll: two goroutines per connection read
// and write for the loop, one burst at a time each, and tell it when they are done. It costs more than
// epoll and behaves the same, so the tests run against both.
type portable struct {
	address string
	links   []*link // by handle; nil: closed
	taken   []*link // links that were read from since the last wait

	mu    sync.Mutex
	news  map[*link]bool // links that became readable or writable since the last wait
	token chan struct{}  // holds one while there may be news, or after wake
	open  sync.WaitGroup // goroutines of all links
	ready []event
	timer *time.Timer
}

// A link is one connection. Its loop and its goroutines share what is under the poller's mu.
type link struct {
	p      *portable
	handle int
	life   context.Context // ends when the loop closes the link
	end    context.CancelFunc
	conn   net.Conn // set before the connect is announced

	buffer  []byte
	rest    []byte           // of the burst that was read, what the loop has not taken
	want    chan struct{}    // the loop to the reader: the burst is taken, read the next
	burst   chan net.Buffers // the loop to the writer
	failure error            // of the connect, or of reading: io.EOF and others

	dialed, paused bool
	writing        bool // the writer is at work
	writable       bool // the loop is to be told that it may write
}

func newPortable(address *net.TCPAddr) (poller, error) {
	return &portable{
		address: address.String(), news: make(map[*link]bool), token: make(chan struct{}, 1), timer: time.NewTimer(time.Hour),
	}, nil
}

func (p *portable) connect(h int) error {
	for h >= len(p.links) {
		p.links = append(p.links, nil)
	}
	l := &link{p: p, handle: h, want: make(chan struct{}, 1), burst: make(chan net.Buffers, 1)}
	l.life, l.end = context.WithCancel(context.Background())
	p.links[h] = l
	p.open.Go(l.dial)
	return nil
}

func (l *link) dial() {
	var d net.Dialer
	conn, err := d.DialContext(l.life, "tcp", l.p.address)
	if err == nil && conn.LocalAddr().String() == conn.RemoteAddr().String() {
		// The kernel connected the socket to itself: nobody listens there.
		conn.Close()
		err = syscall.ECONNREFUSED
	}
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if l.life.Err() != nil {
		if err == nil {
			conn.Close()
		}
		return
	}
	l.conn, l.failure, l.writable = conn, err, true
	l.announce()
}

// announce tells the loop of news; the lock is held.
func (l *link) announce() {
	l.p.news[l] = true
	l.p.wake()
}

func (p *portable) wake() {
	select {
	case p.token <- struct{}{}:
	default:
	}
}

func (p *portable) connected(h int) error {
	l := p.links[h]
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.failure != nil {
		return l.failure
	}
	l.dialed, l.writable = true, false
	l.buffer = make([]byte, portableRead)
	p.open.Go(l.reader)
	p.open.Go(l.writer)
	l.want <- struct{}{}
	return nil
}

// reader reads a burst each time the loop has taken the last one.
func (l *link) reader() {
	for {
		select {
		case <-l.want:
		case <-l.life.Done():
			return
		}
		n, err := l.conn.Read(l.buffer)
		l.p.mu.Lock()
		l.rest, l.failure = l.buffer[:n], err
		l.announce()
		l.p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// writer writes what the loop hands it. An error shows up at the reader as well, so it need not tell.
func (l *link) writer() {
	for {
		select {
		case b := <-l.burst:
			_, _ = b.WriteTo(l.conn)
		case <-l.life.Done():
			return
		}
		l.p.mu.Lock()
		l.writing, l.writable = false, true
		l.announce()
		l.p.mu.Unlock()
	}
}

func (p *portable) read(h, limit int) ([]byte, error) {
	l := p.links[h]
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(l.rest) == 0 {
		if l.failure != nil {
			return nil, l.failure
		}
		return nil, errWouldBlock
	}
	p.taken = append(p.taken, l)
	b := l.rest[:min(limit, len(l.rest))]
	l.rest = l.rest[len(b):]
	if len(l.rest) > 0 || l.failure != nil {
		l.announce()
	}
	return b, nil
}

func (p *portable) write(h int, a, b []byte) (int, error) {
	l := p.links[h]
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.writing {
		return 0, nil
	}
	l.writing = true
	l.burst <- net.Buffers{a, b}
	return len(a) + len(b), nil
}

func (p *portable) pause(h int, paused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.links[h]
	l.paused = paused
	l.announce()
}

func (p *portable) finish(h int) {
	if c, ok := p.links[h].conn.(*net.TCPConn); ok {
		_ = c.CloseWrite() // fails only for a connection that is gone, which a read tells
	}
}

func (p *portable) close(h int) {
	l := p.links[h]
	if l == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.end()
	if l.conn != nil {
		l.conn.Close()
	}
	delete(p.news, l)
	p.links[h] = nil
}

func (p *portable) shut() {
	for h := range p.links {
		p.close(h)
	}
	p.open.Wait()
}

func (p *portable) wait(most time.Duration) ([]event, error) {
	if events := p.gather(); len(events) > 0 || most <= 0 {
		return events, nil
	}
	p.timer.Reset(most)
	select {
	case <-p.token:
	case <-p.timer.C:
	}
	return p.gather(), nil
}

// gather makes events of the news.
func (p *portable) gather() []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	// What was taken before is used by now: the readers may overwrite it.
	for _, l := range p.taken {
		if len(l.rest) == 0 && l.failure == nil {
			select {
			case l.want <- struct{}{}:
			default:
			}
		}
	}
	p.taken = p.taken[:0]
	p.ready = p.ready[:0]
	for l := range p.news {
		e := event{handle: l.handle, writable: l.writable}
		e.readable = l.dialed && !l.paused && (len(l.rest) > 0 || l.failure != nil)
		l.writable = false
		if e.readable || e.writable {
			p.ready = append(p.ready, e)
		}
	}
	clear(p.news)
	return p.ready
}
