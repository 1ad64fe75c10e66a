package load

import (
	"bytes"
	"fmt"

	"echosrv/protocol"
)

// enoughToTell is how many bytes of a packet identify it among the others of a script.
const enoughToTell = protocol.HeaderSize + 8

// verdict explains the evidence of a flow: what is wrong with the first echo that is.
func (f *flow) verdict() (Cause, string) {
	d := diagnosis{script: f.script, packet: f.inPacket, number: f.answered + 1, inFlight: f.inFlight, from: f.aside.from, got: f.aside.evidence}
	cause, sentence := d.explain()
	return cause, fmt.Sprintf("connection %d: %s", f.name, sentence)
}

// A diagnosis compares what arrived in place of an echo with everything that it could have been.
type diagnosis struct {
	script   *script
	packet   int   // of the script: the echo that was due
	number   int64 // of that echo on its connection, from 1, for sentences
	inFlight int   // packets sent and not echoed, this one included
	from     int   // bytes of it that were right, if got begins behind them
	got      []byte
}

func (d diagnosis) explain() (Cause, string) {
	if d.from > 0 {
		return d.damaged()
	}
	if q, found := d.otherPacket(); found {
		return d.misplaced(q)
	}
	if len(d.got) < protocol.HeaderSize {
		return d.notEcho()
	}
	want := d.script.expected(d.packet)
	h, due := protocol.ParseHeader(d.got), protocol.ParseHeader(want)
	if d.inFlight == 0 || h.Kind != due.Kind || h.Flags != 0 {
		return d.notEcho()
	}
	if h.Length != due.Length {
		return WrongLength, fmt.Sprintf("echo %d has %d bytes of payload, %d were sent", d.number, h.Length, due.Length)
	}
	return d.damaged()
}

// damaged explains an echo that began right.
func (d diagnosis) damaged() (Cause, string) {
	want := d.script.expected(d.packet)
	if at := d.nextEcho(); at > 0 && d.from+at != len(want) {
		return WrongLength, fmt.Sprintf("echo %d takes %d bytes with its header, %d were sent", d.number, d.from+at, len(want))
	}
	at := d.from + firstDifference(d.got, want[d.from:])
	return Corrupted, fmt.Sprintf("echo %d differs from what was sent at byte %d of %d of its payload",
		d.number, at-protocol.HeaderSize, len(want)-protocol.HeaderSize)
}

// otherPacket looks for what arrived among the packets in flight, and then among those already echoed; q
// counts from the packet that was due, backwards below 0.
func (d diagnosis) otherPacket() (q int, found bool) {
	for q := 1; q < d.inFlight; q++ {
		if d.arrived(q) {
			return q, true
		}
	}
	// A script goes round: further back are the packets in flight again.
	back := min(int64(d.script.packets()-d.inFlight), d.number-1)
	for q := -1; int64(q) >= -back; q-- {
		if d.arrived(q) {
			return q, true
		}
	}
	return 0, false
}

// arrived reports whether the evidence begins with that echo, as far as it goes.
func (d diagnosis) arrived(q int) bool {
	p := d.script.expected(d.packet + q)
	return bytes.HasPrefix(d.got, p) || len(d.got) >= enoughToTell && bytes.HasPrefix(p, d.got)
}

func (d diagnosis) misplaced(q int) (Cause, string) {
	came := d.number + int64(q)
	if q < 0 {
		return Duplicated, fmt.Sprintf("echo %d came again where echo %d was due", came, d.number)
	}
	if bytes.Contains(d.got, d.script.expected(d.packet)) {
		return Reordered, fmt.Sprintf("echo %d came before echo %d", came, d.number)
	}
	return Dropped, fmt.Sprintf("echo %d came where echo %d was due, which never came", came, d.number)
}

// nextEcho is where in the evidence the echo after the due one begins; 0: nowhere.
func (d diagnosis) nextEcho() int {
	if d.inFlight < 2 {
		return 0
	}
	next := d.script.expected(d.packet + 1)
	return max(bytes.Index(d.got, next[:min(len(next), enoughToTell)]), 0)
}

// notEcho explains bytes in a place where the protocol has none like them.
func (d diagnosis) notEcho() (Cause, string) {
	sample := d.got[:min(len(d.got), 16)]
	if d.inFlight > 0 {
		want := d.script.expected(d.packet)
		if at := bytes.Index(d.got, want[:min(len(want), enoughToTell)]); at > 0 {
			return WrongLength, fmt.Sprintf("%d bytes too many came before echo %d: % x", at, d.number, sample)
		}
		if d.script.framed && len(d.got) >= protocol.HeaderSize && protocol.ParseHeader(d.got).Kind == protocol.DataSend {
			return NotEcho, "the packet came back with its kind unchanged; is this a plain byte echo, to be loaded in raw mode?"
		}
	}
	if d.number > 1 {
		return WrongLength, fmt.Sprintf("bytes that nobody asked for came after echo %d: % x", d.number-1, sample)
	}
	return NotEcho, fmt.Sprintf("what came first is not an echo: % x (%q)", sample, sample)
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
