//go:build !linux

package netpoll

import (
	"log/slog"
	"net"
)

// survivesFullTable is false where there is no reserve of descriptors: the library copes with a full table
// only once, see the package comment.
const survivesFullTable = false

// Accept gives the next newcomer; nil for none, which is how the library wants it.
func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil
	}
	newcomer, err := l.Listener.Accept()
	if err == nil && newcomer != nil && l.refusing.Load() {
		newcomer.Close()
		return nil, nil
	}
	return newcomer, err
}

type fullTable struct{}

func (fullTable) open(*slog.Logger) error { return nil }
func (fullTable) close()                  {}
