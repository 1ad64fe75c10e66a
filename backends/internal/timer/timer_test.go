package timer

import (
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What comes out of a heap is what was put in, in order, and nothing before its time.
func TestHeapGivesDeadlinesInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOf(rapid.IntRange(1, 50)).Draw(t, "times")
		var h Heap
		for i, at := range times {
			h.Add(time.Duration(at), uint64(i))
		}
		now := time.Duration(rapid.IntRange(0, 60).Draw(t, "now"))
		var got []int
		for {
			key, at, ok := h.Due(now)
			if !ok {
				break
			}
			if times[key] != int(at) {
				t.Fatalf("key %d came with time %d, was filed for %d", key, at, times[key])
			}
			got = append(got, int(at))
		}
		var want []int
		for _, at := range times {
			if time.Duration(at) <= now {
				want = append(want, at)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("due at %d: got %v, want %v", now, got, want)
		}
		if h.Len() != len(times)-len(want) {
			t.Fatalf("%d entries are left of %d, %d came out", h.Len(), len(times), len(want))
		}
	})
}

func TestTicketWantsOnlyEarlierDeadlines(t *testing.T) {
	for _, c := range []struct {
		ticket   Ticket
		deadline time.Duration
		want     bool
	}{{0, 0, false}, {0, 5, true}, {5, 0, false}, {5, 4, true}, {5, 5, false}, {5, 6, false}} {
		if got := c.ticket.Wants(c.deadline); got != c.want {
			t.Errorf("Ticket(%d).Wants(%d) = %t, want %t", c.ticket, c.deadline, got, c.want)
		}
	}
}

// An earlier deadline that is added while the service sleeps for a later one fires first.
func TestServiceFiresEarlierDeadlineThatCameLater(t *testing.T) {
	start := time.Now()
	now := func() time.Duration { return time.Since(start) + 1 }
	var mu sync.Mutex
	var got []uint64
	second := make(chan struct{})
	s := NewService(now, func(key uint64, at time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if now() < at {
			t.Errorf("key %d fired before its time", key)
		}
		if got = append(got, key); len(got) == 2 {
			close(second)
		}
	})
	defer s.Close()
	begin := now()
	s.Add(begin+time.Hour, 3)
	s.Add(begin+200*time.Millisecond, 2)
	s.Add(begin+time.Millisecond, 1)
	select {
	case <-second:
	case <-time.After(time.Minute):
		t.Fatal("not fired within a minute")
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, []uint64{1, 2}) {
		t.Fatalf("fired %v, want 1 then 2", got)
	}
}
