package epoll

import (
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"
)

// start serves with these options until stop is called or the test ends.
func start(t *testing.T, options string) (b *backend, service *session.Service, stop func()) {
	t.Helper()
	spec, err := backends.ParseSpec("epoll:"+options, []backends.Engine{Engine()})
	if err != nil {
		t.Fatal(err)
	}
	service, err = session.NewService(session.DefaultSettings(), buffer.NewPool(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := spec.Engine.New(backends.Config{
		Address: "127.0.0.1:0", Threads: max(spec.Threads, 1), Options: spec.Options, Log: slog.New(slog.DiscardHandler),
		Open: func(now time.Duration, p backends.Peer) backends.Session { return service.Open(now, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- engine.Serve() }()
	stop = sync.OnceFunc(func() {
		engine.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return engine.(*backend), service, stop
}

// exchange sends packets of this size one after the other and reads each echo.
func exchange(t *testing.T, b *backend, packets, size int) {
	t.Helper()
	c, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	packet := protocol.Append(nil, protocol.DataSend, make([]byte, size))
	echo := make([]byte, len(packet))
	for range packets {
		if _, err := c.Write(packet); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, echo); err != nil {
			t.Fatal(err)
		}
	}
}

func TestActivityCountsTurnsReadsAndWrites(t *testing.T) {
	b, _, _ := start(t, "threads=1")
	exchange(t, b, 10, 100)
	eventually(t, "ten reads, ten writes and as many turns", func() bool {
		turns, reads, writes := b.Activity()
		return turns >= 10 && reads >= 10 && writes == 10
	})
}

// What was sent without copying is let go once the kernel is done with it.
func TestPinsAreReleased(t *testing.T) {
	b, service, stop := start(t, "threads=1,zerocopy=4KiB")
	exchange(t, b, 50, 100_000)
	eventually(t, "only the read buffer of the loop is held", func() bool {
		return b.loops[0].zero.pool.Stats().InUse == 1 && service.Pool().Stats().InUse == 0
	})
	stop()
	if b.loops[0].zero.sends == 0 {
		t.Error("nothing was sent without copying")
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
