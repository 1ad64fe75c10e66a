package sock

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Backlog is the length of the accept queue that is asked for; the kernel cuts it to net.core.somaxconn.
const Backlog = 4096

// Listener is a listening TCP socket. Sockets accepted from it inherit TCP_NODELAY (tcp(7)).
type Listener struct {
	FD   int
	Addr *net.TCPAddr
}

// Sharing says whether several sockets may listen on one address, the kernel spreading connections over
// them by a hash of both ends (SO_REUSEPORT, socket(7)).
type Sharing int

const (
	Exclusive Sharing = iota
	Shared
)

// Listen makes a non-blocking listening socket on "host:port".
func Listen(address string, sharing Sharing) (*Listener, error) {
	want, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("can't listen on %q: %w", address, err)
	}
	l, err := listen(want, sharing)
	if errors.Is(err, unix.EAFNOSUPPORT) && want.IP == nil {
		// "every address" means IPv6 with IPv4 mapped into it, unless this machine has no IPv6.
		l, err = listen(&net.TCPAddr{IP: net.IPv4zero, Port: want.Port}, sharing)
	}
	if err != nil {
		return nil, fmt.Errorf("can't listen on %q: %w", address, err)
	}
	return l, nil
}

// ListenShared makes n sockets that listen on one address and share its newcomers. The first claims the
// address for itself and lets the others in afterwards: if all asked to share from the beginning, they
// would not notice another server of this user that shares the address too.
func ListenShared(address string, n int) ([]*Listener, error) {
	first, err := Listen(address, Exclusive)
	if err != nil {
		return nil, err
	}
	all := []*Listener{first}
	if n == 1 {
		return all, nil
	}
	err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(first.FD, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	for len(all) < n && err == nil {
		var l *Listener
		if l, err = Listen(first.Addr.String(), Shared); err == nil {
			all = append(all, l)
		}
	}
	if err != nil {
		for _, l := range all {
			l.Close()
		}
		return nil, err
	}
	return all, nil
}

func listen(a *net.TCPAddr, sharing Sharing) (*Listener, error) {
	family, sa, err := sockaddr(a)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	l := &Listener{FD: fd}
	if err := l.bind(a, sa, sharing); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return l, nil
}

func (l *Listener) bind(a *net.TCPAddr, sa unix.Sockaddr, sharing Sharing) error {
	type option struct{ level, name, value int }
	options := []option{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	}
	if sharing == Shared {
		options = append(options, option{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1})
	}
	if a.IP == nil {
		options = append(options, option{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(l.FD, o.level, o.name, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(l.FD, sa); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(l.FD, Backlog); err != nil {
		return os.NewSyscallError("listen", err)
	}
	bound, err := unix.Getsockname(l.FD)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	l.Addr = tcpAddr(bound)
	return nil
}

// Close closes the socket; connections in its accept queue are reset by the kernel.
func (l *Listener) Close() error { return unix.Close(l.FD) }

func sockaddr(a *net.TCPAddr) (family int, sa unix.Sockaddr, err error) {
	if ip := a.IP.To4(); ip != nil {
		return unix.AF_INET, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(ip)}, nil
	}
	sa6 := &unix.SockaddrInet6{Port: a.Port}
	if a.IP != nil {
		sa6.Addr = [16]byte(a.IP.To16())
	}
	if a.Zone != "" {
		i, err := net.InterfaceByName(a.Zone)
		if err != nil {
			return 0, nil, err
		}
		sa6.ZoneId = uint32(i.Index)
	}
	return unix.AF_INET6, sa6, nil
}

func tcpAddr(sa unix.Sockaddr) *net.TCPAddr {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	}
	return &net.TCPAddr{}
}

// RemoteAddr is the other end of fd as text, "" if it is gone.
func RemoteAddr(fd int) string {
	sa, err := unix.Getpeername(fd)
	if err != nil {
		return ""
	}
	return tcpAddr(sa).String()
}
