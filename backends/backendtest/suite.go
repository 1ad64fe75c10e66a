// Package backendtest holds every engine to the contract of package backends: one suite of checks over
// real sockets with the real session. An engine's test is one line:
//
//	func TestConformance(t *testing.T) { backendtest.Run(t, epoll.Engine()) }
//
// Each ability in backends.Capabilities is checked both ways: what an engine claims must work, and what
// it disclaims must be seen not to, so that the list an engineer reads is a list of facts. Around every
// check stand the same questions: did the engine keep to the rules of backends.Session (see watch.go), did
// Serve return, and is every session, buffer, goroutine and descriptor gone.
//
// That the checks can fail is itself tested: broken_test.go runs them against servers broken on purpose.
//
// Memory is an engine without sockets, for tests of what is built on top of engines.
package backendtest

import (
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"echosrv/backends"
	"echosrv/protocol/session"
)

// Run runs every check on e with two threads, or one where e can't have two.
func Run(t *testing.T, e backends.Engine) {
	Suite{Engine: e}.Run(t)
}

// Suite is an engine to be checked, and how.
type Suite struct {
	Engine backends.Engine
	// Options are what follows the colon in an engine's spec, such as "threads=1,trigger=edge".
	Options string
	// Ignore names goroutines that a library never ends.
	Ignore []goleak.Option
	// Dial connects to a server; nil is TCP. An engine without sockets brings its own, and is spared the
	// checks that need a socket.
	Dial func(net.Addr) (Conn, error)
	// Patience is how long a check waits for something that ought to happen, and so for nothing at all
	// unless a check fails; zero is DefaultPatience.
	Patience time.Duration
	// Log gets what the engine logs; nil throws it away.
	Log *slog.Logger

	name string // by which a child process knows that it is meant
	test string // the name of the test to run in it
	spec backends.Spec

	// For the tests of the suite, which break servers on purpose.
	tamper func(*session.Settings)
	wrap   func(*server, backends.Session) backends.Session
}

// DefaultPatience is long enough for the slowest machine that runs tests.
const DefaultPatience = 20 * time.Second

// Conn is a client's end of a connection. *net.TCPConn is one.
type Conn interface {
	net.Conn
	CloseWrite() error
	// SetLinger(0) has Close reset the connection.
	SetLinger(seconds int) error
}

// T is what a check needs of a test: *testing.T has it, and so has a recorder in the tests of this package.
type T interface {
	rapid.TB
	Cleanup(func())
}

// check is one question put to an engine.
type check struct {
	name string
	run  func(T, *Suite)
	// sockets marks a check that makes no sense without real sockets.
	sockets bool
}

// checks are in the order in which they run: the simple ones first, as those that follow rest on them.
func checks() []check {
	return slices.Concat(framing, violations, closing, pressure, timers, modes, crowd, stopping, draining, listening, sockets)
}

// Run runs every check.
func (s Suite) Run(t *testing.T) {
	if err := s.Engine.Available(); err != nil {
		checkUnavailable(t, s.Engine, err)
		t.Skipf("%s can't run here: %v", s.Engine.Name, err)
	}
	s.prepare(t)
	if s.isChild() {
		s.child(t)
		return
	}
	s.warmUp(t)
	for _, c := range checks() {
		if c.sockets && s.Dial != nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) { s.run(t, c) })
	}
}

// run runs one check between two counts of what can leak.
func (s *Suite) run(t T, c check) {
	before := census(s.Ignore)
	t.Cleanup(func() { before.compare(t, s.Patience) })
	c.run(t, s)
}

// prepare fills in what was left out.
func (s *Suite) prepare(t T) {
	text := s.Engine.Name
	if s.Options != "" {
		text += ":" + s.Options
	}
	spec, err := backends.ParseSpec(text, []backends.Engine{s.Engine})
	if err != nil {
		t.Fatalf("%v", err)
	}
	if spec.Threads == 0 {
		spec.Threads = 2
		if most := s.Engine.MaxThreads; most > 0 {
			spec.Threads = min(spec.Threads, most)
		}
	}
	s.spec, s.name, s.test = spec, t.Name(), t.Name()
	if s.Patience == 0 {
		s.Patience = DefaultPatience
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
}

// warmUp serves one packet, so that what a library keeps for the life of the process is there before the
// first count.
func (s *Suite) warmUp(t T) {
	srv := s.start(t, nil)
	c := srv.dial(t)
	must(t, c.exchange(packets(1, 1, 100)))
	c.close()
	srv.stop(t)
}

// checkUnavailable holds that an engine which says that it can't run here does not run.
func checkUnavailable(t T, e backends.Engine, reason error) {
	if !isUnavailable(reason) {
		t.Errorf("Available: %v; it must wrap backends.ErrUnavailable", reason)
	}
	b, err := e.New(backends.Config{Address: "127.0.0.1:0", Threads: 1, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		b.Close()
		t.Errorf("New made a backend although Available says: %v", reason)
	} else if !isUnavailable(err) {
		t.Errorf("New: %v; it must wrap backends.ErrUnavailable", err)
	}
}
