package backendtest

import (
	"errors"
	"net"
	"sync"
	"time"

	"echosrv/backends"
)

var stopping = []check{
	{name: "stop under load", run: checkStop},
	{name: "close before serve", run: checkCloseFirst},
	{name: "sessions refused", run: checkRefused},
}

// checkStop closes the server, from several goroutines, while clients hammer it. Every client sees its
// connection end, and none sees a wrong byte.
func checkStop(t T, s *Suite) {
	const n = 20
	srv := s.start(t, nil)
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = srv.dial(t)
	}
	errs := make(chan error, n)
	for i, c := range clients {
		go func() { errs <- c.hammer(uint64(i), nil) }()
	}
	srv.eventually(t, "the clients are busy", func() bool { return srv.service.Totals().PacketsIn > 5000 })
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(func() { srv.close(t) })
	}
	closers.Wait()
	srv.awaitServe(t)
	late := time.AfterFunc(s.Patience, func() {
		t.Errorf("clients are still served, or wait, after Close")
		for _, c := range clients {
			c.close()
		}
	})
	defer late.Stop()
	for range n {
		if err := <-errs; errors.Is(err, errWrong) {
			t.Errorf("%v", err)
		}
	}
	if !srv.ended(backends.ErrStopped) {
		t.Errorf("sessions ended with %v, none with ErrStopped", srv.endings())
	}
	checkGone(t, srv)
}

// checkGone asks whether the listening socket has gone.
func checkGone(t T, srv *server) {
	t.Helper()
	if c, err := srv.connect(); err == nil {
		c.close()
		t.Errorf("%s still accepts connections", srv.backend.Addr())
	}
}

func checkCloseFirst(t T, s *Suite) {
	srv := s.bind(t, nil)
	srv.close(t)
	checkGone(t, srv)
	srv.serve(t)
	srv.awaitServe(t)

	// One that is never served must leave nothing behind either.
	srv = s.bind(t, nil)
	srv.drain(t)
	srv.close(t)
	checkGone(t, srv)
}

func checkDrainFirst(t T, s *Suite) {
	srv := s.bind(t, nil)
	srv.drain(t)
	srv.serve(t)
	srv.awaitServe(t)
}

// checkRefused has Open refuse: the socket is closed, and nothing else happens.
func checkRefused(t T, s *Suite) {
	srv := s.start(t, nil)
	srv.setRefuse(true)
	for range 10 {
		c := srv.dial(t)
		if p, err := c.receive(); err == nil {
			t.Fatalf("got %s from a server that refuses sessions", describe(p))
		} else if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
			t.Fatalf("a refused connection stays open: %v", err)
		}
		c.close()
	}
	srv.setRefuse(false)
	must(t, srv.dial(t).exchange(packets(1, 10, 10)))
}
