package server

import (
	"sync/atomic"
	"time"
)

// throttleInterval is the least time between two log lines of one kind.
const throttleInterval = time.Second

// throttle lets one line in a throttleInterval through and counts those that it holds back. The zero
// throttle is ready, and safe for concurrent use.
type throttle struct {
	next atomic.Int64 // nanoseconds, on the clock of backends.Now
	held atomic.Uint64
}

// allow reports whether a line may be written now, and how many were held back since the last one.
func (t *throttle) allow(now time.Duration) (ok bool, held uint64) {
	next := t.next.Load()
	if int64(now) < next || !t.next.CompareAndSwap(next, int64(now+throttleInterval)) {
		t.held.Add(1)
		return false, 0
	}
	return true, t.held.Swap(0)
}
