// Package tally counts what loops do, for those who watch a server.
package tally

import "sync/atomic"

// Tally is the count of one loop. The loop counts in its own variables and adds them once a turn; others read.
type Tally struct{ turns, reads, writes atomic.Uint64 }

// Turn adds a turn of the loop, with the reads and writes that it tried.
func (t *Tally) Turn(reads, writes uint64) {
	t.turns.Add(1)
	t.reads.Add(reads)
	t.writes.Add(writes)
}

// Read gives the counts so far.
func (t *Tally) Read() (turns, reads, writes uint64) {
	return t.turns.Load(), t.reads.Load(), t.writes.Load()
}
