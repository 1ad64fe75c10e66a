package load

import "fmt"

// A flow is the client's half of one connection, without its socket and without a clock: what to send
// next, what must come back, and whether it did. One loop owns it.
//
// It keeps three places in the script: next is the packet that will be started next, outOff the byte
// that will be written next, inOff the byte that must arrive next.
//
//	echoed         owed: written, not echoed     queued: started, not written
//	---------|------------------------------|-----------------------------|------
//	       inOff                          outOff                  starts[next]
//
// Bytes that are not the ones at inOff are either a packet of another kind (aside.go) or wrong: then the
// flow collects evidence and is lost (evidence.go).
type flow struct {
	script  *script
	depth   int   // packets to keep in flight
	left    int64 // packets that may still be started; below 0: no limit
	name    int   // number of the connection, for sentences
	stopped bool  // no packet may be started any more
	told    bool  // the server sent an ERROR packet
	away    bool  // the server sent a GOAWAY

	next     int // packet
	outOff   int // byte offset in the script
	inOff    int
	inPacket int // the packet that inOff is in
	queued   int // bytes
	owed     int // bytes
	inFlight int // packets started and not wholly echoed
	answered int64
	batches  fifo[batch]

	aside *aside // set while something else than echoes is coming or going
}

// A batch is packets that were started together.
type batch struct {
	sent int64 // ns: right before they were given to the kernel
	due  int64 // ns: when they should have been; the same in the closed loop
	n    int
}

// newFlow begins at a packet of the script that differs from connection to connection.
func newFlow(s *script, name, depth int, seed uint64) flow {
	i := int(newRandom(seed, uint64(name)+1).Uint64() % uint64(s.packets()))
	f := flow{script: s, depth: depth, left: -1, name: name, next: i, inPacket: i}
	f.inOff = s.starts[i]
	f.outOff = f.inOff
	return f
}

// room is how many packets may be started now.
func (f *flow) room() int {
	n := f.depth - f.inFlight
	if f.left >= 0 && int64(n) > f.left {
		n = int(f.left)
	}
	if f.stopped {
		return 0
	}
	return n
}

// start gives the next n packets to be sent, n being at most room. They count as sent at now and as due at due.
func (f *flow) start(now, due int64, n int) {
	f.queued += f.script.span(f.next, n)
	f.next += n
	if f.next >= f.script.packets() {
		f.next -= f.script.packets()
	}
	f.inFlight += n
	if f.left > 0 {
		f.left -= int64(n)
	}
	f.batches.push(batch{sent: now, due: due, n: n})
}

// stop ends the sending: what was begun goes out to the end of its packet, what was not is forgotten.
// It returns the number of packets forgotten.
func (f *flow) stop() int {
	f.stopped = true
	if f.queued == 0 {
		return 0
	}
	rest := f.untilBoundary()
	forgotten := 0
	for f.queued > rest {
		f.next--
		if f.next < 0 {
			f.next = f.script.packets() - 1
		}
		f.queued -= f.script.span(f.next, 1)
		forgotten++
	}
	f.inFlight -= forgotten
	for n := forgotten; n > 0; {
		last := f.batches.last()
		k := min(n, last.n)
		last.n -= k
		n -= k
		if last.n == 0 {
			f.batches.dropLast()
		}
	}
	return forgotten
}

// untilBoundary is how many bytes are missing to the end of a packet of which a part was written.
func (f *flow) untilBoundary() int {
	i := f.script.packetAt(f.outOff)
	if f.script.starts[i] == f.outOff {
		return 0
	}
	return f.script.starts[i+1] - f.outOff
}

// idle reports whether everything that was started was echoed and nothing waits to be written.
func (f *flow) idle() bool { return f.inFlight == 0 && f.queued == 0 && !f.hasOutput() }

// done reports whether nothing will be started any more and all that was is echoed.
func (f *flow) done() bool { return (f.stopped || f.left == 0) && f.idle() }

func (f *flow) hasOutput() bool { return f.queued > 0 || f.aside != nil && len(f.aside.out) > 0 }

// output is what to write now, in one or two pieces. There may be more after it: ask again after wrote,
// until hasOutput is false.
func (f *flow) output() (a, b []byte) {
	n := f.queued
	if f.aside != nil && len(f.aside.out) > 0 {
		n = f.aside.outAfter
		if n == 0 {
			return f.aside.out, nil
		}
	}
	a = f.script.run(f.outOff, n)
	if len(a) == n {
		return a, nil
	}
	next := f.outOff + len(a)
	if next == f.script.size() {
		next = 0
	}
	return a, f.script.run(next, n-len(a))
}

// wrote says that the first n bytes of output were taken by the kernel.
func (f *flow) wrote(n int) {
	if f.aside != nil && len(f.aside.out) > 0 {
		n = f.asideWrote(n)
	}
	f.queued -= n
	f.owed += n
	f.outOff += n
	if f.outOff >= f.script.size() {
		f.outOff -= f.script.size()
	}
}

// receive takes bytes that arrived at now, checks them, and records what they complete. b is only read.
func (f *flow) receive(now int64, b []byte, m *meter) {
	if f.aside == nil && len(b) <= f.owed {
		if w, ok := f.script.match(f.inOff, f.inPacket, b); ok {
			f.went(now, w, len(b), m)
			return
		}
	}
	f.receiveAside(now, b, m)
}

// went goes forward over n echoed bytes, which lead to w.
func (f *flow) went(now int64, w walk, n int, m *meter) {
	f.inOff, f.inPacket = w.off, w.packet
	f.owed -= n
	if w.packets == 0 {
		return
	}
	f.inFlight -= w.packets
	f.answered += int64(w.packets)
	m.echoed(w.packets, w.wire)
	for n := w.packets; n > 0; {
		first := f.batches.first()
		k := min(n, first.n)
		m.latency(now, first.sent, first.due, k)
		n -= k
		first.n -= k
		if first.n == 0 {
			f.batches.dropFirst()
		}
	}
}

// place says in words how far the connection was.
func (f *flow) place() string {
	missing := f.script.starts[f.inPacket+1] - f.inOff
	switch begun := f.inOff - f.script.starts[f.inPacket]; {
	case begun > 0:
		return fmt.Sprintf("in the middle of echo %d, %d bytes before its end", f.answered+1, missing)
	case f.inFlight > 0:
		return fmt.Sprintf("after echo %d, with %d more owed", f.answered, f.inFlight)
	default:
		return fmt.Sprintf("after echo %d, with none owed", f.answered)
	}
}
