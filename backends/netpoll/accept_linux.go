package netpoll

import (
	"errors"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"echosrv/backends"
	"echosrv/backends/internal/sock"
)

const survivesFullTable = true

// Accept gives the next newcomer; nil for none, which is how the library wants it.
func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil
	}
	newcomer, err := l.Listener.Accept()
	var errno unix.Errno
	switch {
	case errors.As(err, &errno) && sock.TableFull(errno):
		l.table.refuse(l.Listener.Fd())
		return nil, nil
	case err == nil && newcomer != nil && l.refusing.Load():
		newcomer.Close()
		return nil, nil
	}
	return newcomer, err
}

// fullTable deals with newcomers that there is no descriptor for.
type fullTable struct {
	reserve *sock.Reserve
	log     *slog.Logger
	logged  time.Duration
}

func (t *fullTable) open(log *slog.Logger) (err error) {
	t.log = log
	t.reserve, err = sock.NewReserve()
	return err
}

func (t *fullTable) close() { t.reserve.Close() }

const (
	logEvery = time.Second
	// retryAfter is how long the poller sleeps when not even the reserve was left, since it would spin.
	retryAfter = 10 * time.Millisecond
)

func (t *fullTable) refuse(listener int) {
	if now := backends.Now(); t.logged == 0 || now-t.logged >= logEvery {
		t.logged = now
		t.log.Warn("newcomers are refused: no file descriptor is left; those connected go on")
	}
	if !t.reserve.Refuse(listener) {
		time.Sleep(retryAfter)
	}
}
