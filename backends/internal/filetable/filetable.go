// Package filetable is about a full table of file descriptors. It spaces the attempts and the warnings of engines
// that can't accept, and watches the table for libraries that don't survive such a failure: their engines refuse
// newcomers while nearly no descriptor is left.
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

// Pause is how long an acceptor waits after an accept that failed for want of descriptors: longer each time, as an
// accept fails even with nobody waiting. The zero Pause is ready.
type Pause struct{ last time.Duration }

const (
	minPause = 50 * time.Millisecond
	maxPause = 400 * time.Millisecond
)

// Next is the length of the pause that begins now.
func (p *Pause) Next() time.Duration {
	p.last = min(max(2*p.last, minPause), maxPause)
	return p.last
}

// Reset is called when somebody was accepted.
func (p *Pause) Reset() { p.last = 0 }

// Warnings spaces the warnings of a backend that can't accept: a second lies between two. Its loops share one.
type Warnings struct{ last atomic.Int64 }

// Due says whether it is time for one, which is then taken for given.
func (w *Warnings) Due(now time.Duration) bool {
	last := w.last.Load()
	return (last == 0 || now-time.Duration(last) >= time.Second) && w.last.CompareAndSwap(last, int64(now))
}

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
