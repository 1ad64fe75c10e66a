package buffer

import "sync"

// Policy says what happens to a packet for which a queue has no room.
type Policy uint8

const (
	// Block takes the packet and asks for no more input until the queue has drained below half.
	Block Policy = iota
	// Drop discards the packet, the newest.
	Drop
	// Close refuses it, and with it the connection.
	Close
)

// Policies are the names of the policies, by value.
var Policies = []string{Block: "block", Drop: "drop", Close: "close"}

func (p Policy) String() string { return Policies[p] }

// Limits bound a queue. Both count what is queued; whichever is reached first counts.
type Limits struct {
	Bytes   int
	Packets int
	Policy  Policy
}

// Verdict is what a full or nearly full queue says to one more packet.
type Verdict uint8

const (
	Accept  Verdict = iota // there is room
	Pause                  // take it, but then take no more input: policy Block
	Discard                // throw it away: policy Drop
	Refuse                 // end the connection: policy Close
)

// Queue is a first-in first-out queue of packets that wait to be written, in pieces of pooled buffers. An
// empty queue holds no memory but its own few words. It is not safe for concurrent use; the zero Queue is
// empty and ready.
type Queue struct {
	head, tail *chunk
	first      int32 // the oldest piece, in head
	next       int32 // the place behind the newest piece, in tail
	room       int32 // bytes free behind the newest piece, in a buffer that PushCopy took
	packets    int32
	bytes      int
}

// piece is a run of one packet's bytes. A packet may take several; the last one says so.
type piece struct {
	buf  *Buffer // one reference is the queue's
	off  int32
	n    int32
	last bool
}

const chunkPieces = 20 // makes a chunk 488 bytes, which fits the allocator's class of 512 closely

type chunk struct {
	pieces [chunkPieces]piece
	next   *chunk
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// Len is the number of bytes queued.
func (q *Queue) Len() int { return q.bytes }

// Packets is the number of packets queued; one that is partly written counts as one.
func (q *Queue) Packets() int { return int(q.packets) }

// Judge says what to do with one more packet of n bytes under l. A packet larger than the limit is
// accepted by an empty queue, as it could never be sent otherwise.
func (q *Queue) Judge(l *Limits, n int) Verdict {
	if q.packets == 0 || q.bytes+n <= l.Bytes && int(q.packets) < l.Packets {
		return Accept
	}
	switch l.Policy {
	case Drop:
		return Discard
	case Close:
		return Refuse
	}
	return Pause
}

// BelowHalf says whether less than half of both limits is taken: time to go on after Pause.
func (q *Queue) BelowHalf(l *Limits) bool {
	return q.packets == 0 || q.bytes < l.Bytes/2 && int(q.packets) < (l.Packets+1)/2
}

// Push adds the packet at b[off:off+n], which must not be empty, and takes over the caller's reference to b.
func (q *Queue) Push(b *Buffer, off, n int) {
	*q.grow() = piece{buf: b, off: int32(off), n: int32(n), last: true}
	q.room = 0
	q.bytes += n
	q.packets++
}

// copyBlock is the size of the buffers that copies are collected in.
const copyBlock = 64 << 10

// PushCopy adds a packet, which must not be empty, whose bytes stay the caller's. Small packets share buffers; hint is the number of
// bytes, this packet's included, that the caller is about to add, so that a buffer of the right size is
// taken at once.
func (q *Queue) PushCopy(p *Pool, packet []byte, hint int) {
	q.bytes += len(packet)
	q.packets++
	for len(packet) > 0 {
		t := q.copyTarget(p, max(hint, len(packet)))
		n := copy(t.buf.data[t.off:t.off+q.room], packet)
		t.n = int32(n)
		q.room -= int32(n)
		packet, hint = packet[n:], hint-n
		t.last = len(packet) == 0
	}
}

// copyTarget is a new, empty piece with room behind it: in the newest piece's buffer, or else in a buffer
// for size bytes.
func (q *Queue) copyTarget(p *Pool, size int) *piece {
	if q.room > 0 {
		t := q.tail.pieces[q.next-1]
		at := q.grow()
		*at = piece{buf: t.buf.Retain(), off: t.off + t.n}
		return at
	}
	b := p.Get(min(size, copyBlock))
	at := q.grow()
	*at = piece{buf: b}
	q.room = int32(len(b.data))
	return at
}

// Move appends all of from, which is empty afterwards. Nothing is copied.
func (q *Queue) Move(from *Queue) {
	if q.head == nil {
		*q, *from = *from, Queue{}
		return
	}
	for from.head != nil {
		*q.grow() = from.pop()
	}
	q.room = from.room
	q.bytes += from.bytes
	q.packets += from.packets
	*from = Queue{}
}

// Peek appends the oldest n bytes to dst, up to its capacity. The slices are the queue's and valid until
// Discard or Reset passes them. Neighbours in one buffer come as one slice.
func (q *Queue) Peek(dst [][]byte, n int) [][]byte {
	var end *piece // whose bytes are the last in dst
	at := q.first
	for c := q.head; c != nil; c, at = c.next, 0 {
		for ; at < chunkPieces && (c != q.tail || at < q.next); at++ {
			if n <= 0 {
				return dst
			}
			p := &c.pieces[at]
			take := min(int(p.n), n)
			if end != nil && end.buf == p.buf && end.off+end.n == p.off {
				last := len(dst) - 1
				dst[last] = dst[last][:len(dst[last])+take]
			} else if len(dst) < cap(dst) {
				dst = append(dst, p.buf.data[p.off:int(p.off)+take])
			} else {
				return dst
			}
			n -= take
			end = p
		}
	}
	return dst
}

// Pin appends the buffers that hold the oldest n bytes to dst, each with a reference that is the caller's
// to release. A sender whose kernel reads them after Discard needs it.
func (q *Queue) Pin(dst []*Buffer, n int) []*Buffer {
	at := q.first
	for c := q.head; c != nil; c, at = c.next, 0 {
		for ; at < chunkPieces && (c != q.tail || at < q.next); at++ {
			if n <= 0 {
				return dst
			}
			p := &c.pieces[at]
			n -= int(p.n)
			if len(dst) == 0 || dst[len(dst)-1] != p.buf {
				dst = append(dst, p.buf.Retain())
			}
		}
	}
	return dst
}

// Discard removes the oldest n bytes, at most Len, and releases the buffers that this finishes.
func (q *Queue) Discard(n int) {
	q.bytes -= n
	for n > 0 {
		p := &q.head.pieces[q.first]
		if int(p.n) > n {
			p.off += int32(n)
			p.n -= int32(n)
			return
		}
		n -= int(p.n)
		done := q.pop()
		if done.last {
			q.packets--
		}
		done.buf.Release()
	}
}

// Reset empties the queue and releases its buffers.
func (q *Queue) Reset() {
	for q.head != nil {
		p := q.pop()
		p.buf.Release()
	}
	*q = Queue{}
}

// grow makes room for one more piece at the end and returns it.
func (q *Queue) grow() *piece {
	if q.tail == nil || q.next == chunkPieces {
		c := chunks.Get().(*chunk)
		if q.tail == nil {
			q.head, q.first = c, 0
		} else {
			q.tail.next = c
		}
		q.tail, q.next = c, 0
	}
	q.next++
	return &q.tail.pieces[q.next-1]
}

// pop takes out the oldest piece, with its reference. There must be one.
func (q *Queue) pop() piece {
	c := q.head
	p := c.pieces[q.first]
	c.pieces[q.first] = piece{}
	q.first++
	if c == q.tail && q.first == q.next {
		q.head, q.tail, q.first, q.next, q.room = nil, nil, 0, 0, 0
	} else if q.first == chunkPieces {
		q.head, q.first = c.next, 0
	} else {
		return p
	}
	c.next = nil
	chunks.Put(c)
	return p
}
