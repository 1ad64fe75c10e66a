package backendtest

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"echosrv/backends"
	"echosrv/protocol"
	"echosrv/protocol/buffer"
	"echosrv/protocol/session"
)

// server is a running engine with what the checks want to know of it.
type server struct {
	suite    *Suite
	backend  backends.Backend
	service  *session.Service
	pool     *buffer.Pool
	settings session.Settings
	served   chan error // Serve's result
	once     sync.Once  // stop

	mu      sync.Mutex
	reasons []error  // why sessions ended
	faults  []string // breaches of the contract
	refuse  bool     // Open returns nil
}

// mostFaults bounds the list of breaches: the first say it all.
const mostFaults = 10

// start runs a server until the end of the check. change, if not nil, changes the settings of its sessions.
func (s *Suite) start(t T, change func(*session.Settings)) *server {
	t.Helper()
	srv := s.bind(t, change)
	srv.serve(t)
	return srv
}

// bind makes a server that listens but does not serve yet; also changes what the engine is given.
func (s *Suite) bind(t T, change func(*session.Settings), also ...func(*backends.Config)) *server {
	t.Helper()
	srv := &server{suite: s, settings: session.DefaultSettings(), pool: buffer.NewPool(0)}
	srv.settings.Linger = s.Patience
	if change != nil {
		change(&srv.settings)
	}
	if s.tamper != nil {
		s.tamper(&srv.settings)
	}
	var err error
	if srv.service, err = session.NewService(srv.settings, srv.pool, srv); err != nil {
		t.Fatalf("%v", err)
	}
	cfg := srv.config("127.0.0.1:0")
	for _, f := range also {
		f(&cfg)
	}
	if srv.backend, err = s.Engine.New(cfg); err != nil {
		t.Fatalf("New: %v", err)
	}
	return srv
}

func (srv *server) config(address string) backends.Config {
	return backends.Config{
		Address: address, Threads: srv.suite.spec.Threads, Options: srv.suite.spec.Options,
		Log: srv.suite.Log, Open: srv.open,
	}
}

// serve runs Serve and has the check stop it at its end.
func (srv *server) serve(t T) {
	srv.served = make(chan error, 1)
	go func() { srv.served <- srv.backend.Serve() }()
	t.Cleanup(func() { srv.stop(t) })
}

func (srv *server) open(now time.Duration, peer backends.Peer) backends.Session {
	srv.mu.Lock()
	refuse := srv.refuse
	srv.mu.Unlock()
	if refuse {
		return nil
	}
	var opened backends.Session = &watched{Session: srv.service.Open(now, peer), server: srv}
	if srv.suite.wrap != nil {
		opened = srv.suite.wrap(srv, opened)
	}
	return opened
}

func (srv *server) setRefuse(yes bool) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.refuse = yes
}

// stop closes the server, if it still runs, and asks whether everything is gone.
func (srv *server) stop(t T) {
	t.Helper()
	srv.once.Do(func() {
		t.Helper()
		srv.close(t)
		srv.awaitServe(t)
	})
}

// close calls Close, and drain Drain: neither may wait for long.
func (srv *server) close(t T) {
	t.Helper()
	srv.promptly(t, "Close", srv.backend.Close)
}

func (srv *server) drain(t T) {
	t.Helper()
	srv.promptly(t, "Drain", func() error { srv.backend.Drain(); return nil })
}

func (srv *server) promptly(t T, name string, call func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	case <-time.After(srv.suite.Patience):
		t.Errorf("%s did not return within %s", name, srv.suite.Patience)
	}
}

// awaitServe waits for Serve to return and asks whether everything is gone.
func (srv *server) awaitServe(t T) {
	t.Helper()
	select {
	case err := <-srv.served:
		if err != nil {
			t.Errorf("Serve returned: %v", err)
		}
		srv.served <- nil // for the stop at the end
	case <-time.After(srv.suite.Patience):
		t.Errorf("Serve did not return within %s", srv.suite.Patience)
		return
	}
	srv.checkGone(t)
}

// checkGone holds what the contract says of the moment in which Serve has returned.
func (srv *server) checkGone(t T) {
	t.Helper()
	if n := srv.service.Totals(); n.Opened != n.Closed {
		t.Errorf("%d sessions were opened, %d closed when Serve returned", n.Opened, n.Closed)
	}
	if n := srv.pool.Stats(); n.InUse != 0 {
		t.Errorf("%d buffers of %d bytes were not given back when Serve returned%s", n.InUse, n.InUseBytes, traces(srv.pool))
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	for _, f := range srv.faults {
		t.Errorf("contract: %s", f)
	}
	srv.faults = nil
}

func traces(p *buffer.Pool) string {
	if !buffer.Tracing {
		return "; the build tag buffertrace says who took them"
	}
	text := ""
	for _, l := range p.Leaks() {
		text += "\n" + l
	}
	return text
}

// fault notes a breach of the contract.
func (srv *server) fault(format string, args ...any) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if len(srv.faults) < mostFaults {
		srv.faults = append(srv.faults, fmt.Sprintf(format, args...))
	}
}

// Violation, Dropped and Closed make server a session.Events.
func (srv *server) Violation(*session.Session, *protocol.Violation) {}

func (srv *server) Dropped(*session.Session, int) {}

func (srv *server) Closed(_ *session.Session, reason error) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.reasons = append(srv.reasons, reason)
}

// ended reports whether a session ended for this reason, nil included.
func (srv *server) ended(reason error) bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	for _, r := range srv.reasons {
		if r == reason || reason != nil && errors.Is(r, reason) {
			return true
		}
	}
	return false
}

// endings describes why sessions ended.
func (srv *server) endings() []error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return append([]error(nil), srv.reasons...)
}

// awaitClosed waits until n sessions have ended.
func (srv *server) awaitClosed(t T, n uint64) {
	t.Helper()
	srv.eventually(t, fmt.Sprintf("%d sessions end", n), func() bool { return srv.service.Totals().Closed >= n })
}

// eventually waits until a condition holds.
func (srv *server) eventually(t T, what string, holds func() bool) {
	t.Helper()
	if !waitFor(srv.suite.Patience, holds) {
		t.Fatalf("waited %s in vain: %s; totals %+v, endings %v", srv.suite.Patience, what, srv.service.Totals(), srv.endings())
	}
}

const pollEvery = 200 * time.Microsecond

// waitFor polls until a condition holds or the time is over.
func waitFor(patience time.Duration, holds func() bool) bool {
	for end := time.Now().Add(patience); ; time.Sleep(pollEvery) {
		if holds() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// dial connects a client, which is closed at the end of the check.
func (srv *server) dial(t T) *client {
	t.Helper()
	c, err := srv.connect()
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(c.close)
	return c
}

// connect connects a client, which is the caller's to close.
func (srv *server) connect() (*client, error) {
	dial := srv.suite.Dial
	if dial == nil {
		dial = dialTCP
	}
	conn, err := dial(srv.backend.Addr())
	if err != nil {
		return nil, err
	}
	return newClient(conn, srv.suite.Patience), nil
}

func dialTCP(a net.Addr) (Conn, error) {
	c, err := net.DialTimeout("tcp", a.String(), DefaultPatience)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

func isUnavailable(err error) bool { return errors.Is(err, backends.ErrUnavailable) }
