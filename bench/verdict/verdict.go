// Package verdict draws conclusions from the runs of a result file: estimates, ratios to the baseline
// paired by round, and for each contestant a verdict that says what its figures may be used for.
package verdict

import (
	"fmt"
	"math"
	"slices"

	"echosrv/bench/result"
	"echosrv/bench/stats"
)

// Verdict says what a row's figures may be used for.
type Verdict string

// The verdicts, from best to worst. A row has the worst that applies.
const (
	// OK: the server was what limited the run.
	OK Verdict = "OK"
	// ClientBound: the client was as busy as it can be. Throughput and latency are the client's; CPU time
	// per packet is still the server's.
	ClientBound Verdict = "CLIENT-BOUND"
	// HostBound: others used the CPUs that were measured on. CPU time per packet suffers little from that,
	// everything else much.
	HostBound Verdict = "HOST-BOUND"
	// NotSustained: the server didn't keep up with the rate, so percentiles describe the length of the run.
	NotSustained Verdict = "NOT-SUSTAINED"
	// Invalid: wrong echoes, lost connections, a server that failed. Nothing may be compared.
	Invalid Verdict = "INVALID"
	// Missing: nothing was measured, as it was ended before.
	Missing Verdict = "not measured"
)

// Board is the conclusion for one cell.
type Board struct {
	Cell     result.Cell
	Baseline string
	// Rows are by CPU time per packet, those without a figure last.
	Rows []Row
	// Least is the smallest relative difference in CPU time per packet that the median comparison would
	// have found; infinite with fewer than two rounds.
	Least float64
	// Warnings are sentences on what keeps the rows from being compared.
	Warnings []string
}

// Row is the conclusion for one contestant in one cell. Times are ns; an estimate without data is NaN.
type Row struct {
	result.Contestant
	Index   int // in the file's contestants
	Made    int // rounds that were measured, well or not
	Rounds  int // that gave figures
	Verdict Verdict
	Why     string

	Cost       stats.Estimate // server CPU time per packet
	Throughput stats.Estimate // packets/s
	P50        stats.Estimate
	P90        stats.Estimate
	P99        stats.Estimate
	P999       stats.Estimate
	Max        stats.Estimate
	Lateness   stats.Estimate // p99 of the sender's own, open loop only
	Switches   stats.Estimate // context switches of the server per packet
	RSS        stats.Estimate // bytes
	Sockets    stats.Estimate // bytes of kernel memory in TCP sockets
	ServerBusy stats.Estimate // CPUs in use
	ClientBusy stats.Estimate // share of the busiest client thread, 0 to 1
	ClientCost stats.Estimate // client CPU time per packet
	// InFlight is rate times mean response time as a share of the packets that a closed loop keeps in
	// flight. By Little's law it is 1 if both were measured right; NaN for other loads.
	InFlight stats.Estimate

	CostRatio       Comparison // to the baseline; less is better
	ThroughputRatio Comparison // to the baseline; more is better

	// Cheapest and Fastest mark the best and those that can't be told from it. They are set only where
	// somebody can be told from it, and never on figures that the verdict forbids.
	Cheapest, Fastest bool
	// Response of all valid rounds together.
	Response *result.Histogram
}

// Comparison is a ratio to the baseline with its p-value corrected for the number of comparisons.
type Comparison struct {
	stats.Ratio
	Corrected float64
	// Differs: the corrected p-value is below stats.Alpha. Otherwise the two can't be told apart.
	Differs bool
}

// Boards judges every cell of a file.
func Boards(f *result.File) []Board {
	boards := make([]Board, len(f.Cells))
	for i := range f.Cells {
		boards[i] = Judge(f, i)
	}
	return boards
}

// Judge judges one cell of a file.
func Judge(f *result.File, cell int) Board {
	b := Board{Cell: f.Cells[cell], Baseline: f.Baseline, Least: math.Inf(1)}
	runs := rounds(f, cell)
	base := slices.IndexFunc(f.Contestants, func(c result.Contestant) bool { return c.Name == f.Baseline })
	for i, c := range f.Contestants {
		row := Row{Contestant: c, Index: i}
		for _, r := range runs[i] {
			if r != nil {
				row.Made++
			}
		}
		row.estimate(runs[i], b.Cell)
		row.Verdict, row.Why = judge(runs[i], row)
		b.Rows = append(b.Rows, row)
	}
	if base >= 0 {
		b.compare(runs, base)
	}
	b.mark(runs)
	b.warn()
	slices.SortStableFunc(b.Rows, func(x, y Row) int { return ascending(x.Cost.Median, y.Cost.Median) })
	return b
}

// ascending orders numbers with NaN last.
func ascending(a, b float64) int {
	switch {
	case a < b || !math.IsNaN(a) && math.IsNaN(b):
		return -1
	case a > b || math.IsNaN(a) && !math.IsNaN(b):
		return 1
	}
	return 0
}

// warn says where contestants weren't given the same.
func (b *Board) warn() {
	differ := func(what string, of func(Row) string) {
		first := ""
		for _, r := range b.Rows {
			if r.Spec == "" || r.Rounds == 0 {
				continue // another program, of which nothing is known
			}
			if first == "" {
				first = of(r)
			}
			if of(r) != first {
				b.Warnings = append(b.Warnings, fmt.Sprintf("Contestants differ in %s (%s and %s), so they are not compared like for like.", what, first, of(r)))
				return
			}
		}
	}
	differ("threads", func(r Row) string { return fmt.Sprint(r.Threads) })
	differ("GOMAXPROCS", func(r Row) string { return fmt.Sprint(r.GOMAXPROCS) })
	differ("packet limit", func(r Row) string { return fmt.Sprint(r.MaxPacket) })
	for _, r := range b.Rows {
		if math.Abs(r.InFlight.Median-1) > littleLimit {
			b.Warnings = append(b.Warnings, fmt.Sprintf("Rate times response time of %s is %.0f %% of what was in flight: the window of %v is too short for response times like these, or the figures are wrong.",
				r.Name, r.InFlight.Median*100, b.Cell.Duration))
		}
	}
	for _, r := range b.Rows {
		if r.Rounds > 0 && r.Rounds < 6 {
			b.Warnings = append(b.Warnings, fmt.Sprintf("There are no 95 %% intervals of medians with fewer than 6 rounds; there were %d.", r.Rounds))
			return
		}
	}
}
