package load

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"echosrv/protocol"
)

const (
	// longestLatency is the largest latency that is told apart, in ns; longer ones count as this.
	longestLatency = int64(10 * time.Minute)
	// latencyDigits is how many decimal digits of a latency are kept.
	latencyDigits = 3
	// mostExamples is how many failures of a cause are described.
	mostExamples = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longestLatency, latencyDigits)
}

// A meter is what one loop has measured. The loop owns it until it has ended; only live is read by others
// before.
type meter struct {
	measuring       bool  // the window is open; set by the loop, burst by burst
	opened, closed  int64 // ns: the window, 0: not yet. For what counts by its due time
	openLoop        bool
	population      *Population // of the connection whose turn it is
	beside          bool        // that connection loads, but isn't measured (a slow reader)
	packets, bytes  int64       // in the window
	total           int64       // packets, over the run
	response        *hdrhistogram.Histogram
	service         *hdrhistogram.Histogram
	lateness        *hdrhistogram.Histogram
	connect         *hdrhistogram.Histogram
	longest         int64 // ns: the longest response since it was last published
	populations     [roles]Population
	gone            int
	due, answered   int64 // open loop: packets that were due in the window, that were answered in it
	backlog, unsent int64 // open loop: due and not sent when it closed, and never
	unanswered      int64
	failures        map[Cause]*Failure
	failed          int

	live live
}

// live is what the coordinator reads while the loop runs, on a cache line of its own.
type live struct {
	_                                          [64]byte
	packets, bytes, longest, backlog, failures atomic.Int64
	connections, busy, unsettled               atomic.Int64 // busy: the connections that were asked to send
	_                                          [64]byte
}

func newMeter(openLoop bool) *meter {
	return &meter{
		openLoop: openLoop,
		response: newHistogram(), service: newHistogram(), lateness: newHistogram(), connect: newHistogram(),
		failures: make(map[Cause]*Failure),
	}
}

// echoed counts whole packets that came back right; wire is their length with headers.
func (m *meter) echoed(packets, wire int) {
	m.population.Received += int64(packets)
	if m.beside {
		return
	}
	m.total += int64(packets)
	if m.measuring {
		m.packets += int64(packets)
		m.bytes += int64(wire - packets*protocol.HeaderSize)
	}
}

// latency records n packets that were echoed at now.
func (m *meter) latency(now, sent, due int64, n int) {
	if m.beside {
		return
	}
	if !m.openLoop {
		if m.measuring {
			record(m.service, now-sent, n)
			m.longest = max(m.longest, now-sent)
		}
		return
	}
	if m.measuring && m.population == &m.populations[active] {
		m.answered += int64(n)
	}
	if !m.inWindow(due) {
		return
	}
	record(m.response, now-due, n)
	record(m.service, now-sent, n)
	m.longest = max(m.longest, now-due)
}

// inWindow reports whether a due time belongs to the window, be it already closed.
func (m *meter) inWindow(due int64) bool {
	return m.opened > 0 && due >= m.opened && (m.closed == 0 || due < m.closed)
}

func record(h *hdrhistogram.Histogram, ns int64, n int) {
	// Within its bounds RecordValues can't fail.
	_ = h.RecordValues(min(max(ns, 0), longestLatency), int64(n))
}

// failf counts n failures of a cause and describes the first few.
func (m *meter) failf(c Cause, n int, format string, args ...any) {
	f := m.failures[c]
	if f == nil {
		f = &Failure{Cause: c}
		m.failures[c] = f
	}
	f.Count += n
	m.failed += n
	if len(f.Examples) < mostExamples {
		f.Examples = append(f.Examples, fmt.Sprintf(format, args...))
	}
}

// publish lets the coordinator see how far the loop is.
func (m *meter) publish() {
	m.live.packets.Store(m.total)
	m.live.bytes.Store(m.bytes)
	m.live.failures.Store(int64(m.failed))
	if m.longest > m.live.longest.Load() {
		m.live.longest.Store(m.longest)
	}
	m.longest = 0
}
