package iouring

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// buffers are the blocks that connections are read into, shared by all connections of a loop: an idle one
// holds none. They are provided to the kernel in a third ring. A receive takes the block at its head once
// there is something to receive, its completion names the block, and recycle puts it back at the tail.
type buffers struct {
	memory  []byte // all blocks, one behind the other
	stride  int    // from one block to the next
	size    int    // usable bytes of a block
	entries []providedBuffer
	mask    uint16
	tail    uint16 // the kernel's view of it is stored by publish
	mapping []byte // of entries
	blocks  []block
}

// block is what is known of one block that the kernel has been given.
type block struct {
	used     int  // bytes that were received into it
	held     int  // pieces of it that were not given back
	finished bool // the kernel puts nothing more into it
}

// piece is a run of bytes that one receive put into a block.
type piece struct {
	bytes []byte
	block int32
}

const noBlock = -1

const bufferGroup = 1

// cacheLine in bytes, on the machines that matter here.
const cacheLine = 64

// newBuffers provides count blocks, a power of two of at most 32768, of size bytes to r.
func newBuffers(r *ring, count, size int, incremental uint16) (*buffers, error) {
	page := os.Getpagesize()
	// Blocks that all begin at a multiple of some power of two compete for few lines of the caches, which
	// choose lines by the lower bits of the address; an odd number of lines between them spreads them out.
	b := &buffers{size: size, stride: (size+cacheLine-1)/cacheLine*cacheLine | cacheLine, mask: uint16(count - 1)}
	var err error
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	if b.memory, err = unix.Mmap(-1, 0, (b.stride*count+page-1)/page*page, prot, flags); err != nil {
		return nil, fmt.Errorf("no memory for %d buffers of %d bytes: %w", count, size, os.NewSyscallError("mmap", err))
	}
	entry := int(unsafe.Sizeof(providedBuffer{}))
	if b.mapping, err = unix.Mmap(-1, 0, (count*entry+page-1)/page*page, prot, flags); err != nil {
		b.close()
		return nil, os.NewSyscallError("mmap", err)
	}
	b.blocks = make([]block, count)
	b.entries = unsafe.Slice((*providedBuffer)(unsafe.Pointer(&b.mapping[0])), count)
	for i := range count {
		b.provide(uint16(i))
	}
	b.publish()
	reg := bufferRegistration{ringAddr: uint64(uintptr(unsafe.Pointer(&b.mapping[0]))), entries: uint32(count), bgid: bufferGroup, flags: incremental}
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerPbufRing, uintptr(unsafe.Pointer(&reg)), 1, 0, 0); errno != 0 {
		b.close()
		return nil, os.NewSyscallError("io_uring_register of a buffer ring", errno)
	}
	return b, nil
}

// close unmaps the blocks. The ring must be closed before.
func (b *buffers) close() {
	if b.memory != nil {
		_ = unix.Munmap(b.memory)
	}
	if b.mapping != nil {
		_ = unix.Munmap(b.mapping)
	}
}

// taken is what a completion with cqeBuffer put into a block, which is the caller's until giveBack. It must
// be called for every such completion, in their order.
func (b *buffers) taken(e cqe) piece {
	bid := uint16(e.flags >> cqeBufferShift)
	k := &b.blocks[bid]
	n := max(int(e.res), 0)
	at := int(bid)*b.stride + k.used
	k.used += n
	k.held++
	k.finished = e.flags&cqeBufferMore == 0
	return piece{b.memory[at : at+n : at+n], int32(bid)}
}

// giveBack returns a piece. A block that the kernel has finished with goes back to it with the last one.
func (b *buffers) giveBack(bid int32) {
	if bid == noBlock {
		return
	}
	k := &b.blocks[bid]
	if k.held--; k.held == 0 && k.finished {
		b.provide(uint16(bid))
	}
}

// provide puts a block at the tail of the ring; the kernel sees it after publish.
func (b *buffers) provide(bid uint16) {
	b.blocks[bid] = block{}
	e := &b.entries[b.tail&b.mask]
	e.addr = uint64(uintptr(unsafe.Pointer(&b.memory[int(bid)*b.stride])))
	e.len = uint32(b.size)
	e.bid = bid
	b.tail++
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
