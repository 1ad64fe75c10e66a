package server

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"echosrv/backends"
	"echosrv/backends/goroutine"
)

// fakeBackend is an engine without connections whose end the test decides.
type fakeBackend struct {
	mu     sync.Mutex
	events []string
	end    chan error // what Serve returns
	once   sync.Once
}

func (f *fakeBackend) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, what)
}

func (f *fakeBackend) seen() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.events, " ")
}

func (f *fakeBackend) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7} }
func (f *fakeBackend) Serve() error   { return <-f.end }
func (f *fakeBackend) Drain()         { f.note("drain") }

// Activity makes fakeBackend Active.
func (f *fakeBackend) Activity() (turns, reads, writes uint64) { return 1, 2, 3 }

func (f *fakeBackend) Close() error {
	f.note("close")
	f.once.Do(func() { f.end <- nil })
	return nil
}

// table holds the real engine that runs everywhere, and two that a test needs: one that is driven by it and
// has no abilities, and one that can't run.
func table(f *fakeBackend) []backends.Engine {
	return []backends.Engine{
		goroutine.Engine(),
		{
			Name: "fake", Threads: func() int { return 3 }, MaxThreads: 8, Available: func() error { return nil },
			Options: []backends.Option{{Key: "colour", Default: "red", Check: backends.Choice("red", "blue")}},
			New:     func(backends.Config) (backends.Backend, error) { return f, nil },
		},
		{
			Name: "absent", Threads: func() int { return 1 },
			Available: func() error { return errors.Join(backends.ErrUnavailable, errors.New("this kernel forbids it")) },
			New:       func(backends.Config) (backends.Backend, error) { panic("must not be made") },
		},
	}
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// fixture is a server with a driven engine.
type fixture struct {
	*Server
	engine *fakeBackend
	log    *logBuffer
}

// keepProcs undoes at the end of the test what New does to the process.
func keepProcs(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

func newFixture(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	keepProcs(t)
	f := &fixture{engine: &fakeBackend{end: make(chan error, 1)}, log: &logBuffer{}}
	o := DefaultOptions()
	o.Backend, o.Listen = "fake", "127.0.0.1:0"
	if change != nil {
		change(&o)
	}
	var err error
	if f.Server, err = New(o, table(f.engine), f.log); err != nil {
		t.Fatal(err)
	}
	return f
}

// run starts Run and returns its result.
func (f *fixture) run(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return done
}

const patience = 20 * time.Second

func wait[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing happened")
		panic("unreachable")
	}
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		time.Sleep(time.Millisecond)
	}
}
