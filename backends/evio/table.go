package evio

import (
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"echosrv/backends"
)

// table watches the process's table of descriptors, since the library does not survive when it is full.
type table struct {
	spare  int // descriptors to be kept free
	log    *slog.Logger
	logged atomic.Int64 // time of the last warning
}

// Descriptors kept free for the library: what a loop may accept before it hears that a newcomer is to be
// closed, and some for whatever else the process opens.
const (
	sparePerLoop = 4
	spareBeside  = 8
)

const logEvery = time.Second

func newTable(config backends.Config) *table {
	return &table{spare: spareBeside + sparePerLoop*config.Threads, log: config.Log}
}

// nearlyFull opens a descriptor to see its number: the kernel always gives the lowest that is free.
func (t *table) nearlyFull() bool {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return false
	}
	fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err == nil {
		syscall.Close(fd)
		if uint64(fd+t.spare) < uint64(limit.Cur) {
			return false
		}
	}
	now, last := int64(backends.Now()), t.logged.Load()
	if (last == 0 || now-last >= int64(logEvery)) && t.logged.CompareAndSwap(last, now) {
		t.log.Warn("newcomers are refused: nearly no file descriptor is left, and evio does not survive when none is", "limit", limit.Cur)
	}
	return true
}
