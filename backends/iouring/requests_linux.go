package iouring

import (
	"encoding/binary"
	"unsafe"

	"echosrv/backends/internal/sock"

	"golang.org/x/sys/unix"
)

// key is what a request carries and its completions bring back (user_data): what was asked for, and for
// which connection. No pointer goes through the kernel, where the collector would not see it.
//
//	bits 56-63  the kind of request
//	bits 32-55  the generation of the slot: how often it was used, so that a late completion is not taken
//	            for one of the connection that has the slot now
//	bits  0-31  the slot; for sendKind the place in the list of sends of this turn, for zeroKind that in
//	            the list of pins
type key uint64

type kind uint8

const (
	recvKind kind = iota + 1
	readableKind
	largeKind
	sendKind
	pollKind
	zeroKind
	cancelKind
	acceptKind
	wakeKind
)

const generationMask = 1<<24 - 1

func makeKey(k kind, generation, slot uint32) key {
	return key(k)<<56 | key(generation&generationMask)<<32 | key(slot)
}

func (k key) kind() kind         { return kind(k >> 56) }
func (k key) generation() uint32 { return uint32(k>>32) & generationMask }
func (k key) slot() uint32       { return uint32(k) }

// sendFlags make a send that the kernel is done with when it has taken the request: it never waits
// (DONTWAIT), and one that takes less than all counts as failed (WAITALL), so that a request which is
// silent on success (CQE_SKIP_SUCCESS) is silent only if it took everything.
const sendFlags = unix.MSG_DONTWAIT | unix.MSG_WAITALL | unix.MSG_NOSIGNAL

// target is what a request works on: a descriptor, or the number of a registered file.
type target struct {
	fd    int32
	flags uint8
}

func (s *sqe) send(t target, b []byte, k key) {
	s.opcode, s.flags = opSend, t.flags|sqeCQESkipSuccess
	s.fd, s.userData = t.fd, uint64(k)
	s.addr, s.len = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint32(len(b))
	s.opFlags = sendFlags
}

// sendVector sends what v holds. It must stay as it is until the kernel has taken the request.
func (s *sqe) sendVector(t target, v *sock.Vector, k key) {
	s.opcode, s.flags = opSendmsg, t.flags|sqeCQESkipSuccess
	s.fd, s.userData = t.fd, uint64(k)
	s.addr, s.len = uint64(uintptr(unsafe.Pointer(v.Message()))), 1
	s.opFlags = sendFlags
}

// sendZeroCopy is sendVector without a copy: the kernel sends from the memory itself. It completes as a send
// would, with cqeMore, and again when it needs the memory no more.
func (s *sqe) sendZeroCopy(t target, v *sock.Vector, k key) {
	s.sendVector(t, v, k)
	s.opcode, s.flags = opSendmsgZC, t.flags
}

// receive goes on receiving into provided buffers until it completes without cqeMore. It looks for bytes
// only once the socket says that there are some: right after an accept or a pause there are mostly none.
func (s *sqe) receive(t target, k key) {
	s.opcode, s.flags, s.ioprio = opRecv, t.flags|sqeBufferSelect, recvMultishot|recvPollFirst
	s.fd, s.userData = t.fd, uint64(k)
	s.bufGroup = bufferGroup
}

// receiveInto receives once, into b, what is there.
func (s *sqe) receiveInto(t target, b []byte, k key) {
	s.opcode, s.flags = opRecv, t.flags
	s.fd, s.userData = t.fd, uint64(k)
	s.addr, s.len = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint32(len(b))
	s.opFlags = unix.MSG_DONTWAIT
}

// pollOnce completes once any of events holds for fd, or it has failed.
func (s *sqe) pollOnce(t target, events uint32, k key) {
	s.opcode, s.flags, s.fd, s.userData = opPollAdd, t.flags, t.fd, uint64(k)
	s.opFlags = pollBits(events)
}

// pollEach is pollOnce that completes again each time, until it completes without cqeMore.
func (s *sqe) pollEach(t target, events uint32, k key) {
	s.pollOnce(t, events, k)
	s.len = pollMultishot
}

// accept goes on accepting until it completes without cqeMore.
func (s *sqe) accept(fd int, k key) {
	s.opcode, s.ioprio = opAccept, acceptMultishot
	s.fd, s.userData = int32(fd), uint64(k)
	s.opFlags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
}

// cancel ends the request with key target, which then completes, as a rule with ECANCELED. That it can't
// be found, having completed already, is nothing to act on.
func (s *sqe) cancel(target key) {
	s.opcode, s.flags, s.fd = opAsyncCancel, sqeCQESkipSuccess, -1
	s.addr, s.userData = uint64(target), uint64(makeKey(cancelKind, 0, 0))
}

// register puts the descriptor at fd into the table of registered files, -1 takes out what is there. The
// kernel reads *fd when it takes the request.
func (s *sqe) register(slot uint32, fd *int32) {
	s.opcode, s.flags, s.fd = opFilesUpdate, sqeCQESkipSuccess, -1
	s.off, s.len = uint64(slot), 1
	s.addr, s.userData = uint64(uintptr(unsafe.Pointer(fd))), uint64(makeKey(cancelKind, 0, 0))
}

// pollBits arranges poll events as the kernel wants them in a request: the two halves of the word are
// swapped on big-endian machines, where the older field of 16 bits lies in the other half.
func pollBits(events uint32) uint32 {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return events<<16 | events>>16
	}
	return events
}
