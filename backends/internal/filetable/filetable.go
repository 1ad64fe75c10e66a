// Package filetable is about a full table of file descriptors. It spaces the attempts and the warnings of engines
// that can't accept, and watches the table for libraries that don't survive such a failure: their engines refuse
// newcomers while nearly no descriptor is left.
package filetable

import (
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"

	"echosrv/backends"
)

// Table counts the sockets of one engine. It is safe for concurrent use.
type Table struct {
	library  string
	beside   int // descriptors that are in use for other things, or kept free
	log      *slog.Logger
	open     atomic.Int64 // sockets that the library holds, those it is about to close among them
	warnings Warnings
}

// Descriptors kept free: those of a loop itself and what it may accept before it hears that a newcomer is
// to be closed, and some for whatever else the process opens.
const (
	sparePerLoop = 6
	spareBeside  = 8
)

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
	if t.warnings.Due(backends.Now()) {
		t.log.Warn("newcomers are refused: nearly no file descriptor is left, and the library does not survive when none is",
			"library", t.library, "connections", n-1, "limit", limit.Cur)
	}
	return false
}

// Closed takes back what Opened counted.
func (t *Table) Closed() { t.open.Add(-1) }
