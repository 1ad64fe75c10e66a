package gnet_test

import (
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	"echosrv/backends"
	"echosrv/backends/gnet"
)

// A server on every address is reached by IPv4 too: the library makes a socket for IPv6 alone from "[::]".
func TestEveryAddress(t *testing.T) {
	b, err := gnet.Engine().New(backends.Config{
		Address: ":0", Threads: 2, Log: slog.New(slog.DiscardHandler),
		Open: func(time.Duration, backends.Peer) backends.Session { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- b.Serve() }()
	port := strconv.Itoa(b.Addr().(*net.TCPAddr).Port)
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Errorf("dial by IPv4: %v", err)
	} else {
		c.Close()
	}
	b.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
