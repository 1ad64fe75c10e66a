package buffer

import "sync/atomic"

// Buffer is a block of bytes with a count of those who use it. The last Release gives it back to its
// pool; after that its bytes belong to somebody else.
type Buffer struct {
	data  []byte
	refs  atomic.Int32
	class int
	pool  *Pool
	next  *Buffer // in the pool's free list
	trace trace   //lint:ignore U1000 used with the build tag buffertrace
}

// Bytes is the whole block, at least as long as was asked for.
func (b *Buffer) Bytes() []byte { return b.data }

// Retain adds a reference and returns b.
func (b *Buffer) Retain() *Buffer {
	if b.refs.Add(1) < 2 {
		panic("buffer: Retain of a buffer that nobody holds")
	}
	b.pool.tracer.retained(b)
	return b
}

// Release gives up a reference. Releasing more often than was taken is a defect and panics.
func (b *Buffer) Release() {
	refs := b.refs.Add(-1)
	if refs > 0 {
		b.pool.tracer.released(b)
		return
	}
	if refs < 0 {
		panic("buffer: Release of a buffer that nobody holds")
	}
	b.pool.tracer.returned(b)
	b.pool.giveBack(b)
}

// Refs is the number of references, for tests and for those who ask whether they hold the only one.
func (b *Buffer) Refs() int { return int(b.refs.Load()) }
