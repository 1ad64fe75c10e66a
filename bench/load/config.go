// Package load is the client that loads an echo server and checks every echo: order, length and content.
//
// Run opens connections, keeps packets in flight for a warm-up and then for a measured window, and returns
// what came back: counts, latencies, the client's own CPU time, and everything that went wrong, by cause.
//
// The route of a packet, file by file:
//
//	script.go    the random payloads, laid out once as the bytes to send and the bytes to expect
//	flow.go      one connection without its socket: what to send next, what must come back
//	loop.go      one thread's turn: what time asks for, then the sockets that are ready
//	conn.go      one connection's turn: read, check, send again; and the ways it ends
//	poller*.go   the sockets: epoll on Linux, goroutines elsewhere
//	run.go       the phases of a run, and the window that is measured
//
// It works against any framed echo server and, with Config.Raw, against a plain byte echo. It imports no
// network engine.
package load

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"time"
)

// Limits and defaults of a Config.
const (
	MaxConnections = 1 << 20
	MaxDepth       = 1 << 16
	MaxThreads     = 1 << 10
	MaxRate        = 10e6 // packets, connections or bytes per second

	DefaultConnectTimeout = 10 * time.Second
	DefaultDrainTimeout   = 2 * time.Second
)

// Arrivals says how the packets of an open loop are spread over time.
type Arrivals int

const (
	// Constant spaces arrivals evenly.
	Constant Arrivals = iota
	// Poisson makes arrivals independent of each other: the gaps between them are exponential.
	Poisson
)

func (a Arrivals) String() string {
	if a == Poisson {
		return "poisson"
	}
	return "constant"
}

// ParseArrivals is the inverse of Arrivals.String.
func ParseArrivals(s string) (Arrivals, error) {
	switch s {
	case "constant":
		return Constant, nil
	case "poisson":
		return Poisson, nil
	}
	return 0, fmt.Errorf("unknown arrivals %q: constant and poisson are known", s)
}

// Edge is one end of the measured window.
type Edge int

// The two ends of the window.
const (
	Opens Edge = iota
	Closes
)

// Config says what to load and how. Address, and one of Connections, Churn and Idle, must be given; the
// zero value of anything else is a sensible choice.
type Config struct {
	Address     string // HOST:PORT
	Connections int    // that send and receive, for the whole run
	// Depth is how many packets each connection keeps in flight; 0: 1. In the closed loop the echoes that one
	// read brought are replaced by as many packets in one write. With a Rate it is the most there may be:
	// packets that are due wait for the first connection with room.
	Depth int
	Sizes Sizes // payload sizes in bytes; nil: 1024

	Duration time.Duration // of the measured window; 0: 1 s
	Warmup   time.Duration // between the last connection's opening and the window
	Ramp     time.Duration // over which the connections are opened; 0: at once

	Threads int    // event loops; 0: 1. Connections are dealt to them in turn
	CPUs    []int  // loop i is pinned to CPUs[i%len(CPUs)], on Linux; empty: not pinned
	Seed    uint64 // the same seed gives the same payloads, sizes and arrivals

	// Rate is in packets per second over all connections. 0 is the closed loop: an echo that came back is
	// at once replaced by the next packet, so a slow server slows its load down. Above 0 packets are due
	// at times fixed beforehand, and latency counts from then.
	Rate     float64
	Arrivals Arrivals

	// Raw is for a plain byte echo: it interprets no header, and what is sent comes back unchanged. The
	// bytes are the same packets, so that figures compare.
	Raw bool

	Churn        float64 // connections opened per second beside the lasting ones, each closed again after
	ChurnPackets int     // so many packets; 0: 1
	Idle         int     // connections held open beside the others; they only answer PINGs
	Slow         int     // connections that send all the server takes and read at
	SlowRate     float64 // so many bytes per second each; 0: 1000

	ConnectTimeout time.Duration // 0: DefaultConnectTimeout
	DrainTimeout   time.Duration // for the echoes still owed when the window closes; 0: DefaultDrainTimeout

	// Window is called right before the window opens and right before it closes, on one goroutine, so that
	// clocks read in it (a server's CPU time) span as long as the window itself. Both calls or none are made.
	Window func(Edge)
	// Progress is called about once per second, on the same goroutine; it should be quick.
	Progress func(Snapshot)
}

// Check says what can't be about a Config; Run starts with it.
func (c Config) Check() error {
	c = c.withDefaults()
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fmt.Errorf("address %q: HOST:PORT is expected", c.Address)
	}
	if err := c.checkCounts(); err != nil {
		return err
	}
	if c.Connections == 0 && c.Churn == 0 && c.Idle == 0 && c.Slow == 0 {
		return fmt.Errorf("nothing to do: connections, churn, idle and slow are all 0")
	}
	if c.Rate > 0 && c.Connections == 0 {
		return fmt.Errorf("a rate of %g packets/s needs connections to send them on, 0 were asked for", c.Rate)
	}
	if c.Duration < time.Millisecond {
		return fmt.Errorf("duration %v: at least 1ms is needed", c.Duration)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"warmup", c.Warmup}, {"ramp", c.Ramp}, {"connect timeout", c.ConnectTimeout}, {"drain timeout", c.DrainTimeout}} {
		if d.value < 0 {
			return fmt.Errorf("%s %v: it can't be negative", d.name, d.value)
		}
	}
	if err := c.Sizes.check(); err != nil {
		return err
	}
	return nil
}

func (c Config) checkCounts() error {
	for _, n := range []struct {
		name       string
		value      int
		least, max int
	}{
		{"connections", c.Connections, 0, MaxConnections},
		{"idle connections", c.Idle, 0, MaxConnections},
		{"slow connections", c.Slow, 0, MaxConnections},
		{"depth", c.Depth, 1, MaxDepth},
		{"threads", c.Threads, 1, MaxThreads},
		{"packets per churned connection", c.ChurnPackets, 1, math.MaxInt32},
	} {
		if n.value < n.least || n.value > n.max {
			return fmt.Errorf("%s %d: %d to %d are allowed", n.name, n.value, n.least, n.max)
		}
	}
	for _, r := range []struct {
		name  string
		value float64
	}{{"rate", c.Rate}, {"churn", c.Churn}, {"slow rate", c.SlowRate}} {
		if !(r.value >= 0 && r.value <= MaxRate) {
			return fmt.Errorf("%s %g per second: 0 to %.0f are allowed", r.name, r.value, float64(MaxRate))
		}
	}
	if i := slices.IndexFunc(c.CPUs, func(cpu int) bool { return cpu < 0 }); i >= 0 {
		return fmt.Errorf("CPU %d: CPUs are numbered from 0", c.CPUs[i])
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Depth = orDefault(c.Depth, 1)
	c.Threads = orDefault(c.Threads, 1)
	c.ChurnPackets = orDefault(c.ChurnPackets, 1)
	c.SlowRate = orDefault(c.SlowRate, 1000)
	c.Duration = orDefault(c.Duration, time.Second)
	c.ConnectTimeout = orDefault(c.ConnectTimeout, DefaultConnectTimeout)
	c.DrainTimeout = orDefault(c.DrainTimeout, DefaultDrainTimeout)
	if len(c.Sizes) == 0 {
		c.Sizes = Fixed(1024)
	}
	return c
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// Sizes is a mix of payload sizes. Over a run each part gets its share exactly, in random order.
type Sizes []Share

// Share is one part of a mix: sizes from Min to Max bytes, evenly spread, as often as Weight says in
// proportion to the other parts.
type Share struct {
	Min, Max int
	Weight   float64
}

// Fixed is the mix of one size only.
func Fixed(bytes int) Sizes { return Sizes{{bytes, bytes, 1}} }

// Max is the largest size of the mix.
func (s Sizes) Max() int {
	most := 0
	for _, p := range s {
		most = max(most, p.Max)
	}
	return most
}

// Mean is the mean size of the mix in bytes.
func (s Sizes) Mean() float64 {
	var sum, weight float64
	for _, p := range s {
		sum += p.Weight * float64(p.Min+p.Max) / 2
		weight += p.Weight
	}
	return sum / weight
}

// String writes the mix as ParseSizes reads it.
func (s Sizes) String() string {
	var parts []string
	for _, p := range s {
		part := fmt.Sprint(p.Min)
		if p.Max != p.Min {
			part = fmt.Sprintf("%d-%d", p.Min, p.Max)
		}
		if len(s) > 1 || p.Weight != 1 {
			part += fmt.Sprintf(":%g", p.Weight)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}
