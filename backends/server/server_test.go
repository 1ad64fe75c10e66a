package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestThreadsAndProcs(t *testing.T) {
	for name, c := range map[string]struct {
		spec                   string
		threads, gomaxprocs    int
		wantThreads, wantProcs int
	}{
		"engine's default":    {spec: "fake", wantThreads: 3, wantProcs: 4},
		"from the spec":       {spec: "fake:threads=2", wantThreads: 2, wantProcs: 3},
		"from the options":    {spec: "fake", threads: 5, wantThreads: 5, wantProcs: 6},
		"the same in both":    {spec: "fake:threads=5", threads: 5, wantThreads: 5, wantProcs: 6},
		"with own gomaxprocs": {spec: "fake", threads: 5, gomaxprocs: 2, wantThreads: 5, wantProcs: 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(o *Options) { o.Backend, o.Threads, o.GOMAXPROCS = c.spec, c.threads, c.gomaxprocs })
			d := f.Description()
			if d.Threads != c.wantThreads || d.GOMAXPROCS != c.wantProcs || runtime.GOMAXPROCS(0) != c.wantProcs {
				t.Errorf("got %+v with GOMAXPROCS %d, want %d threads and %d", d, runtime.GOMAXPROCS(0), c.wantThreads, c.wantProcs)
			}
		})
	}
}

func TestListenLine(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Backend = "fake:colour=blue" })
	want := "listening address=127.0.0.1:7 engine=fake:colour=blue threads=3 gomaxprocs=4 cpus=any max-packet=1MiB"
	if got := f.ListenLine(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNewRefuses(t *testing.T) {
	keepProcs(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for name, c := range map[string]struct {
		change func(*Options)
		usage  bool
		want   string
	}{
		"engine that can't run": {change: func(o *Options) { o.Backend = "absent" }, want: "this kernel forbids it"},
		"port in use":           {change: func(o *Options) { o.Listen = busy.Addr().String() }, want: "address already in use; end the program"},
		"too many threads":      {change: func(o *Options) { o.Backend, o.Threads = "fake", 9 }, usage: true, want: "fake takes 1 to 8"},
		"no address":            {change: func(o *Options) { o.Listen = "" }, usage: true, want: "listen=\"\" is not an address"},
		"admin's address":       {change: func(o *Options) { o.Admin = "here" }, usage: true, want: "admin=\"here\" is not an address"},
		"session's settings":    {change: func(o *Options) { o.Session.Outbox.Bytes = 0 }, usage: true, want: "outbox limit in bytes 0"},
		"heartbeat too late": {change: func(o *Options) { o.Session.Heartbeat, o.Session.IdleTimeout = time.Second, time.Second },
			usage: true, want: "heartbeat=1s must be shorter than idle-timeout=1s"},
	} {
		t.Run(name, func(t *testing.T) {
			o := DefaultOptions()
			o.Backend, o.Listen = "goroutine", "127.0.0.1:0"
			c.change(&o)
			_, err := New(o, table(nil), io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrUsage) != c.usage {
				t.Errorf("got %v (usage %t), want %q (usage %t)", err, errors.Is(err, ErrUsage), c.want, c.usage)
			}
		})
	}
}

func TestDefaultBackend(t *testing.T) {
	can, cannot := func() error { return nil }, func() error { return backends.ErrUnavailable }
	engine := func(name string, available func() error) backends.Engine {
		return backends.Engine{Name: name, Available: available}
	}
	for want, table := range map[string][]backends.Engine{
		"epoll":     {engine("goroutine", can), engine("epoll", can), engine("iouring", can)},
		"goroutine": {engine("iouring", can), engine("epoll", cannot), engine("goroutine", can)},
		"other":     {engine("other", can), engine("another", can)},
	} {
		if got := DefaultBackend(table); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// exchange sends a packet over conn and expects its echo.
func exchange(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(protocol.Append(nil, protocol.DataSend, []byte(text))); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, protocol.HeaderSize+len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != string(protocol.Append(nil, protocol.DataEcho, []byte(text))) {
		t.Fatalf("got %q, %v", got, err)
	}
}

func dial(t *testing.T, address net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestDrainEndsWithTheClients: a client that finishes when it is asked to ends the drain, and nothing is
// counted as cut off.
func TestDrainEndsWithTheClients(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Backend = "goroutine" })
	ctx, stop := context.WithCancel(t.Context())
	done := f.run(ctx)
	conn := dial(t, f.Addr())
	exchange(t, conn, "hello")
	if !f.Ready() {
		t.Error("a serving server is not ready")
	}
	stop()
	goAway := make([]byte, protocol.HeaderSize+4)
	if _, err := io.ReadFull(conn, goAway); err != nil || protocol.ParseHeader(goAway).Kind != protocol.GoAway {
		t.Fatalf("got %q, %v; want GOAWAY", goAway, err)
	}
	if f.Ready() {
		t.Error("a draining server is ready")
	}
	exchange(t, conn, "sent before I knew")
	conn.(*net.TCPConn).CloseWrite()
	if err := wait(t, done); err != nil {
		t.Fatal(err)
	}
	s := f.Statistics()
	if s.PacketsIn != 2 || s.CutOff != 0 || s.Open != 0 || s.Pool.InUse != 0 || s.Closes[CloseFinished] != 1 {
		t.Errorf("got %+v", s)
	}
	for _, want := range []string{"msg=draining connections=1", "msg=stopped connections=1 packets=2", "cut_off=0"} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, f.log)
		}
	}
}

// TestDrainIsBounded: a client that ignores GOAWAY is cut off, and counted.
func TestDrainIsBounded(t *testing.T) {
	f := newFixture(t, func(o *Options) {
		o.Backend = "goroutine"
		o.Session.DrainTimeout, o.Session.Linger = 50*time.Millisecond, 50*time.Millisecond
	})
	ctx, stop := context.WithCancel(t.Context())
	done := f.run(ctx)
	exchange(t, dial(t, f.Addr()), "hello")
	stop()
	if err := wait(t, done); err != nil {
		t.Fatal(err)
	}
	if s := f.Statistics(); s.CutOff != 1 || s.Open != 0 || s.Pool.InUse != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestDrainOfAnEngineThatHangs: an engine whose drain never ends is closed.
func TestDrainOfAnEngineThatHangs(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Session.DrainTimeout, o.Session.Linger = time.Millisecond, time.Millisecond })
	ctx, stop := context.WithCancel(t.Context())
	done := f.run(ctx)
	stop()
	if err := wait(t, done); err != nil || f.engine.seen() != "drain close" {
		t.Errorf("got %v after %q", err, f.engine.seen())
	}
}

// TestCloseDuringDrain: Close ends a drain without limit.
func TestCloseDuringDrain(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Session.DrainTimeout = 0 })
	ctx, stop := context.WithCancel(t.Context())
	done := f.run(ctx)
	stop()
	until(t, "the drain", func() bool { return f.engine.seen() == "drain" })
	f.Close()
	if err := wait(t, done); err != nil {
		t.Error(err)
	}
}

func TestEngineFails(t *testing.T) {
	f := newFixture(t, nil)
	f.engine.end <- errors.New("the loop broke")
	err := wait(t, f.run(t.Context()))
	if err == nil || err.Error() != "the engine fake failed: the loop broke" || errors.Is(err, ErrUsage) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(f.log.String(), "stopped by a failure") {
		t.Errorf("log: %s", f.log)
	}
}

// TestNoPauseReachesTheSessions: what the engine can't do is the sessions' business, after a change too.
func TestNoPauseReachesTheSessions(t *testing.T) {
	f := newFixture(t, nil)
	if _, err := f.Update(map[string]string{"linger": "1s"}); err != nil {
		t.Fatal(err)
	}
	if !f.Service().Settings().NoPause {
		t.Error("the sessions rely on pausing")
	}
	g := newFixture(t, func(o *Options) { o.Backend = "goroutine" })
	defer g.Close()
	if g.Service().Settings().NoPause {
		t.Error("the sessions don't use pausing")
	}
}

func TestLogLevelIsLive(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.LogLevel = slog.LevelError })
	f.Update(map[string]string{"linger": "1s"})
	f.Update(map[string]string{"log-level": "info"})
	f.Update(map[string]string{"linger": "2s"})
	if log := f.log.String(); strings.Contains(log, "2s -> 1s") || !strings.Contains(log, "1s -> 2s") {
		t.Errorf("log:\n%s", log)
	}
}

func TestWork(t *testing.T) {
	const each = 20 * time.Millisecond
	f := newFixture(t, func(o *Options) { o.Backend, o.Work = "goroutine", each })
	done := f.run(t.Context())
	conn, began := dial(t, f.Addr()), time.Now()
	exchange(t, conn, "one")
	exchange(t, conn, "two")
	if took := time.Since(began); took < 2*each {
		t.Errorf("two packets took %s", took)
	}
	f.Close()
	if err := wait(t, done); err != nil {
		t.Error(err)
	}
}

func TestClassify(t *testing.T) {
	for want, reason := range map[CloseReason]error{
		CloseFinished: nil, CloseReset: fmt.Errorf("%w: by the peer", backends.ErrReset), CloseStopped: backends.ErrStopped,
		CloseNoPause: backends.ErrNoPause, CloseWriteTimeout: session.ErrWriteTimeout, CloseOther: io.ErrNoProgress,
		CloseError: fmt.Errorf("ended: %w", &protocol.Violation{Code: protocol.CodeIdle}),
	} {
		if got := classify(reason); got != want {
			t.Errorf("%v is %s, want %s", reason, got, want)
		}
	}
}

func TestActivity(t *testing.T) {
	if got, want := newFixture(t, nil).Statistics().Activity, (Activity{Known: true, Turns: 1, Reads: 2, Writes: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	plain := newFixture(t, func(o *Options) { o.Backend = "goroutine" })
	defer plain.Close()
	if got := plain.Statistics().Activity; got != (Activity{}) {
		t.Errorf("got %+v from an engine without loops", got)
	}
}

// TestWarnsOfNoPause: the fake engine can't pause reading.
func TestWarnsOfNoPause(t *testing.T) {
	const warning = "engine can't pause reading"
	f := newFixture(t, func(o *Options) { o.Session.Outbox.Policy = buffer.Drop })
	if strings.Contains(f.log.String(), warning) {
		t.Errorf("warned with overflow=drop: %s", f.log)
	}
	if _, err := f.Update(map[string]string{"overflow": "block"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Update(map[string]string{"linger": "1s"}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(f.log.String(), warning); n != 1 {
		t.Errorf("warned %d times, want once: %s", n, f.log)
	}
}
