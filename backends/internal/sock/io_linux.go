package sock

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Accept takes a connection from a non-blocking listener, non-blocking itself (accept4(2)).
func Accept(listener int) (fd int, errno unix.Errno) {
	r, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(r), errno
}

// Read reads once from a non-blocking socket into b, which must not be empty (recvfrom(2)).
func Read(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0, 0, 0)
	return int(r), errno
}

// Write writes once to a non-blocking socket from b, which must not be empty (sendto(2)).
func Write(fd int, b []byte) (n int, errno unix.Errno) {
	r, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(r), errno
}

// Vector is the scratch of a vectored call: it belongs to one loop and makes the call free of allocation.
type Vector struct {
	// Slices is what to write; its capacity is what one call can take.
	Slices [][]byte
	iovecs []unix.Iovec
	header unix.Msghdr
}

// NewVector makes room for n slices, at most 1024 (IOV_MAX, limits.h).
func NewVector(n int) *Vector {
	return &Vector{Slices: make([][]byte, 0, n), iovecs: make([]unix.Iovec, n)}
}

// Message fills in a header for sendmsg(2) that stands for the non-empty ones of v.Slices. It and what
// it points to are v's, until the next call.
func (v *Vector) Message() *unix.Msghdr {
	n := 0
	for _, b := range v.Slices {
		if len(b) > 0 {
			v.iovecs[n].Base = unsafe.SliceData(b)
			v.iovecs[n].SetLen(len(b))
			n++
		}
	}
	v.header = unix.Msghdr{Iov: unsafe.SliceData(v.iovecs)}
	v.header.SetIovlen(n)
	return &v.header
}

// Release forgets the slices, so that what they point to can be reused or collected.
func (v *Vector) Release() {
	clear(v.Slices)
	v.Slices = v.Slices[:0]
	clear(v.iovecs)
}

// WriteVector writes v.Slices to a non-blocking socket in one call.
func WriteVector(fd int, v *Vector) (n int, errno unix.Errno) {
	r, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(v.Message())), unix.MSG_NOSIGNAL)
	return int(r), errno
}

// ShutdownWrite ends our output: the peer reads all that was written and then the end (shutdown(2)).
func ShutdownWrite(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

// Pin confines the calling thread, which must be locked to its goroutine, to one CPU. unpin undoes that, on
// the same thread: a goroutine that ends with its thread locked ends the thread, unless it is the first of
// the process, which lives on where it was put.
func Pin(cpu int) (unpin func(), err error) {
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return nil, os.NewSyscallError("sched_setaffinity", err)
	}
	return func() { _ = unix.SchedSetaffinity(0, &before) }, nil
}

// Error takes the error that waits to be reported for a socket, 0 if there is none (socket(7), SO_ERROR).
func Error(fd int) unix.Errno {
	var pending int32
	size := uint32(unsafe.Sizeof(pending))
	_, _, errno := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR, uintptr(unsafe.Pointer(&pending)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return unix.Errno(pending)
}
