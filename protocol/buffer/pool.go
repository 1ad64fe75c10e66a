// Package buffer holds bytes that can't go out at once: a pool of reference-counted buffers in size
// classes, and a queue of packets bounded in bytes and in packets.
//
// Who holds a buffer: a session, for the packet whose end has not arrived; a queue, for replies that wait
// to be written; an engine, only while the kernel still reads from it. Bytes on the plain path (read,
// changed in place, written back) never come here.
package buffer

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	// MinSize is the smallest buffer, in bytes.
	MinSize = 64
	// MaxPooled is the largest buffer that is kept for reuse; larger ones go to the garbage collector.
	MaxPooled = 4 << 20
	// DefaultRetain is how many idle bytes a pool keeps unless told otherwise.
	DefaultRetain = 64 << 20

	minBits = 6 // log2 of MinSize
	maxBits = 22
	// Four classes to a doubling: a buffer is at most a quarter larger than asked for, and a packet whose
	// payload is a power of two does not take twice its size because of its header.
	classes  = (maxBits-minBits)*4 + 1
	unpooled = classes
)

// Pool hands out buffers and takes them back. It is safe for concurrent use. The zero Pool is not ready:
// see NewPool.
type Pool struct {
	classes [classes + 1]class // the last one only counts: its buffers are made to measure
	retain  int64
	idle    atomic.Int64 // bytes in all free lists
	tracer  tracer
}

// class is the free list of one size, with the counts of it.
type class struct {
	mu          sync.Mutex
	free        *Buffer // linked through Buffer.next
	inUse       int64
	inUseBytes  int64
	gets        uint64
	allocations uint64
	_           [16]byte // neighbours don't share a cache line
}

// Statistics of a pool. Gets and Allocations only grow; the others are levels.
type Statistics struct {
	InUse       int64  // buffers held by someone
	InUseBytes  int64  // their capacity
	IdleBytes   int64  // kept for reuse
	Gets        uint64 // buffers handed out
	Allocations uint64 // of these, made new
}

// NewPool makes a pool that keeps up to retain idle bytes; zero means DefaultRetain, less than zero none.
func NewPool(retain int) *Pool {
	if retain == 0 {
		retain = DefaultRetain
	}
	return &Pool{retain: int64(retain)}
}

// Preallocate makes n idle buffers of at least size bytes, so that the first connections find them ready.
func (p *Pool) Preallocate(n, size int) error {
	c, capacity := classOf(size)
	if c == unpooled {
		return fmt.Errorf("can't preallocate buffers of %d bytes: the largest that is pooled has %d", size, MaxPooled)
	}
	if need := p.idle.Load() + int64(n)*int64(capacity); n < 0 || need > p.retain {
		return fmt.Errorf("can't preallocate %d buffers of %d bytes: %d idle bytes in all, the pool keeps at most %d", n, capacity, need, p.retain)
	}
	for range n {
		b := &Buffer{data: make([]byte, capacity), pool: p, class: c}
		l := &p.classes[c]
		l.mu.Lock()
		p.put(b, l)
		l.mu.Unlock()
	}
	return nil
}

// Get returns a buffer of at least n bytes with one reference, which is the caller's to release. Its
// contents are whatever was in it.
func (p *Pool) Get(n int) *Buffer {
	c, capacity := classOf(n)
	l := &p.classes[c]
	l.mu.Lock()
	l.gets++
	l.inUse++
	l.inUseBytes += int64(capacity)
	b := l.free
	if b != nil {
		l.free = b.next
	} else {
		l.allocations++
	}
	l.mu.Unlock()
	if b != nil {
		b.next = nil
		p.idle.Add(-int64(capacity))
	} else {
		b = &Buffer{data: make([]byte, capacity), pool: p, class: c}
	}
	b.refs.Store(1)
	p.tracer.got(b)
	return b
}

// Stats sums up the statistics of all sizes. They are read one size after the other, so they may disagree
// a little while in use.
func (p *Pool) Stats() Statistics {
	s := Statistics{IdleBytes: p.idle.Load()}
	for i := range p.classes {
		l := &p.classes[i]
		l.mu.Lock()
		s.InUse += l.inUse
		s.InUseBytes += l.inUseBytes
		s.Gets += l.gets
		s.Allocations += l.allocations
		l.mu.Unlock()
	}
	return s
}

// Leaks describes the buffers in use, each with the stack that took it and every later Retain and
// Release. It is empty unless built with the tag buffertrace.
func (p *Pool) Leaks() []string { return p.tracer.leaks() }

// put takes a buffer that nobody holds, to be kept if there is room for it.
func (p *Pool) put(b *Buffer, l *class) {
	size := int64(len(b.data))
	if b.class == unpooled {
		return
	}
	if p.idle.Add(size) > p.retain {
		p.idle.Add(-size)
		return
	}
	b.next = l.free
	l.free = b
}

// giveBack is the last Release.
func (p *Pool) giveBack(b *Buffer) {
	l := &p.classes[b.class]
	l.mu.Lock()
	l.inUse--
	l.inUseBytes -= int64(len(b.data))
	p.put(b, l)
	l.mu.Unlock()
}

// classOf returns the class whose buffers hold n bytes, and their size.
func classOf(n int) (c, size int) {
	if n <= MinSize {
		return 0, MinSize
	}
	if n > MaxPooled {
		return unpooled, n
	}
	// n-1 lies in [2^k, 2^(k+1)); its two bits below the top choose the quarter that it fills up.
	k := bits.Len(uint(n-1)) - 1
	quarter := (n - 1) >> (k - 2) & 3
	return (k-minBits)*4 + quarter + 1, (quarter + 5) << (k - 2)
}
