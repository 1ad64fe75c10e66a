package epoll

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxEvents is how many events one wait returns at most. More would delay accepting and deadlines, fewer
// would cost more waits.
const maxEvents = 1024

// edgeInterest is registered once for a connection of an edge-triggered loop. EPOLLRDHUP is no "closed":
// it says that a read returning little is not the last, as the end of input waits behind it.
const edgeInterest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// poller is an epoll instance (epoll(7)). An event carries its descriptor and a generation, never a
// pointer: Go's collector does not look into the kernel.
type poller struct {
	fd     int
	events [maxEvents]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &poller{fd: fd}, nil
}

func (p *poller) add(fd int, generation uint32, interest uint32) unix.Errno {
	return p.control(unix.EPOLL_CTL_ADD, fd, generation, interest)
}

func (p *poller) modify(fd int, generation uint32, interest uint32) unix.Errno {
	return p.control(unix.EPOLL_CTL_MOD, fd, generation, interest)
}

func (p *poller) delete(fd int) unix.Errno { return p.control(unix.EPOLL_CTL_DEL, fd, 0, 0) }

func (p *poller) control(op, fd int, generation uint32, interest uint32) unix.Errno {
	e := unix.EpollEvent{Events: interest, Fd: int32(fd), Pad: int32(generation)}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	return errno
}

// nap is the longest that a loop sleeps without the scheduler's knowledge. A collection of garbage has to
// wait for it in the worst case; mostly the signal that asks for one ends it.
const nap = time.Millisecond

// poll takes what is ready now or within timeout, at most nap.
func (p *poller) poll(timeout time.Duration) ([]unix.EpollEvent, error) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), maxEvents, uintptr(timeout/time.Millisecond), 0, 0)
	return p.result(n, errno)
}

// wait sleeps until something is ready or timeout has passed; less than zero: for as long as it takes. It
// goes through Syscall, so that the scheduler can give this thread's processor to others.
func (p *poller) wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	ms := -1
	if timeout >= 0 {
		// Rounded up: a wait that ends just before a deadline would only be repeated.
		ms = int(min((timeout+time.Millisecond-1)/time.Millisecond, 1<<30))
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), maxEvents, uintptr(ms), 0, 0)
	return p.result(n, errno)
}

func (p *poller) result(n uintptr, errno unix.Errno) ([]unix.EpollEvent, error) {
	switch errno {
	case 0:
		return p.events[:n], nil
	case unix.EINTR:
		return nil, nil
	}
	return nil, os.NewSyscallError("epoll_pwait", errno)
}

func (p *poller) close() { unix.Close(p.fd) }
