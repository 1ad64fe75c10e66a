//go:build unix

package backendtest

import (
	"net"
	"os"
	"strconv"
	"syscall"
)

// noDelay reports whether TCP_NODELAY is set on the socket of this process that is connected from local
// to peer, as the client sees them.
func noDelay(client, server *net.TCPAddr) (on, known bool) {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return false, false
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		own, err := syscall.Getsockname(fd)
		if err != nil || port(own) != server.Port {
			continue
		}
		if peer, err := syscall.Getpeername(fd); err != nil || port(peer) != client.Port {
			continue
		}
		v, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
		return v != 0, err == nil
	}
	return false, false
}

func port(a syscall.Sockaddr) int {
	switch a := a.(type) {
	case *syscall.SockaddrInet4:
		return a.Port
	case *syscall.SockaddrInet6:
		return a.Port
	}
	return -1
}
