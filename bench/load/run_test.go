package load

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"echosrv/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mustRun runs a load that must start, for longer where the machine is too busy for anything to come back.
func mustRun(t *testing.T, run func(Config) (*Result, error), c Config) *Result {
	t.Helper()
	if c.Duration == 0 {
		c.Duration = 50 * time.Millisecond
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = time.Minute
	}
	for {
		r, err := run(c)
		if err != nil {
			t.Fatal(err)
		}
		if r.Packets > 0 || len(r.Failures) > 0 || c.Connections == 0 && c.Churn == 0 || c.Duration > 10*time.Second {
			return r
		}
		c.Duration *= 2
	}
}

// mustBeValid fails a test whose run lost or damaged anything.
func mustBeValid(t *testing.T, r *Result) {
	t.Helper()
	if why := r.Invalid(); why != "" || len(r.Failures) > 0 {
		t.Fatalf("the run is invalid: %s; failures %v", why, r.Failures)
	}
	if r.Partial {
		t.Fatalf("the run is partial: %s", r.Ended)
	}
	for _, p := range []Population{r.Active, r.Churned} {
		if p.Sent != p.Received {
			t.Fatalf("%d packets were sent and %d came back", p.Sent, p.Received)
		}
	}
}

func TestHonestServer(t *testing.T) {
	mix := Sizes{{0, 0, 1}, {1, 3000, 5}, {70000, 70000, 1}}
	for name, c := range map[string]Config{
		"one":       {Connections: 1},
		"deep":      {Connections: 3, Depth: 17, Sizes: Fixed(64)},
		"empty":     {Connections: 2, Depth: 4, Sizes: Fixed(0)},
		"large":     {Connections: 2, Depth: 2, Sizes: Fixed(6 << 20)},
		"mix":       {Connections: 4, Depth: 9, Sizes: mix, Seed: 5},
		"threads":   {Connections: 7, Depth: 2, Threads: 3},
		"warm-up":   {Connections: 2, Warmup: 20 * time.Millisecond},
		"ramp":      {Connections: 20, Ramp: 30 * time.Millisecond},
		"idle":      {Connections: 2, Idle: 30},
		"only idle": {Idle: 3},
		"churn":     {Churn: 500, ChurnPackets: 3, Depth: 2},
		"both":      {Connections: 2, Churn: 200, Threads: 2},
		"open loop": {Connections: 5, Rate: 2000, Threads: 2},
		"poisson":   {Connections: 5, Rate: 2000, Arrivals: Poisson, Depth: 3},
		"slow":      {Slow: 2, SlowRate: 10000, Sizes: Fixed(500)},
	} {
		t.Run(name, func(t *testing.T) {
			eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
				c.Address = startServer(t, honest).address()
				r := mustRun(t, run, c)
				mustBeValid(t, r)
				if r.Active.Established != c.Connections || r.Idle.Established != c.Idle || r.Slow.Established != c.Slow {
					t.Errorf("established: %+v %+v %+v", r.Active, r.Idle, r.Slow)
				}
				if c.Churn > 0 && (r.Churned.Established == 0 || r.Churned.Sent > int64(r.Churned.Established*c.withDefaults().ChurnPackets)) {
					t.Errorf("churned: %+v, each with %d packets", r.Churned, c.ChurnPackets)
				}
				if c.Rate == 0 && r.Packets != r.Response.TotalCount() {
					t.Errorf("%d packets and %d response times", r.Packets, r.Response.TotalCount())
				}
				if c.Rate > 0 && (r.Due == 0 || r.Due-r.Unsent != r.Response.TotalCount()) {
					t.Errorf("%d due, %d of them never sent, and %d response times", r.Due, r.Unsent, r.Response.TotalCount())
				}
				if n := r.Connect.TotalCount(); n < int64(c.Connections+c.Idle+c.Slow) {
					t.Errorf("%d connect times", n)
				}
			})
		})
	}
}

// What comes back before the window opens is checked and not counted.
func TestWarmUpIsNotCounted(t *testing.T) {
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		const before = 20
		warm := make(chan bool, 1)
		s := startServer(t, func(n int, p protocol.Packet) []byte {
			if n == before+1 {
				warm <- true // the client has had the echoes before this one
			}
			return honest(n, p)
		})
		r := mustRun(t, run, Config{
			Address: s.address(), Connections: 1, Warmup: time.Millisecond, Duration: 50 * time.Millisecond,
			Window: func(e Edge) {
				if e == Opens {
					<-warm
				}
			},
		})
		mustBeValid(t, r)
		if r.Packets > r.Active.Received-before || r.Response.TotalCount() != r.Packets {
			t.Errorf("%d packets and %d response times in the window, %d in all, %d of them before", r.Packets, r.Response.TotalCount(), r.Active.Received, before)
		}
	})
}

// A churned connection ends when its packets are echoed, and not with the run.
func TestChurnedConnectionsEnd(t *testing.T) {
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		ended := make(chan bool, 10000)
		s := startHandler(t, func(s *testServer, c net.Conn) {
			s.echo(c)
			ended <- true
		}, honest)
		r := mustRun(t, run, Config{Address: s.address(), Churn: 100, ChurnPackets: 2, Window: func(e Edge) {
			if e == Closes {
				select {
				case <-ended:
				case <-time.After(20 * time.Second):
					t.Error("no connection has ended")
				}
			}
		}})
		mustBeValid(t, r)
	})
}

func TestRawServer(t *testing.T) {
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		s := startHandler(t, func(_ *testServer, c net.Conn) {
			b := make([]byte, 777)
			for {
				n, err := c.Read(b)
				if err != nil {
					return
				}
				if _, err := c.Write(b[:n]); err != nil {
					return
				}
			}
		}, nil)
		r := mustRun(t, run, Config{Address: s.address(), Connections: 3, Depth: 5, Raw: true})
		mustBeValid(t, r)
		r = mustRun(t, run, Config{Address: s.address(), Connections: 1})
		if r.Failed(NotEcho) != 1 || !strings.Contains(r.Failures[0].Examples[0], "plain byte echo") {
			t.Errorf("a plain echo passed for a framed one: %v", r.Failures)
		}
	})
}

func TestLyingServers(t *testing.T) {
	const lie = 40 // the packet that is lied about
	var held []byte
	for name, c := range map[string]struct {
		serve func(n int, p protocol.Packet) []byte
		cause Cause
	}{
		"dropping": {func(n int, p protocol.Packet) []byte {
			if n == lie {
				return nil
			}
			return honest(n, p)
		}, Dropped},
		"duplicating": {func(n int, p protocol.Packet) []byte {
			if n == lie {
				return append(honest(n, p), honest(n, p)...)
			}
			return honest(n, p)
		}, Duplicated},
		"corrupting": {func(n int, p protocol.Packet) []byte {
			b := honest(n, p)
			if n == lie {
				b[len(b)/2] ^= 1
			}
			return b
		}, Corrupted},
		"padding": {func(n int, p protocol.Packet) []byte {
			if n == lie {
				return protocol.Append(nil, protocol.DataEcho, append(p.Payload, 0))
			}
			return honest(n, p)
		}, WrongLength},
		"padding outside": {func(n int, p protocol.Packet) []byte {
			if n == lie {
				return append(honest(n, p), "padding"...)
			}
			return honest(n, p)
		}, WrongLength},
		"cutting": {func(n int, p protocol.Packet) []byte {
			if n == lie {
				return protocol.Append(nil, protocol.DataEcho, p.Payload[:len(p.Payload)-1])
			}
			return honest(n, p)
		}, WrongLength},
		"cutting behind the header's back": {func(n int, p protocol.Packet) []byte {
			if b := honest(n, p); n == lie {
				return b[:len(b)-1]
			}
			return honest(n, p)
		}, WrongLength},
		"reordering": {func(n int, p protocol.Packet) []byte {
			switch n {
			case lie:
				held = honest(n, p)
				return nil
			case lie + 1:
				return append(honest(n, p), held...)
			}
			return honest(n, p)
		}, Reordered},
		"another kind": {func(n int, p protocol.Packet) []byte {
			if n == lie {
				return protocol.Append(nil, protocol.Kind(77), p.Payload)
			}
			return honest(n, p)
		}, WrongLength},
	} {
		t.Run(name, func(t *testing.T) {
			eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
				s := startServer(t, c.serve)
				r := mustRun(t, run, Config{Address: s.address(), Connections: 1, Depth: 6, Sizes: Fixed(100), Duration: 20 * time.Second})
				if r.Failed(c.cause) != 1 || r.Failed() != 1 {
					t.Errorf("failures %v, 1 %s is expected", r.Failures, c.cause)
				}
				if r.Mismatches() != 1 || r.Invalid() == "" || r.Active.Lost != 1 {
					t.Errorf("mismatches %d, invalid %q, lost %d", r.Mismatches(), r.Invalid(), r.Active.Lost)
				}
				if !r.Partial {
					t.Error("the run went on without a connection")
				}
			})
		})
	}
}

// A server that is wrong on every connection costs no more memory than one that is wrong on a few.
func TestManyLies(t *testing.T) {
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		s := startServer(t, func(n int, p protocol.Packet) []byte {
			p.Payload[len(p.Payload)-1] ^= 1
			return honest(n, p)
		})
		r := mustRun(t, run, Config{Address: s.address(), Connections: 100, Sizes: Fixed(200_000), Duration: 20 * time.Second})
		if r.Failed(Corrupted) != 100 || r.Failed() != 100 || !strings.Contains(r.Failures[0].Examples[0], "at byte 199999 of 200000") {
			t.Errorf("failures %v", r.Failures)
		}
	})
}

func TestSilentServer(t *testing.T) {
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		s := startServer(t, func(n int, p protocol.Packet) []byte {
			if n > 3 {
				return nil
			}
			return honest(n, p)
		})
		r := mustRun(t, run, Config{Address: s.address(), Connections: 2, Depth: 2, DrainTimeout: 50 * time.Millisecond})
		if r.Unanswered != 4 || r.Failed(Unanswered) != 4 || r.Invalid() == "" {
			t.Errorf("unanswered %d, failures %v", r.Unanswered, r.Failures)
		}
		r = mustRun(t, run, Config{Address: s.address(), Connections: 2, Rate: 500, DrainTimeout: 50 * time.Millisecond})
		if r.Sustained || r.Backlog == 0 {
			t.Errorf("sustained %v with a backlog of %d", r.Sustained, r.Backlog)
		}
	})
}

func TestClosingServers(t *testing.T) {
	closing := func(t *testing.T, run func(Config) (*Result, error), handle func(c net.Conn)) *Result {
		s := startHandler(t, func(_ *testServer, c net.Conn) { handle(c) }, nil)
		return mustRun(t, run, Config{Address: s.address(), Connections: 3, Depth: 2, Duration: 20 * time.Second})
	}
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		r := closing(t, run, func(c net.Conn) {
			p, _ := readPacket(c)
			readPacket(c)
			b := honest(1, p)
			c.Write(b[:len(b)-10])
		})
		if r.Failed(Closed) != 3 || !strings.Contains(r.Failures[0].Examples[0], "in the middle of echo 1") {
			t.Errorf("closing in the middle: %v", r.Failures)
		}
		r = closing(t, run, func(c net.Conn) {
			p, _ := readPacket(c)
			c.Write(honest(1, p))
			c.(*net.TCPConn).SetLinger(0)
		})
		if r.Failed(Reset, Closed) != 3 {
			t.Errorf("resetting: %v", r.Failures)
		}
		r = closing(t, run, func(c net.Conn) {
			readPacket(c)
			readPacket(c)
			c.Write(protocol.AppendError(nil, protocol.CodeTooMany, "3 is all I take"))
		})
		if r.Failed(ServerError) != 3 || r.Failed() != 3 || r.Active.Lost != 3 || !strings.Contains(r.Failures[0].Examples[0], "3 is all I take") {
			t.Errorf("an ERROR and a close: %v", r.Failures)
		}
		r = closing(t, run, func(c net.Conn) {
			readPacket(c)
			readPacket(c)
			c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		})
		if r.Failed(NotEcho) != 3 || !strings.Contains(r.Failures[0].Examples[0], "HTTP/1.1") {
			t.Errorf("another protocol: %v", r.Failures)
		}
	})
}

func TestPingAndGoAway(t *testing.T) {
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		var pongs atomic.Int32
		s := startServer(t, func(n int, p protocol.Packet) []byte {
			switch {
			case p.Kind == protocol.Pong && string(p.Payload) == "alive?":
				pongs.Add(1)
				return nil
			case n == 5:
				return append(protocol.Append(nil, protocol.Ping, []byte("alive?")), honest(n, p)...)
			case n == 50:
				return append(protocol.AppendGoAway(nil, time.Second), honest(n, p)...)
			}
			return honest(n, p)
		})
		r := mustRun(t, run, Config{Address: s.address(), Connections: 4, Depth: 8, Duration: 20 * time.Second})
		if len(r.Failures) > 0 || r.Active.Lost > 0 || r.GoneAway != 4 || pongs.Load() != 4 {
			t.Errorf("failures %v, lost %d, gone away %d, pongs %d", r.Failures, r.Active.Lost, r.GoneAway, pongs.Load())
		}
		if r.Active.Sent != r.Active.Received || r.Invalid() != "" || !r.Partial {
			t.Errorf("sent %d, received %d, invalid %q, partial %v", r.Active.Sent, r.Active.Received, r.Invalid(), r.Partial)
		}
	})
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	eachPoller(t, func(t *testing.T, run func(Config) (*Result, error)) {
		_, err := run(Config{Address: address, Connections: 2})
		if err == nil || !strings.Contains(err.Error(), "refused") || !strings.Contains(err.Error(), "is the server listening") {
			t.Errorf("got %v", err)
		}
	})
}

func TestInterrupted(t *testing.T) {
	s := startServer(t, honest)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var edges []Edge
	c := Config{Address: s.address(), Connections: 2, Duration: time.Hour}
	c.Window = func(e Edge) {
		edges = append(edges, e)
	}
	before := int64(-1) // packets when the open window was first looked at
	c.Progress = func(s Snapshot) {
		switch {
		case len(edges) == 0:
		case before < 0:
			before = s.Packets
		case s.Packets > before:
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Partial || r.Packets == 0 || r.Window <= 0 || r.Window >= time.Hour || len(r.Failures) > 0 {
		t.Errorf("partial %v, packets %d, window %v, failures %v", r.Partial, r.Packets, r.Window, r.Failures)
	}
	if !slices.Equal(edges, []Edge{Opens, Closes}) {
		t.Errorf("edges %v", edges)
	}
}

func TestInterruptedBeforeTheWindow(t *testing.T) {
	s := startServer(t, honest)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := Run(ctx, Config{Address: s.address(), Connections: 2, Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Partial || r.Window != 0 || r.Packets != 0 || r.PacketsPerSecond() != 0 {
		t.Errorf("partial %v, window %v, packets %d", r.Partial, r.Window, r.Packets)
	}
}

func TestProgressAndSamples(t *testing.T) {
	s := startServer(t, honest)
	var phases []string
	r, err := Run(context.Background(), Config{
		Address: s.address(), Connections: 2, Duration: 1100 * time.Millisecond,
		Progress: func(p Snapshot) { phases = append(phases, p.Phase) },
	})
	if err != nil {
		t.Fatal(err)
	}
	mustBeValid(t, r)
	var packets int64
	for _, s := range r.Samples {
		packets += s.Packets
	}
	if len(phases) == 0 || len(r.Samples) == 0 || packets > r.Packets*2 || packets < r.Packets/2 {
		t.Errorf("%d snapshots, %d samples with %d packets of %d", len(phases), len(r.Samples), packets, r.Packets)
	}
	if r.ClientCPU <= 0 || len(r.LoopCPU) != 1 {
		t.Errorf("client CPU %v, of loops %v", r.ClientCPU, r.LoopCPU)
	}
}
