// Package timer calls for sessions' deadlines without a runtime timer for each connection.
//
// A deadline moves with nearly every packet, mostly to a later time, and hardly ever passes. So nothing is
// moved: an entry stays where it was filed, and when it is due its owner is asked whether the deadline has
// moved in the meantime. An idle connection costs one entry and a Ticket. The entries of connections that have
// closed are taken out together, once they may be half of all.
package timer

import (
	"slices"
	"time"
)

// Heap holds the deadlines of one goroutine's connections, keyed by a number that the owner chooses
// (slot and generation, say). It is not safe for concurrent use; the zero Heap is empty and ready.
type Heap struct {
	entries []entry
	gone    []uint64 // keys given to Forget since the last sweep
}

// fewGone is how many connections may have gone before it is worth looking for what they left.
const fewGone = 512

type entry struct {
	at  time.Duration
	key uint64
}

// Add files key for the time at. A key may be filed more than once; see Ticket for how not to.
func (h *Heap) Add(at time.Duration, key uint64) {
	h.entries = append(h.entries, entry{at, key})
	i := len(h.entries) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if h.entries[parent].at <= h.entries[i].at {
			return
		}
		h.entries[parent], h.entries[i] = h.entries[i], h.entries[parent]
		i = parent
	}
}

// Forget says that nothing is to come of what key was filed for, as its connection has gone. The entries stay
// for a while: there are at most as many as those of the connections that are there, and a few hundred, however
// many come and go before a deadline passes. The key must not be used again.
func (h *Heap) Forget(key uint64) {
	h.gone = append(h.gone, key)
	if len(h.gone) < max(fewGone, len(h.entries)/2) {
		return
	}
	slices.Sort(h.gone)
	left := h.entries[:0]
	for _, e := range h.entries {
		if _, is := slices.BinarySearch(h.gone, e.key); !is {
			left = append(left, e)
		}
	}
	h.entries, h.gone = shrunk(left), shrunk(h.gone[:0])
	for i := len(left)/2 - 1; i >= 0; i-- {
		h.sink(i)
	}
}

// shrunk is s, moved to a smaller array if a flood has made its own far too large.
func shrunk[S ~[]E, E any](s S) S {
	if cap(s) <= 4*max(len(s), fewGone) {
		return s
	}
	return append(make(S, 0, 2*max(len(s), fewGone)), s...)
}

// Next is the earliest time filed; 0 if there is none.
func (h *Heap) Next() time.Duration {
	if len(h.entries) == 0 {
		return 0
	}
	return h.entries[0].at
}

// Due takes out the earliest entry if its time has come.
func (h *Heap) Due(now time.Duration) (key uint64, ok bool) {
	if len(h.entries) == 0 || h.entries[0].at > now {
		return 0, false
	}
	key = h.entries[0].key
	last := len(h.entries) - 1
	h.entries[0] = h.entries[last]
	h.entries = h.entries[:last]
	h.sink(0)
	return key, true
}

// Len is the number of entries, those of forgotten keys among them.
func (h *Heap) Len() int { return len(h.entries) }

func (h *Heap) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(h.entries) {
			return
		}
		if right := child + 1; right < len(h.entries) && h.entries[right].at < h.entries[child].at {
			child = right
		}
		if h.entries[i].at <= h.entries[child].at {
			return
		}
		h.entries[i], h.entries[child] = h.entries[child], h.entries[i]
		i = child
	}
}

// Ticket is what a connection remembers of its entries: the earliest, and the one that was the earliest before
// that. So a near deadline again and again in front of a far one (a batch to be sent, say, and a silence that is
// allowed) doesn't file the far one each time. A third is forgotten: it comes, and Pass says that it is nothing.
// The zero Ticket remembers none.
type Ticket struct{ first, second time.Duration }

// File says whether the deadline, 0 for none, must be added to the heap, as nothing comes early enough. The
// caller then adds it.
func (t *Ticket) File(deadline time.Duration) bool {
	if deadline == 0 || t.first != 0 && deadline >= t.first {
		return false
	}
	if t.second == 0 {
		t.second = t.first
	}
	t.first = deadline
	return true
}

// Pass says whether an entry that is remembered has come by now, and forgets all that have.
func (t *Ticket) Pass(now time.Duration) bool {
	passed := false
	for t.first != 0 && t.first <= now {
		t.first, t.second = t.second, 0
		passed = true
	}
	return passed
}
