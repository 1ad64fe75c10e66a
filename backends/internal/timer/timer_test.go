package timer

import (
	"slices"
	"strconv"
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
			at := h.Next()
			key, ok := h.Due(now)
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

// However connections come and go, the deadlines of those that are there come out, in order, and what the others
// left is not more than that and a constant.
func TestHeapForgetsWhatHasGone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Heap
		here := map[uint64]time.Duration{}
		var keys []uint64 // of those here
		key := uint64(0)
		for range rapid.IntRange(0, 5).Draw(t, "waves") {
			for range rapid.IntRange(0, 2000).Draw(t, "come") {
				key++
				at := time.Duration(key*2654435761%100_000 + 1)
				h.Add(at, key)
				here[key] = at
				keys = append(keys, key)
			}
			for range min(len(keys), rapid.IntRange(0, 3000).Draw(t, "go")) {
				i := int(key*40503) % len(keys)
				h.Forget(keys[i])
				delete(here, keys[i])
				keys[i] = keys[len(keys)-1]
				keys = keys[:len(keys)-1]
				key++
				if most := 2*len(keys) + 2*fewGone; h.Len() > most {
					t.Fatalf("%d entries for %d connections, want at most %d", h.Len(), len(keys), most)
				}
			}
		}
		last := time.Duration(0)
		for {
			at := h.Next()
			key, ok := h.Due(time.Hour)
			if !ok {
				break
			}
			if at < last {
				t.Fatalf("%d came after %d", at, last)
			}
			last = at
			if want, is := here[key]; is && at != want {
				t.Fatalf("key %d came for %d, want %d", key, at, want)
			}
			delete(here, key)
		}
		if len(here) > 0 {
			t.Fatalf("%d deadlines of connections that are there never came", len(here))
		}
	})
}

// However a deadline moves, it is looked at when it has come.
func TestTicketMissesNoDeadline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Heap
		var ticket Ticket
		var now, deadline time.Duration
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "moves") {
				deadline = 0
				if in := rapid.IntRange(0, 30).Draw(t, "in"); in > 0 {
					deadline = now + time.Duration(in)
				}
			}
			if ticket.File(deadline) {
				h.Add(deadline, 1)
			}
			now += time.Duration(rapid.IntRange(0, 10).Draw(t, "passes"))
			looked := false
			for {
				_, ok := h.Due(now)
				if !ok {
					break
				}
				looked = ticket.Pass(now) || looked
			}
			if deadline != 0 && deadline <= now {
				if !looked {
					t.Fatalf("at %d the deadline %d was not looked at", now, deadline)
				}
				deadline = 0
			}
		}
	})
}

// A near deadline again and again in front of one that is far, and moves, leaves nothing behind.
func TestTicketKeepsTheFarDeadline(t *testing.T) {
	var h Heap
	var ticket Ticket
	file := func(at time.Duration) {
		if ticket.File(at) {
			h.Add(at, 1)
		}
	}
	for now := time.Duration(0); now < 30_000; now++ {
		file(now + 30_000) // from silence
		file(now + 1)      // a batch
		for {
			if _, ok := h.Due(now); !ok {
				break
			}
			ticket.Pass(now)
		}
		if h.Len() > 2 {
			t.Fatalf("%d entries of one connection after %d batches", h.Len(), now)
		}
	}
}

// An earlier deadline that is added while the service sleeps for a later one fires first, and not before its time.
func TestServiceFiresEarlierDeadlineThatCameLater(t *testing.T) {
	start := time.Now()
	now := func() time.Duration { return time.Since(start) + 1 }
	due := map[uint64]time.Duration{1: time.Millisecond, 2: time.Hour}
	fired := make(chan uint64, len(due))
	s := NewService(now, func(key uint64) {
		if now() < due[key] {
			t.Errorf("key %d fired before its time", key)
		}
		fired <- key
	})
	defer s.Close()
	s.Add(due[2], 2)
	s.Add(due[1], 1)
	select {
	case key := <-fired:
		if key != 1 {
			t.Errorf("key %d fired first", key)
		}
	case <-time.After(time.Minute):
		t.Fatal("not fired within a minute")
	}
}

// Connections that come and go cost the heap no allocation, and what a flood made of it is given back.
func TestHeapReusesItsMemory(t *testing.T) {
	var h Heap
	key := uint64(0)
	flood := func(n int) {
		first := key + 1
		for range n {
			key++
			h.Add(time.Duration(key), key)
		}
		for ; first <= key; first++ {
			h.Forget(first)
		}
	}
	flood(100_000)
	if most := 8 * fewGone; cap(h.entries) > most || cap(h.gone) > most {
		t.Errorf("room for %d entries and %d forgotten keys after a flood, want at most %d", cap(h.entries), cap(h.gone), most)
	}
	flood(5000)
	if n := testing.AllocsPerRun(10, func() {
		for range 1000 {
			flood(1)
		}
	}); n != 0 {
		t.Errorf("1000 connections in turn made %g allocations", n)
	}
}

// What a connection costs the heap from its first deadline to its end, beside a number of others.
func BenchmarkHeap(b *testing.B) {
	for _, others := range []int{0, 10_000} {
		b.Run(strconv.Itoa(others), func(b *testing.B) {
			var h Heap
			for i := range others {
				h.Add(time.Hour, 1<<40+uint64(i))
			}
			b.ReportAllocs()
			key := uint64(0)
			for b.Loop() {
				key++
				h.Add(time.Minute+time.Duration(key), key)
				h.Forget(key)
			}
		})
	}
}
