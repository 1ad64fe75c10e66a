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
}

const bufferGroup = 1

// cacheLine in bytes, on the machines that matter here.
const cacheLine = 64

// newBuffers provides count blocks, a power of two of at most 32768, of size bytes to r.
func newBuffers(r *ring, count, size int) (*buffers, error) {
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
	b.entries = unsafe.Slice((*providedBuffer)(unsafe.Pointer(&b.mapping[0])), count)
	for i := range count {
		b.recycle(uint16(i))
	}
	b.publish()
	reg := bufferRegistration{ringAddr: uint64(uintptr(unsafe.Pointer(&b.mapping[0]))), entries: uint32(count), bgid: bufferGroup}
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

// taken is the first n bytes of the block that a completion named, which is the caller's until recycle.
func (b *buffers) taken(bid uint16, n int) []byte {
	at := int(bid) * b.stride
	return b.memory[at : at+n : at+n]
}

// recycle gives a block back; the kernel sees it after publish.
func (b *buffers) recycle(bid uint16) {
	e := &b.entries[b.tail&b.mask]
	e.addr = uint64(uintptr(unsafe.Pointer(&b.memory[int(bid)*b.stride])))
	e.len = uint32(b.size)
	e.bid = bid
	b.tail++
}

// publish lets the kernel have what was recycled. The tail is 16 bits wide and there is no atomic store of
// that width in Go, so the aligned word around it is stored: the tail and, in front of it, the number of
// the first entry's block, which the kernel never writes.
func (b *buffers) publish() {
	var word [4]byte
	binary.NativeEndian.PutUint16(word[0:], b.entries[0].bid)
	binary.NativeEndian.PutUint16(word[2:], b.tail)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b.entries[0].bid)), binary.NativeEndian.Uint32(word[:]))
}
