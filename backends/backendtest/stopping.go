package backendtest

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"echosrv/backends"
)

var stopping = []check{
	{name: "stop under load", run: checkStop},
	{name: "restarts under load", run: checkRestarts},
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

// soakVariable has the restarts go on for a duration, such as 1m.
const soakVariable = "BACKENDTEST_SOAK"

// checkRestarts starts and stops servers while clients are busy, and others connect and go in between.
// What only a rare moment leaks shows in the count around the check.
func checkRestarts(t T, s *Suite) {
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	soak, _ := time.ParseDuration(os.Getenv(soakVariable))
	for end := time.Now().Add(soak); rounds > 0 || time.Now().Before(end); rounds-- {
		srv := s.start(t, nil)
		var clients sync.WaitGroup
		for i := range 10 {
			clients.Go(func() { srv.visit(uint64(i), i%3 == 0) })
		}
		srv.eventually(t, "the clients are busy", func() bool { return srv.service.Totals().PacketsIn > 2000 })
		if rounds%2 == 0 {
			srv.drain(t)
		}
		srv.close(t)
		srv.awaitServe(t)
		clients.Wait()
	}
}

// visit exchanges packets until the server goes: on one connection, or on a new one each time, which it
// leaves in one way or another.
func (srv *server) visit(seed uint64, restless bool) {
	for {
		c, err := srv.connect()
		if err != nil {
			return
		}
		for err == nil {
			seed += 10
			err = c.exchange(packets(seed, 20, 300))
			if restless {
				break
			}
		}
		if seed%20 < 10 {
			c.reset()
		} else {
			c.close()
		}
		if err != nil {
			return
		}
	}
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
