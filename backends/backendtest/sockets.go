package backendtest

import (
	"fmt"
	"net"

	"echosrv/backends"
)

var sockets = []check{
	{name: "no delay", run: checkNoDelay, sockets: true},
	{name: "loops pinned to CPUs", run: checkPinning},
	{name: "a full file table", run: checkFullTable, sockets: true},
}

// checkNoDelay finds the server's end of its connections among this process's descriptors and asks the
// kernel.
func checkNoDelay(t T, s *Suite) {
	srv := s.start(t, nil)
	clients := make([]*client, 2*s.spec.Threads) // several loops have a connection
	for i := range clients {
		clients[i] = srv.dial(t)
		must(t, clients[i].exchange(packets(1, 1, 10)))
	}
	var err error
	for _, c := range clients {
		on, known := noDelay(c.conn.LocalAddr().(*net.TCPAddr), srv.backend.Addr().(*net.TCPAddr))
		if !known {
			t.Logf("can't see the sockets of this process on this platform")
			return
		}
		if !on {
			err = fmt.Errorf("the connection from %s has TCP_NODELAY off", c.conn.LocalAddr())
		}
	}
	claim(t, s, "nodelay", err)
}

// canSeePinning reports whether a pinned thread can be told from others: with one CPU it can't.
func canSeePinning() bool {
	cpus, known := usableCPUs()
	return known && len(cpus) > 1
}

// checkPinning counts threads that are confined to a single CPU: none before, one for each loop while the
// engine runs, and none after it, since a thread that stayed confined would be the next goroutine's.
func checkPinning(t T, s *Suite) {
	if !canSeePinning() {
		t.Logf("pinning can't be seen on this machine")
		return
	}
	cpus, _ := usableCPUs()
	before := pinnedThreads()
	srv := s.bind(t, nil, func(cfg *backends.Config) { cfg.CPUs = cpus })
	srv.serve(t)
	must(t, srv.dial(t).exchange(packets(1, 1, 10)))
	patience := s.Patience
	if !s.Engine.Capabilities.CPUPinning {
		patience = quiet
	}
	var err error
	if !waitFor(patience, func() bool { return pinnedThreads()-before >= s.spec.Threads }) {
		err = fmt.Errorf("%d threads are pinned, with %d loops", pinnedThreads()-before, s.spec.Threads)
	}
	claim(t, s, "cpu-pinning", err)
	srv.stop(t)
	srv.eventually(t, "no thread of the engine is left pinned", func() bool { return pinnedThreads() <= before })
}
