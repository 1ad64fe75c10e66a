package iouring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// buffers is the memory that connections are read into, shared by all connections of a loop: an idle one
// holds none of it. It is cut into blocks of one size, which are provided to the kernel in a third ring:
//
//	provided              taken from, in order                     held                provided again
//	us ──────► the kernel ──────────────────► us, in completions ──────► sessions, sends ──────► us
//
// The kernel fills blocks in the order of the ring, which is their order in memory, and a block may hold
// what several connections sent: each receive takes up where the last one ended ("packed"; Linux 6.12).
// Older kernels finish a block with each receive, whatever it took of it ("single").
//
// Each completion names a block. What it brought is a piece, which is held until the reply made from it
// has been sent. Blocks that are finished and held by nobody go back to the kernel, in their order too: so
// consecutive receives of one connection are mostly neighbours in memory, and are taken as one.
type buffers struct {
	memory  []byte // all blocks, one behind the other
	size    int    // of a block
	blocks  []block
	lent    [areas]bool // the areas behind the blocks that are in use
	oldest  int         // the block that goes back to the kernel next
	away    int         // blocks that are finished and not yet provided again
	entries []providedBuffer
	tail    uint16 // blocks provided since the start; the kernel sees it after publish
	mapping []byte // of entries
}

// block is what is known of a block since the kernel got it.
type block struct {
	used     int  // bytes received into it
	held     int  // pieces in it
	finished bool // the kernel puts nothing more into it
}

// piece is a run of received bytes in the memory of a loop: from one offset to another. It may span blocks.
// The zero piece has no bytes and holds nothing.
type piece struct{ from, to int }

// maxBlocks is the most that a ring of provided buffers can have: its indices are 16 bits wide and must tell
// a full ring from an empty one.
const maxBlocks = 1 << 15

// bufferGroup is the number of the ring of blocks; a loop has only this one.
const bufferGroup = 1

const (
	// packedBlocks is how many blocks are provided if receives share them. A piece that has to go into two
	// blocks takes two receives, so there should be few; a block comes back when it is full and everything
	// from it has been sent, so one or two are too few.
	packedBlocks = 8
	// singleBlock is the size of a block that one receive takes all of, in bytes. Small ones let a busy loop
	// have many receives under way, large ones take more of a large packet at once.
	singleBlock = 8 << 10
)

// newBuffers provides total bytes to r, in blocks that are filled as fill says: see optFill.
func newBuffers(r *ring, total int, fill string) (*buffers, error) {
	if fill != fillSingle {
		b, err := provideBlocks(r, packedBlocks, total/packedBlocks, pbufIncremental)
		if err == nil || fill == fillPacked || !errors.Is(err, unix.EINVAL) {
			return b, err
		}
	}
	count := 1 << (bits.Len(uint(max(total/singleBlock, 1))) - 1)
	return provideBlocks(r, min(count, maxBlocks), singleBlock, 0)
}

// Behind the blocks there are areas for receives that get memory of their own: see large_linux.go.
const (
	areas    = 2
	areaSize = 256 << 10
)

// provideBlocks makes count blocks, a power of two, of size bytes each.
func provideBlocks(r *ring, count, size int, flags uint16) (*buffers, error) {
	b := &buffers{size: size, blocks: make([]block, count)}
	var err error
	if b.memory, err = anonymous(count*size + areas*areaSize); err != nil {
		return nil, fmt.Errorf("no memory for %d buffers of %d bytes: %w", count, size, err)
	}
	if b.mapping, err = anonymous(count * int(unsafe.Sizeof(providedBuffer{}))); err != nil {
		b.close()
		return nil, fmt.Errorf("no memory for a ring of %d buffers: %w", count, err)
	}
	b.entries = unsafe.Slice((*providedBuffer)(unsafe.Pointer(&b.mapping[0])), count)
	for range count {
		b.provide()
	}
	b.publish()
	reg := bufferRegistration{ringAddr: uint64(uintptr(unsafe.Pointer(&b.mapping[0]))), entries: uint32(count), bgid: bufferGroup, flags: flags}
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerPbufRing, uintptr(unsafe.Pointer(&reg)), 1, 0, 0); errno != 0 {
		b.close()
		return nil, os.NewSyscallError("io_uring_register of a buffer ring", errno)
	}
	return b, nil
}

// anonymous is zeroed memory outside of Go's heap, at the start of a page.
func anonymous(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	return b, os.NewSyscallError("mmap", err)
}

// close gives the memory back. The ring must be closed before.
func (b *buffers) close() {
	for _, m := range [][]byte{b.memory, b.mapping} {
		if m != nil {
			_ = unix.Munmap(m)
		}
	}
}

// take is what a completion with cqeBuffer brought, which is the caller's to give back. Together with
// extend it must be called for every such completion, in their order, as the kernel doesn't say where in
// the block the bytes are.
func (b *buffers) take(e cqe) piece {
	bid := int(e.flags >> cqeBufferShift)
	k := &b.blocks[bid]
	p := piece{from: bid*b.size + k.used}
	p.to = p.from + max(int(e.res), 0)
	k.used += p.to - p.from
	if e.flags&cqeBufferMore == 0 {
		k.finished = true
		b.away++
	}
	if p.to == p.from {
		b.recycle()
		return piece{}
	}
	k.held++
	return p
}

// extend takes what e brought into p if it lies right behind it in memory, and reports whether it did.
func (b *buffers) extend(p *piece, e cqe) bool {
	bid := int(e.flags >> cqeBufferShift)
	if p.to == 0 || e.res <= 0 || p.to != bid*b.size+b.blocks[bid].used {
		return false
	}
	if inside := p.to%b.size != 0; inside {
		b.blocks[bid].held-- // p holds this block already
	}
	p.to = b.take(e).to
	return true
}

// bytes are those of p, which may be changed until it is given back.
func (b *buffers) bytes(p piece) []byte { return b.memory[p.from:p.to:p.to] }

// giveBack ends the hold on a piece.
func (b *buffers) giveBack(p piece) {
	if p.to == 0 {
		return
	}
	if at := p.from - b.size*len(b.blocks); at >= 0 {
		b.lent[at/areaSize] = false
		return
	}
	for i := p.from / b.size; i <= (p.to-1)/b.size; i++ {
		b.blocks[i].held--
	}
	b.recycle()
}

// lend is an area to receive into, to be given back as a piece; false if all are in use.
func (b *buffers) lend() (piece, bool) {
	for i, used := range b.lent {
		if !used {
			b.lent[i] = true
			from := b.size*len(b.blocks) + i*areaSize
			return piece{from, from + areaSize}, true
		}
	}
	return piece{}, false
}

// recycle provides the blocks that are finished and held by nobody, up to the first that isn't.
func (b *buffers) recycle() {
	for k := &b.blocks[b.oldest]; k.finished && k.held == 0; k = &b.blocks[b.oldest] {
		b.provide()
		b.away--
	}
}

// scarce says whether the kernel may run out of blocks in the next round.
func (b *buffers) scarce() bool { return b.away*2 >= len(b.blocks) }

// provide puts the oldest block at the tail of the ring; the kernel sees it after publish.
func (b *buffers) provide() {
	b.blocks[b.oldest] = block{}
	e := &b.entries[int(b.tail)%len(b.entries)]
	e.addr = uint64(uintptr(unsafe.Pointer(&b.memory[b.oldest*b.size])))
	e.len = uint32(b.size)
	e.bid = uint16(b.oldest)
	b.tail++
	b.oldest = (b.oldest + 1) % len(b.blocks)
}

// publish lets the kernel have what was provided. The tail is 16 bits wide and there is no atomic store of
// that width in Go, so the aligned word around it is stored: the tail and, in front of it, the number of
// the first entry's block, which the kernel never writes.
func (b *buffers) publish() {
	var word [4]byte
	binary.NativeEndian.PutUint16(word[0:], b.entries[0].bid)
	binary.NativeEndian.PutUint16(word[2:], b.tail)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b.entries[0].bid)), binary.NativeEndian.Uint32(word[:]))
}
