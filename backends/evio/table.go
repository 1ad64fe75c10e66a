package evio

import (
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"echosrv/backends"
)

// table watches the process's table of descriptors, since the library does not survive when it is full.
type table struct {
	beside int // descriptors that are in use for other things, or kept free
	log    *slog.Logger
	open   atomic.Int64 // sockets that the library holds, those it is about to close among them
	logged atomic.Int64 // time of the last warning
}

// Descriptors kept free: those of a loop itself and what it may accept before it hears that a newcomer is
// to be closed, and some for whatever else the process opens.
const (
	sparePerLoop = 6
	spareBeside  = 8
)

const logEvery = time.Second

func newTable(config backends.Config) *table {
	beside := spareBeside + sparePerLoop*config.Threads
	if entries, err := os.ReadDir("/dev/fd"); err == nil {
		beside += len(entries)
	}
	return &table{beside: beside, log: config.Log}
}

// opened counts a newcomer. It reports whether there is room for it.
func (t *table) opened() bool {
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
		t.log.Warn("newcomers are refused: nearly no file descriptor is left, and evio does not survive when none is",
			"connections", n-1, "limit", limit.Cur)
	}
	return false
}

func (t *table) closed() { t.open.Add(-1) }
