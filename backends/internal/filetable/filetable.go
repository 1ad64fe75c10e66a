// Package filetable watches the process's table of file descriptors, for libraries that don't survive an
// accept that fails because the table is full: an engine refuses newcomers while nearly none is left.
package filetable

import (
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"echosrv/backends"
)

// Table counts the sockets of one engine. It is safe for concurrent use.
type Table struct {
	library string
	beside  int // descriptors that are in use for other things, or kept free
	log     *slog.Logger
	open    atomic.Int64 // sockets that the library holds, those it is about to close among them
	logged  atomic.Int64 // time of the last warning
}

// Descriptors kept free: those of a loop itself and what it may accept before it hears that a newcomer is
// to be closed, and some for whatever else the process opens.
const (
	sparePerLoop = 6
	spareBeside  = 8
)

const logEvery = time.Second

// Watch is called before the library starts its loops; library is its name, for the log.
func Watch(library string, config backends.Config) *Table {
	beside := spareBeside + sparePerLoop*config.Threads
	if entries, err := os.ReadDir("/dev/fd"); err == nil {
		beside += len(entries)
	}
	return &Table{library: library, beside: beside, log: config.Log}
}

// Opened counts a newcomer. It reports whether there is room for it; if not, it is to be closed at once.
func (t *Table) Opened() bool {
	n := t.open.Add(1)
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return true
	}
	if uint64(t.beside)+uint64(n) < uint64(limit.Cur) {
		return true
	}
	now, last := int64(backends.Now()), t.logged.Load()
	if (last == 0 || now-last >= int64(logEvery)) && t.logged.CompareAndSwap(last, now) {
		t.log.Warn("newcomers are refused: nearly no file descriptor is left, and the library does not survive when none is",
			"library", t.library, "connections", n-1, "limit", limit.Cur)
	}
	return false
}

// Closed takes back what Opened counted.
func (t *Table) Closed() { t.open.Add(-1) }
