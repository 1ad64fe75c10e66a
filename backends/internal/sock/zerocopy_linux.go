package sock

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EnableZeroCopy lets WriteZeroCopy and WriteVectorZeroCopy be used on a socket (socket(7), SO_ZEROCOPY).
func EnableZeroCopy(fd int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ZEROCOPY, 1))
}

// WriteVectorZeroCopy is WriteVector with MSG_ZEROCOPY: the kernel sends from the memory itself, which must
// not change until it says so on the error queue. ENOBUFS means that too much is under way already.
func WriteVectorZeroCopy(fd int, v *Vector) (n int, errno unix.Errno) {
	r, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(v.Message())), unix.MSG_NOSIGNAL|unix.MSG_ZEROCOPY)
	return int(r), errno
}

// Completions reads the error queue of zero-copy sends. It belongs to one loop, as its memory is used again.
type Completions struct {
	header  unix.Msghdr
	control [128]byte // one control message with a sock_extended_err and an address
}

// Next takes one completion of fd: the sends numbered first to last are done. The kernel numbers the
// successful zero-copy sends of a socket from 0 (Documentation/networking/msg_zerocopy.rst). copied says
// that it had to copy after all.
func (c *Completions) Next(fd int) (first, last uint32, copied, ok bool) {
	c.header = unix.Msghdr{Control: &c.control[0]}
	c.header.SetControllen(len(c.control))
	_, _, errno := syscall.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&c.header)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if errno != 0 || int(c.header.Controllen) < unix.CmsgLen(int(unsafe.Sizeof(unix.SockExtendedErr{}))) {
		return 0, 0, false, false
	}
	// The kernel aligns control messages as the array is aligned within this struct: to 8 bytes.
	e := (*unix.SockExtendedErr)(unsafe.Pointer(&c.control[unix.CmsgLen(0)]))
	if e.Origin != unix.SO_EE_ORIGIN_ZEROCOPY || e.Errno != 0 {
		return 0, 0, false, false
	}
	return e.Info, e.Data, e.Code&unix.SO_EE_CODE_ZEROCOPY_COPIED != 0, true
}

// CloseReset closes a socket so that the kernel forgets what it has not sent, and with it the memory that
// it sends from: the peer sees a reset (socket(7), SO_LINGER).
func CloseReset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}
