//go:build unix

package backendtest

import (
	"net"
	"os"
	"strconv"
	"syscall"
)

// noDelay reports whether TCP_NODELAY is set on the server's end of a connection within this process.
func noDelay(client, server *net.TCPAddr) (on, known bool) {
	fd, ok := serverSocket(client.Port, server.Port)
	if !ok {
		return false, false
	}
	v, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
	return v != 0, err == nil
}

// serverSocket finds the descriptor of this process that is bound to one port and connected to another.
func serverSocket(client, server int) (fd int, ok bool) {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0, false
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if own, err := syscall.Getsockname(fd); err != nil || port(own) != server {
			continue
		}
		if peer, err := syscall.Getpeername(fd); err == nil && port(peer) == client {
			return fd, true
		}
	}
	return 0, false
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
