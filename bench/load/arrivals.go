package load

import (
	"math/rand/v2"
	"time"
)

// A schedule is when things are due, in absolute time: how late one of them was done moves none of the
// others. Two equal schedules give equal times, so that a backlog needs no memory: one runs ahead with the
// clock, the other follows with what was done.
type schedule struct {
	origin int64   // ns
	gap    float64 // ns between arrivals on average
	random *rand.Rand
	phase  float64 // ns after origin: the first arrival of a constant rate
	n      float64 // arrivals taken
	at     float64 // ns after origin: the next arrival
}

// newSchedule is the i-th of n schedules that together give rate arrivals per second from origin on.
func newSchedule(origin int64, rate float64, a Arrivals, i, n int, seed uint64) *schedule {
	s := &schedule{origin: origin, gap: float64(n) * float64(time.Second) / rate}
	if a == Poisson {
		s.random = newRandom(seed, ^uint64(i))
		s.at = s.random.ExpFloat64() * s.gap
	} else {
		s.phase = s.gap * float64(i) / float64(n)
		s.at = s.phase
	}
	return s
}

// next is when the next arrival is due.
func (s *schedule) next() int64 { return s.origin + int64(s.at) }

// take goes on to the arrival after it.
func (s *schedule) take() {
	if s.random != nil {
		s.at += s.random.ExpFloat64() * s.gap
		return
	}
	// A product, where a sum would gather rounding errors.
	s.n++
	s.at = s.phase + s.n*s.gap
}
