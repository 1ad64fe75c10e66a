package iouring

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"

	"golang.org/x/sys/unix"
)

// serve runs a backend with real sessions until the end of the test.
func serve(t *testing.T, options backends.Options) backends.Backend {
	t.Helper()
	service, err := session.NewService(session.DefaultSettings(), buffer.NewPool(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	return serveSessions(t, options, func(now time.Duration, peer backends.Peer) backends.Session { return service.Open(now, peer) })
}

func serveSessions(t *testing.T, options backends.Options, open func(time.Duration, backends.Peer) backends.Session) backends.Backend {
	t.Helper()
	if err := available(); err != nil {
		t.Skip(err)
	}
	spec, err := backends.ParseSpec("iouring", []backends.Engine{Engine()})
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range options {
		spec.Options[k] = v
	}
	b, err := spec.Engine.New(backends.Config{
		Address: "127.0.0.1:0", Threads: 1, Options: spec.Options, Log: slog.New(slog.DiscardHandler),
		Open: open,
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- b.Serve() }()
	t.Cleanup(func() {
		b.Close()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return b
}

// write writes all of b to a blocking socket, without allocating.
func write(t *testing.T, fd int, b []byte) {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
		b = b[max(n, 0):]
	}
}

// read fills b from a blocking socket, without allocating.
func read(t *testing.T, fd int, b []byte) {
	for got := 0; got < len(b); {
		n, err := unix.Read(fd, b[got:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 {
			t.Fatalf("read %d of %d bytes, then %d: %v", got, len(b), n, err)
		}
		got += n
	}
}

// dial is a blocking socket.
func dial(t *testing.T, addr net.Addr) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	tcp := addr.(*net.TCPAddr)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(tcp.IP.To4())}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// On the plain path nothing is allocated, packet by packet or in bursts that the block ends in.
func TestNoAllocationPerPacket(t *testing.T) {
	fd := dial(t, serve(t, nil).Addr())
	for _, c := range []struct{ packets, size int }{{1, 100}, {16, 64}, {3, 1000}} {
		var batch []byte
		for range c.packets {
			batch = protocol.Append(batch, protocol.DataSend, make([]byte, c.size))
		}
		reply := make([]byte, len(batch))
		rounds := func(n int) (allocated uint64) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range n {
				write(t, fd, batch)
				read(t, fd, reply)
			}
			runtime.ReadMemStats(&after)
			return after.Mallocs - before.Mallocs
		}
		rounds(100)
		const n = 3000
		// What the runtime itself and other goroutines allocate meanwhile is far below this.
		if got := rounds(n); got > n/20 {
			t.Errorf("%d packets of %d bytes: %d allocations in %d rounds", c.packets, c.size, got, n)
		}
	}
}

// What a session holds is sent without a copy, unchanged, and nothing stays pinned.
func TestZeroCopy(t *testing.T) {
	var b backends.Backend
	t.Run("traffic", func(t *testing.T) {
		b = serve(t, backends.Options{optZero: "4KiB"})
		fd := dial(t, b.Addr())
		payload := make([]byte, 100_000)
		for i := range payload {
			payload[i] = byte(i * 7 / 5)
		}
		small := protocol.Append(nil, protocol.DataSend, []byte("x"))
		large := protocol.Append(nil, protocol.DataSend, payload)
		const begun = 10
		for range 50 {
			// When the small packet has come back, the beginning of the large one is held by the session.
			first := append(bytes.Clone(small), large[:begun]...)
			got := make([]byte, len(large))
			write(t, fd, first)
			read(t, fd, got[:len(small)])
			write(t, fd, large[begun:])
			read(t, fd, got)
			if want := protocol.Append(nil, protocol.DataEcho, payload); !bytes.Equal(got, want) {
				t.Fatal("the echo has other bytes")
			}
		}
	})
	for _, l := range b.(*backend).loops {
		if len(l.zero.pins) == 0 || l.zero.open != 0 {
			t.Errorf("%d places for pins were made, %d are in use; want some and none", len(l.zero.pins), l.zero.open)
		}
	}
}

// counting is a session that counts how often it is asked what is pending.
type counting struct {
	backends.Session
	pending *atomic.Int64
	eof     *atomic.Bool
}

func (c counting) Pending(dst [][]byte) [][]byte {
	c.pending.Add(1)
	return c.Session.Pending(dst)
}

func (c counting) EOF(now time.Duration) {
	c.Session.EOF(now)
	c.eof.Store(true)
}

// A peer that has ended its input and doesn't read costs nothing while it doesn't: its end of input is not
// taken for room to write, again and again.
func TestBlockedAfterEndOfInput(t *testing.T) {
	settings := session.DefaultSettings()
	settings.Outbox.Bytes, settings.Outbox.Packets = 64<<20, 1<<20
	service, err := session.NewService(settings, buffer.NewPool(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	var pending atomic.Int64
	var eof atomic.Bool
	b := serveSessions(t, nil, func(now time.Duration, peer backends.Peer) backends.Session {
		return counting{service.Open(now, peer), &pending, &eof}
	})
	fd, other := dial(t, b.Addr()), dial(t, b.Addr())
	packet := protocol.Append(nil, protocol.DataSend, make([]byte, 60_000))
	const packets = 400 // 24 MB: more than the sockets of both ends hold
	for range packets {
		write(t, fd, packet)
	}
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	small, reply := protocol.Append(nil, protocol.DataSend, []byte("x")), make([]byte, protocol.HeaderSize+1)
	exchange := func() {
		write(t, other, small)
		read(t, other, reply)
	}
	for deadline := time.Now().Add(20 * time.Second); !eof.Load(); exchange() {
		if time.Now().After(deadline) {
			t.Fatal("the end of input was not seen")
		}
	}
	before := pending.Load()
	const turns = 500
	for range turns {
		exchange()
	}
	if n := pending.Load() - before; n > turns/10 {
		t.Errorf("in %d turns %d sends were tried that could not succeed", turns, n)
	}
	read(t, fd, make([]byte, packets*len(packet)))
	if n, err := unix.Read(fd, reply); n != 0 || err != nil {
		t.Errorf("after all echoes: %d, %v; want the end", n, err)
	}
}

// unserved is a backend whose loops a test has for itself, with real sessions; opened is called before each.
func unserved(t *testing.T, threads int, opened func()) (*backend, *session.Service) {
	t.Helper()
	if err := available(); err != nil {
		t.Skip(err)
	}
	service, err := session.NewService(session.DefaultSettings(), buffer.NewPool(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := backends.ParseSpec("iouring", []backends.Engine{Engine()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBackend(backends.Config{
		Address: "127.0.0.1:0", Threads: threads, Options: spec.Options, Log: slog.New(slog.DiscardHandler),
		Open: func(now time.Duration, peer backends.Peer) backends.Session {
			opened()
			return service.Open(now, peer)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.(*backend), service
}

// A ring that fails ends Serve with the reason, and every session and socket of its loop with it.
func TestFailedRingEndsServe(t *testing.T) {
	broken := errors.New("broken for the test")
	var l *loop
	b, service := unserved(t, 2, func() { l.ring.fail(broken) })
	ended := make(chan error, 1)
	loops := b.loops
	l = loops[0]
	loops[1].listener.Close() // so that the first loop gets the connection
	loops[1].listener = nil
	go func() { ended <- b.Serve() }()
	c, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := <-ended; !errors.Is(err, broken) {
		t.Errorf("Serve: %v, want %v", err, broken)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, unix.EAGAIN) {
		t.Errorf("the connection is still open: %v", err)
	}
	if n := service.Totals(); n.Opened != 1 || n.Closed != 1 {
		t.Errorf("%d sessions were opened, %d closed", n.Opened, n.Closed)
	}
}

// More connections than slots in a block, opened and closed in between: slots are used again.
func TestSlotsAreUsedAgain(t *testing.T) {
	var conns table
	seen := map[uint32]uint32{}
	var open []*conn
	for i := range 1000 {
		c := conns.add(i)
		if g, ok := seen[c.slot]; ok && g == c.generation {
			t.Fatalf("slot %d has generation %d twice", c.slot, g)
		}
		seen[c.slot] = c.generation
		k := c.key(recvKind)
		if conns.find(k) != c {
			t.Fatalf("slot %d isn't found by its key", c.slot)
		}
		if open = append(open, c); len(open) > 100 {
			gone := open[0]
			k := gone.key(recvKind)
			open = open[1:]
			conns.remove(gone)
			if conns.find(k) != nil {
				t.Fatalf("slot %d is found by an old key", gone.slot)
			}
		}
	}
	if conns.open != len(open) || len(seen) > 2*blockSlots {
		t.Errorf("%d are open, want %d; %d slots were used for them", conns.open, len(open), len(seen))
	}
}

// Options that can't be are refused with what can.
func TestOptions(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{"iouring:buffers=1KiB", "64KiB to 256MiB"},
		{"iouring:fill=half", "auto, packed, single"},
		{"iouring:threads=0", "1 to"},
	} {
		_, err := backends.ParseSpec(c.spec, []backends.Engine{Engine()})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want an error with %q", c.spec, err, c.want)
		}
	}
}

// Where there is no io_uring, the engine says that it isn't available, in words that backends.ErrUnavailable
// is found in.
func TestUnavailable(t *testing.T) {
	// A limit of open files below what is open makes io_uring_setup(2) fail like any call that opens one.
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := old
	low.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	_, err := newBackend(backends.Config{Address: "127.0.0.1:0", Threads: 1})
	if restored := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); restored != nil {
		t.Fatal(restored)
	}
	if !errors.Is(err, backends.ErrUnavailable) || !errors.Is(err, unix.EMFILE) {
		t.Errorf("New: %v; want %v and %v", err, backends.ErrUnavailable, unix.EMFILE)
	}
}

// A reset that is found out after the last completion of a receive, whose bytes brought no reply, closes the
// connection for good: nothing more is done with it.
func TestResetBehindTheLastReceive(t *testing.T) {
	b, service := unserved(t, 1, func() {})
	defer b.free()
	l := b.loops[0]
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := l.ring.enable(); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", b.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	fd, _, err := unix.Accept(l.listener.FD)
	if err != nil {
		t.Fatal(err)
	}
	l.opened(1, fd)
	c := l.conns.at(0)
	client.(*net.TCPConn).SetLinger(0)
	client.Close()
	const reset = 7 // TCP_CLOSE, net/tcp_states.h
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		if info.State == reset {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the socket isn't reset")
		}
	}
	half := protocol.Append(nil, protocol.DataSend, []byte("half"))[:5]
	copy(l.buffers.memory, half)
	a := arrival{key: c.key(recvKind), piece: l.buffers.take(cqe{res: int32(len(half)), flags: cqeBuffer | cqeBufferMore})}
	l.received(2, &a)
	if l.conns.open != 0 || service.Connections() != 0 {
		t.Errorf("%d connections, %d sessions are left", l.conns.open, service.Connections())
	}
}
