package load

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestConstantArrivals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.1, 1e6).Draw(t, "rate")
		n := rapid.IntRange(1, 5).Draw(t, "loops")
		// The loops take turns: together they are one even row.
		var shares []*schedule
		for i := range n {
			shares = append(shares, newSchedule(1000, rate, Constant, i, n, 1))
		}
		for k := range 50 * n {
			s := shares[k%n]
			want := 1000 + float64(k)*float64(time.Second)/rate
			if math.Abs(float64(s.next())-want) > 1+want*1e-12 {
				t.Fatalf("arrival %d is due at %d, want %.0f", k, s.next(), want)
			}
			s.take()
		}
	})
}

func TestConstantArrivalsDontDrift(t *testing.T) {
	s := newSchedule(0, 3, Constant, 0, 1, 1)
	for range 3_000_000 {
		s.take()
	}
	if want := int64(1_000_000) * int64(time.Second); s.next() != want {
		t.Errorf("after 3 million arrivals at 3/s: %d ns, want %d", s.next(), want)
	}
}

func TestPoissonArrivals(t *testing.T) {
	const n, rate = 200_000, 1000.0
	s := newSchedule(0, rate, Poisson, 0, 1, 1)
	again := newSchedule(0, rate, Poisson, 0, 1, 1)
	var last int64
	var squares float64
	for range n {
		if s.next() != again.next() {
			t.Fatal("one seed gave two schedules")
		}
		gap := float64(s.next()-last) / float64(time.Second) * rate
		squares += (gap - 1) * (gap - 1)
		last = s.next()
		s.take()
		again.take()
	}
	if mean := float64(last) / float64(time.Second) * rate / n; math.Abs(mean-1) > 0.02 {
		t.Errorf("the mean gap is %.3f of what it should be", mean)
	}
	// The variance of an exponential distribution is its mean squared; that of even gaps is 0.
	if v := squares / n; math.Abs(v-1) > 0.05 {
		t.Errorf("the variance of the gaps is %.3f, want 1", v)
	}
}
