package session

import "sync/atomic"

// counterShards is a power of two. Sessions are spread over the shards, so that two threads seldom write
// to one cache line; a thread alone pays about five nanoseconds for a counter that nobody else touches.
const counterShards = 16

// Counters count what the sessions of a service did. They only grow.
type Counters struct {
	Opened, Closed    atomic.Uint64 // sessions
	PacketsIn         atomic.Uint64 // whole packets received
	BytesIn, BytesOut atomic.Uint64 // given to Receive; taken by sockets
	Dropped           atomic.Uint64 // packets discarded because the outbox was full
	Partial           atomic.Uint64 // packets whose end never arrived
	Violations        atomic.Uint64 // ERROR packets for broken rules and limits
	Kept              atomic.Uint64 // packets that went through the outbox
	Pauses            atomic.Uint64 // times that reading was stopped
	Throttled         atomic.Uint64 // times that reading was stopped for a rate
	Refused           atomic.Uint64 // sessions above Settings.MaxConnections
	Flushes           atomic.Uint64 // batches of mode Async
	_                 [24]byte
}

// Totals are the sums of Counters at one moment.
type Totals struct {
	Opened, Closed     uint64
	PacketsIn          uint64
	BytesIn, BytesOut  uint64
	Dropped, Partial   uint64
	Violations         uint64
	Kept, Pauses       uint64
	Throttled, Refused uint64
	Flushes            uint64
}

func (s *Session) counters() *Counters { return &s.service.counters[s.id%counterShards] }

// Totals sums up what all sessions did.
func (v *Service) Totals() Totals {
	var t Totals
	for i := range v.counters {
		c := &v.counters[i]
		t.Opened += c.Opened.Load()
		t.Closed += c.Closed.Load()
		t.PacketsIn += c.PacketsIn.Load()
		t.BytesIn += c.BytesIn.Load()
		t.BytesOut += c.BytesOut.Load()
		t.Dropped += c.Dropped.Load()
		t.Partial += c.Partial.Load()
		t.Violations += c.Violations.Load()
		t.Kept += c.Kept.Load()
		t.Pauses += c.Pauses.Load()
		t.Throttled += c.Throttled.Load()
		t.Refused += c.Refused.Load()
		t.Flushes += c.Flushes.Load()
	}
	return t
}
