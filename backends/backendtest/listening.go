package backendtest

import (
	"errors"
	"net"
	"syscall"

	"echosrv/backends"
)

var listening = []check{
	{name: "port in use", run: checkPortInUse, sockets: true},
	{name: "addresses that can't be", run: checkBadAddress, sockets: true},
	{name: "IPv6", run: checkIPv6, sockets: true},
}

// checkPortInUse: an address that is taken is an error, whoever took it.
func checkPortInUse(t T, s *Suite) {
	srv := s.start(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	for _, taken := range []net.Addr{srv.backend.Addr(), l.Addr()} {
		b, err := s.Engine.New(srv.config(taken.String()))
		if err == nil {
			b.Close()
			t.Errorf("New on %s, which is in use, did not fail", taken)
		} else if !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("New on %s, which is in use: %v; it must wrap EADDRINUSE", taken, err)
		}
	}
	must(t, srv.dial(t).exchange(packets(1, 10, 10)))
}

// checkBadAddress: an address that can't be listened on is an error, and leaves nothing behind.
func checkBadAddress(t T, s *Suite) {
	srv := s.start(t, nil)
	for _, address := range []string{
		"127.0.0.1",       // no port
		"127.0.0.1:65536", // no such port
		"192.0.2.1:0",     // not this machine's: reserved for documentation (RFC 5737)
	} {
		b, err := s.Engine.New(srv.config(address))
		if err == nil {
			b.Close()
			t.Errorf("New on %q did not fail", address)
		}
	}
}

func checkIPv6(t T, s *Suite) {
	const address = "[::1]:0"
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Logf("there is no IPv6 here: %v", err)
		return
	}
	l.Close()
	srv := s.bind(t, nil, func(cfg *backends.Config) { cfg.Address = address })
	srv.serve(t)
	if a, ok := srv.backend.Addr().(*net.TCPAddr); !ok || !a.IP.Equal(net.IPv6loopback) || a.Port == 0 {
		t.Errorf("Addr is %v, asked for was %s", srv.backend.Addr(), address)
	}
	must(t, srv.dial(t).exchange(packets(1, 10, 100)))
}
