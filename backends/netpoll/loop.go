package netpoll

import (
	"bytes"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	lib "github.com/cloudwego/netpoll"

	"echosrv/backends"
)

// pollers is what the process has agreed on with the library.
var pollers struct {
	sync.Mutex
	users  int
	number int
	log    atomic.Pointer[slog.Logger]
	once   sync.Once
}

// takePollers sets the number of pollers, for one more backend.
func takePollers(number int, log *slog.Logger) error {
	p := &pollers
	p.Lock()
	defer p.Unlock()
	if p.users > 0 && p.number != number {
		return fmt.Errorf("netpoll's pollers belong to the whole process: another server uses %d of them, so this one can't have %d", p.number, number)
	}
	config := lib.Config{PollerNum: number}
	p.log.Store(log)
	// The logger must not be replaced while pollers run.
	p.once.Do(func() { config.LoggerOutput = logWriter{} })
	if err := lib.Configure(config); err != nil {
		return fmt.Errorf("failed to configure %d pollers: %w", number, err)
	}
	lib.Initialize()
	p.users++
	p.number = number
	return nil
}

// givePollers ends all pollers but one when nobody needs them; the library always keeps one.
func givePollers() {
	p := &pollers
	p.Lock()
	defer p.Unlock()
	if p.users--; p.users == 0 && p.number > 1 {
		_ = lib.Configure(lib.Config{PollerNum: 1})
		lib.Initialize()
	}
}

// logWriter takes the library's log. Its lines tell of single connections, so they are for debugging.
type logWriter struct{}

func (logWriter) Write(line []byte) (int, error) {
	if log := pollers.log.Load(); log != nil {
		log.Debug("from the library", "line", string(bytes.TrimSpace(line)))
	}
	return len(line), nil
}

// listener is the library's, with its accepting under control.
type listener struct {
	lib.Listener
	started chan struct{} // closed when the event loop knows the listener
	start   sync.Once

	mu       sync.Mutex
	closed   bool
	refusing atomic.Bool
	table    fullTable
}

func listen(config backends.Config) (*listener, error) {
	inner, err := lib.CreateListener("tcp", config.Address)
	if err != nil {
		return nil, err
	}
	l := &listener{Listener: inner, started: make(chan struct{})}
	if err := l.table.open(config.Log); err != nil {
		inner.Close()
		return nil, err
	}
	return l, nil
}

// Fd is asked for once, by the event loop when it begins.
func (l *listener) Fd() int {
	l.start.Do(func() { close(l.started) })
	return l.Listener.Fd()
}

// refuse has newcomers closed from now on.
func (l *listener) refuse() { l.refusing.Store(true) }

// Close may be called more than once, and while a poller is about to accept.
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.table.close()
	return l.Listener.Close()
}
