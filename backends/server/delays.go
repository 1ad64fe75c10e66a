package server

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// delayBuckets is the number of buckets: below 1, 2, 4, ... microseconds, the last but one about a second,
// and one for the rest.
const delayBuckets = 22

// delays is a histogram of times in powers of two. It is safe for concurrent use.
type delays struct {
	counts [delayBuckets]atomic.Uint64
	sum    atomic.Int64 // nanoseconds
}

func (d *delays) observe(t time.Duration) {
	i := bits.Len64(uint64(max(t, 0) / time.Microsecond))
	d.counts[min(i, delayBuckets-1)].Add(1)
	d.sum.Add(int64(t))
}

// Delays are a histogram of times, at one moment.
type Delays struct {
	Count  uint64
	Sum    time.Duration
	counts [delayBuckets]uint64
}

func (d *delays) read() Delays {
	out := Delays{Sum: time.Duration(d.sum.Load())}
	for i := range out.counts {
		out.counts[i] = d.counts[i].Load()
		out.Count += out.counts[i]
	}
	return out
}

// Buckets gives the number of times below each bound, in seconds.
func (d Delays) Buckets() map[float64]uint64 {
	buckets, below := map[float64]uint64{}, uint64(0)
	for i, n := range d.counts[:delayBuckets-1] {
		below += n
		buckets[(time.Microsecond << i).Seconds()] = below
	}
	return buckets
}
