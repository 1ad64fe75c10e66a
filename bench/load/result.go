package load

import (
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Cause is what went wrong with a connection or an echo.
type Cause string

// The causes of failure. Those under "wrong echoes" void a run: whoever returns something else than what
// was sent must not be compared by speed.
const (
	Refused     Cause = "refused"      // nobody listens at the address
	TimedOut    Cause = "timed out"    // connecting took longer than Config.ConnectTimeout
	Unreachable Cause = "unreachable"  // connecting failed in another way
	Closed      Cause = "closed"       // the server ended a connection that was in use
	Reset       Cause = "reset"        // the same, by force
	ServerError Cause = "server error" // the server sent an ERROR packet
	Unanswered  Cause = "unanswered"   // echoes were still owed at the end, the connection open but silent

	// Wrong echoes.
	Dropped     Cause = "dropped"      // an echo never came, later ones did
	Duplicated  Cause = "duplicated"   // an echo came twice
	Reordered   Cause = "reordered"    // echoes changed places
	Corrupted   Cause = "corrupted"    // right length, other bytes
	WrongLength Cause = "wrong length" // padded or cut
	NotEcho     Cause = "not an echo"  // something that the protocol has no place for
)

// Wrong reports whether the cause is an echo that differs from what was sent.
func (c Cause) Wrong() bool {
	return slices.Contains([]Cause{Dropped, Duplicated, Reordered, Corrupted, WrongLength, NotEcho}, c)
}

// Failure counts one cause. Count is in connections, except for Unanswered and ServerError: packets.
type Failure struct {
	Cause    Cause
	Count    int
	Examples []string // the first few, as sentences
}

// Population counts the connections of one sort over the whole run.
type Population struct {
	Asked       int // by the Config; for churn, that were due
	Established int
	Lost        int // established, and ended by anything but the plan or a GOAWAY
	Sent        int64
	Received    int64 // packets sent and echoes received and checked, over the whole run with its warm-up
}

// Sample is one interval of the window, about a second long.
type Sample struct {
	At          time.Duration // end of the interval, from the window's opening
	Length      time.Duration
	Packets     int64
	Bytes       int64
	Connections int           // established and alive at its end
	Backlog     int64         // packets due and not yet sent at its end (open loop)
	Max         time.Duration // longest response that ended in the interval
	ClientCPU   time.Duration
}

// Snapshot is what Config.Progress gets.
type Snapshot struct {
	Phase       string        // "connecting", "warm-up", "measuring" or "draining"
	Elapsed     time.Duration // in this phase
	Remaining   time.Duration // of warm-up and window together, as planned
	Connections int           // established and alive
	Packets     int64         // since the run began
	Rate        float64       // packets per second since the last snapshot
	Failures    int           // so far, all causes
}

// Result is what a run measured. Packets, Bytes, latencies and CPU time belong to the window alone.
type Result struct {
	Window  time.Duration // its length as it was
	Packets int64         // echoes received in the window, whole and right
	Bytes   int64         // their payload, counted once

	Active, Idle, Slow, Churned Population
	GoneAway                    int       // connections that got a GOAWAY; what they owe still comes
	Failures                    []Failure // most frequent first

	// Latencies in nanoseconds, of lasting and churned connections alike. A service time runs from the
	// moment before a packet was handed to the kernel until its echo was completely read. In the closed
	// loop the response time is the same. In the open loop it runs from when the packet was due, and both
	// include packets due in the window and answered while draining. Lateness is how long after its due
	// time the client itself got to a packet, and is empty in the closed loop.
	Response, Service, Lateness *hdrhistogram.Histogram
	// Connect is the time from the start of a connect to its success, for every connection of the run.
	Connect *hdrhistogram.Histogram

	ClientCPU time.Duration   // all threads of this process
	LoopCPU   []time.Duration // of each loop's thread; a loop at 95 % of Window is the limit of the run
	Samples   []Sample

	// Open loop only: packets that were due in the window; of these, not yet sent when it closed; of these,
	// never sent. A short backlog is still sent, a long one is given up.
	Due, Backlog, Unsent int64
	// Unanswered are packets sent and without an echo at the very end, in any loop.
	Unanswered int64
	// Sustained is true in the closed loop. In the open loop (and for churn) it says that the server kept
	// up: in the window as much was answered as was due, but for 1 % and what 10 ms bring, and nothing
	// stayed unanswered. Where it is false, the percentiles describe how long the run was and not the server.
	Sustained bool

	Partial bool   // the run ended before its time
	Ended   string // and why
}

// Failed counts the failures of some causes; of all causes if none is given.
func (r *Result) Failed(causes ...Cause) int {
	n := 0
	for _, f := range r.Failures {
		if len(causes) == 0 || slices.Contains(causes, f.Cause) {
			n += f.Count
		}
	}
	return n
}

// Mismatches counts the connections on which an echo was wrong.
func (r *Result) Mismatches() int {
	n := 0
	for _, f := range r.Failures {
		if f.Cause.Wrong() {
			n += f.Count
		}
	}
	return n
}

// Invalid says why the run must not be compared with others: wrong echoes, lost or missing connections,
// echoes that never came, nothing measured. It is empty for a run that may.
func (r *Result) Invalid() string {
	for _, f := range r.Failures {
		if f.Cause.Wrong() {
			return fmt.Sprintf("echoes were %s: %s", f.Cause, f.Examples[0])
		}
	}
	p := r.Active
	switch {
	case p.Established < p.Asked:
		return fmt.Sprintf("%d of %d connections were established", p.Established, p.Asked)
	case r.Churned.Lost > 0:
		return fmt.Sprintf("%d of %d churned connections were lost", r.Churned.Lost, r.Churned.Asked) + r.because()
	case p.Lost > 0:
		return fmt.Sprintf("%d of %d connections were lost", p.Lost, p.Asked) + r.because()
	case r.Unanswered > 0:
		return fmt.Sprintf("%d packets were never answered", r.Unanswered)
	case r.Packets == 0 && p.Asked+r.Churned.Asked > 0:
		return "nothing came back in the window"
	}
	return ""
}

// because gives an example of why connections were lost: what the server said of it, if it did.
func (r *Result) because() string {
	for _, cause := range []Cause{ServerError, Closed, Reset} {
		for _, f := range r.Failures {
			if f.Cause == cause && len(f.Examples) > 0 {
				return ": " + f.Examples[0]
			}
		}
	}
	return ""
}

// PacketsPerSecond is the rate of checked echoes over the window.
func (r *Result) PacketsPerSecond() float64 {
	if r.Window <= 0 {
		return 0
	}
	return float64(r.Packets) / r.Window.Seconds()
}
