package filetable

import (
	"sync/atomic"
	"time"
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
