package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"echosrv/protocol"
)

const (
	// readSize is how much one read takes at most, in bytes.
	readSize = 256 << 10
	// mostEvents is how many ready sockets one wait reports at most.
	mostEvents = 1024
	// alarmHandle stands for the alarm among the events.
	alarmHandle = -1
)

// epoll is the poller of Linux. Calls that can't block go past the scheduler (RawSyscall); the wait must
// not, or it would hold up the garbage collector.
type epoll struct {
	alarm   int // eventfd: readable once wake was called
	fd      int
	address unix.Sockaddr
	family  int
	sockets []socket
	buffer  []byte
	ready   [mostEvents]unix.EpollEvent
	events  []event
	coarse  bool // the kernel has no epoll_pwait2 (before 5.11)
	iovecs  [2]unix.Iovec
	message unix.Msghdr
	timeout unix.Timespec
}

type socket struct {
	fd       int32 // 0: closed (standard input is nobody's connection)
	life     int32 // which use of the handle this is; events of earlier ones are stale
	interest uint32
}

func newPoller(address *net.TCPAddr) (poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("failed to create an epoll instance: %w", err)
	}
	alarm, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("failed to create an eventfd: %w", err)
	}
	// What is read begins with a header as a rule: the payload behind it shall lie on a cache line.
	buffer := make([]byte, cacheLine+readSize)[cacheLine-protocol.HeaderSize:]
	p := &epoll{fd: fd, alarm: alarm, buffer: buffer}
	p.address, p.family = sockaddr(address)
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, alarm, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: alarmHandle}); err != nil {
		unix.Close(fd)
		unix.Close(alarm)
		return nil, fmt.Errorf("failed to watch an eventfd: %w", err)
	}
	return p, nil
}

func sockaddr(a *net.TCPAddr) (unix.Sockaddr, int) {
	if ip := a.IP.To4(); ip != nil || a.IP == nil {
		s := &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte{127, 0, 0, 1}}
		if ip != nil {
			copy(s.Addr[:], ip)
		}
		return s, unix.AF_INET
	}
	s := &unix.SockaddrInet6{Port: a.Port}
	copy(s.Addr[:], a.IP.To16())
	if i, err := net.InterfaceByName(a.Zone); err == nil {
		s.ZoneId = uint32(i.Index)
	}
	return s, unix.AF_INET6
}

func (p *epoll) connect(h int) error {
	fd, err := unix.Socket(p.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// Packets leave when they are written; without this a small one would wait for the echo of the last.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		unix.Close(fd)
		return err
	}
	if err := unix.Connect(fd, p.address); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		unix.Close(fd)
		return err
	}
	for h >= len(p.sockets) {
		p.sockets = append(p.sockets, socket{})
	}
	s := &p.sockets[h]
	s.fd = int32(fd)
	s.life++
	s.interest = unix.EPOLLIN | unix.EPOLLOUT
	if err := p.control(unix.EPOLL_CTL_ADD, h); err != nil {
		p.close(h)
		return err
	}
	return nil
}

func (p *epoll) connected(h int) error {
	fd := int(p.sockets[h].fd)
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		return err
	}
	if connectedToSelf(fd) {
		return unix.ECONNREFUSED
	}
	return p.want(h, unix.EPOLLIN)
}

// connectedToSelf reports whether the kernel gave the socket the very port it was to connect to, which
// happens now and then where nobody listens on a port of the ephemeral range: the socket then talks to
// itself, and would pass for a perfect plain echo.
func connectedToSelf(fd int) bool {
	here, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	there, err := unix.Getpeername(fd)
	if err != nil {
		return false
	}
	switch a := here.(type) {
	case *unix.SockaddrInet4:
		b, ok := there.(*unix.SockaddrInet4)
		return ok && a.Port == b.Port && a.Addr == b.Addr
	case *unix.SockaddrInet6:
		b, ok := there.(*unix.SockaddrInet6)
		return ok && a.Port == b.Port && a.Addr == b.Addr
	}
	return false
}

func (p *epoll) read(h, limit int) ([]byte, error) {
	s := &p.sockets[h]
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&p.buffer[0])),
			uintptr(min(limit, len(p.buffer))), 0, 0, 0)
		switch {
		case errno == 0 && n == 0:
			return nil, io.EOF
		case errno == 0:
			return p.buffer[:n], nil
		case errno == unix.EAGAIN:
			return nil, errWouldBlock
		case errno != unix.EINTR:
			return nil, errno
		}
	}
}

func (p *epoll) write(h int, a, b []byte) (int, error) {
	n, errno := p.send(h, a, b)
	if errno != 0 && errno != unix.EAGAIN {
		return 0, errno
	}
	interest := p.sockets[h].interest
	if n < len(a)+len(b) {
		return n, p.want(h, interest|unix.EPOLLOUT)
	}
	return n, p.want(h, interest&^unix.EPOLLOUT)
}

func (p *epoll) send(h int, a, b []byte) (int, unix.Errno) {
	fd := uintptr(p.sockets[h].fd)
	for {
		var n uintptr
		var errno unix.Errno
		if len(b) == 0 {
			n, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(len(a)),
				unix.MSG_NOSIGNAL, 0, 0)
		} else {
			p.iovecs[0].Base, p.iovecs[1].Base = unsafe.SliceData(a), unsafe.SliceData(b)
			p.iovecs[0].SetLen(len(a))
			p.iovecs[1].SetLen(len(b))
			p.message.Iov = &p.iovecs[0]
			p.message.SetIovlen(len(p.iovecs))
			n, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&p.message)), unix.MSG_NOSIGNAL)
		}
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

func (p *epoll) pause(h int, paused bool) {
	interest := p.sockets[h].interest | unix.EPOLLIN
	if paused {
		interest &^= unix.EPOLLIN
	}
	// It fails only for a socket that isn't there.
	_ = p.want(h, interest)
}

func (p *epoll) finish(h int) {
	// It fails only for a connection that is gone, which a read tells.
	_ = unix.Shutdown(int(p.sockets[h].fd), unix.SHUT_WR)
}

func (p *epoll) close(h int) {
	if s := &p.sockets[h]; s.fd > 0 {
		unix.Close(int(s.fd))
		s.fd = 0
	}
}

func (p *epoll) shut() {
	for h := range p.sockets {
		p.close(h)
	}
	unix.Close(p.fd)
	unix.Close(p.alarm)
}

func (p *epoll) wake() {
	// It fails only when so many wakes are pending that one more makes no difference.
	_, _ = unix.Write(p.alarm, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

func (p *epoll) want(h int, interest uint32) error {
	if p.sockets[h].interest == interest {
		return nil
	}
	p.sockets[h].interest = interest
	return p.control(unix.EPOLL_CTL_MOD, h)
}

// control tells the kernel what to announce. Handle and life come back with each event.
func (p *epoll) control(op, h int) error {
	s := &p.sockets[h]
	e := unix.EpollEvent{Events: s.interest, Fd: int32(h), Pad: s.life}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(s.fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func (p *epoll) wait(most time.Duration) ([]event, error) {
	n, errno := p.sleep(max(most, 0))
	if errno != 0 && errno != unix.EINTR {
		return nil, fmt.Errorf("failed to wait for sockets: %w", errno)
	}
	p.events = p.events[:0]
	for i := range n {
		e := &p.ready[i]
		if e.Fd == alarmHandle {
			var count [8]byte
			_, _ = unix.Read(p.alarm, count[:])
			continue
		}
		s := &p.sockets[e.Fd]
		if s.life != e.Pad || s.fd == 0 {
			continue
		}
		p.events = append(p.events, event{
			handle: int(e.Fd),
			// An error or a hang-up is told by the next read.
			readable: e.Events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) != 0,
			writable: e.Events&unix.EPOLLOUT != 0,
		})
	}
	return p.events, nil
}

func (p *epoll) sleep(most time.Duration) (int, unix.Errno) {
	ready := uintptr(unsafe.Pointer(&p.ready[0]))
	if !p.coarse && most%time.Millisecond != 0 {
		p.timeout = unix.NsecToTimespec(int64(most))
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), ready, mostEvents, uintptr(unsafe.Pointer(&p.timeout)), 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != unix.ENOSYS {
			return 0, errno
		}
		p.coarse = true
	}
	// Rounded down: late in a millisecond the loop looks without sleeping.
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), ready, mostEvents, uintptr(most/time.Millisecond), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
