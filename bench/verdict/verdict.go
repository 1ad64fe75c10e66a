// Package verdict draws conclusions from the runs of a result file: estimates, ratios to the baseline
// paired by round, and for each contestant a verdict that says what its figures may be used for.
package verdict

import (
	"fmt"
	"math"
	"slices"
	"time"

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
)

// From these shares on a limit is reached.
const (
	clientLimit = 0.95 // of its busiest thread
	stolenLimit = 0.02 // of the measured CPUs' time
	otherLimit  = 0.05 // of the measured CPUs' time
	littleLimit = 0.1  // distance from 1 of Row.InFlight
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

// rounds are the runs of a cell by contestant and round; nil where there was none.
func rounds(f *result.File, cell int) [][]*result.Run {
	last := -1
	for _, r := range f.Runs {
		last = max(last, r.Round)
	}
	// A damaged file may claim any round; more than there are runs can't be.
	last = min(last, len(f.Runs)-1)
	runs := make([][]*result.Run, len(f.Contestants))
	for i := range runs {
		runs[i] = make([]*result.Run, last+1)
	}
	for i := range f.Runs {
		if r := &f.Runs[i]; r.Cell == cell && r.Round <= last {
			runs[r.Contestant][r.Round] = r
		}
	}
	return runs
}

// valid says whether a run's figures may be used at all.
func valid(r *result.Run) bool {
	return r != nil && r.Failed == "" && r.Invalid == "" && r.Mismatches == 0
}

// figure takes one figure from every round, NaN where there is none, so that rounds stay paired.
func figure(runs []*result.Run, take func(*result.Run) float64) []float64 {
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = math.NaN()
		if valid(r) {
			values[i] = take(r)
		}
	}
	return values
}

func known(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}

// cost, and the functions below it, take a figure from a run; NaN if it isn't known.
func cost(r *result.Run) float64 {
	if c, ok := r.CPUPerPacket(); ok {
		return c
	}
	return math.NaN()
}

func unless(unknown bool, v float64) float64 {
	if unknown {
		return math.NaN()
	}
	return v
}

func response(percent float64) func(*result.Run) float64 {
	return func(r *result.Run) float64 {
		return unless(r.NotSustained || r.Response == nil || r.Response.TotalCount() == 0, float64(r.Response.At(percent)))
	}
}

func (row *Row) estimate(runs []*result.Run, cell result.Cell) {
	of := func(take func(*result.Run) float64) stats.Estimate { return stats.Of(known(figure(runs, take))) }
	row.Cost = of(cost)
	row.Throughput = of((*result.Run).PerSecond)
	row.P50, row.P90, row.P99, row.P999 = of(response(50)), of(response(90)), of(response(99)), of(response(99.9))
	row.Max = of(response(100))
	row.Lateness = of(func(r *result.Run) float64 {
		return unless(r.Lateness == nil, float64(r.Lateness.At(99)))
	})
	row.Switches = of(func(r *result.Run) float64 {
		return unless(!r.Server.Known || r.Packets == 0, float64(r.Server.Voluntary+r.Server.Involuntary)/float64(r.Packets))
	})
	row.RSS = of(func(r *result.Run) float64 { return unless(r.Server.RSS == 0, float64(r.Server.RSS)) })
	row.Sockets = of(func(r *result.Run) float64 { return unless(!r.Host.Known, float64(r.Host.SocketBytes)) })
	row.ServerBusy = of(func(r *result.Run) float64 {
		return unless(!r.Server.Known || r.Window == 0, float64(r.Server.CPU)/float64(r.Window))
	})
	row.ClientBusy = of((*result.Run).ClientBusy)
	row.ClientCost = of(func(r *result.Run) float64 {
		return unless(!r.Client.Known || r.Packets == 0, float64(r.Client.CPU)/float64(r.Packets))
	})
	row.InFlight = of(func(r *result.Run) float64 { return inFlight(r, cell) })
	var all []*result.Histogram
	for _, r := range runs {
		if valid(r) {
			row.Rounds++
			if !r.NotSustained {
				all = append(all, r.Response)
			}
		}
	}
	row.Response = result.Merge(all...)
}

// inFlight is Little's law for one run: see Row.InFlight.
func inFlight(r *result.Run, c result.Cell) float64 {
	if c.Rate > 0 || c.Churn > 0 || c.Slow > 0 || r.Response == nil || r.Response.TotalCount() == 0 {
		return math.NaN()
	}
	return r.PerSecond() * r.Response.Mean() / float64(time.Second) / float64(c.Connections*max(1, c.Depth))
}

// judge gives the verdict for a contestant's runs in a cell.
func judge(runs []*result.Run, row Row) (Verdict, string) {
	made, wrong, why := 0, 0, ""
	var backlog []float64
	var stolen, other []float64
	for _, r := range runs {
		if r == nil {
			continue
		}
		made++
		switch {
		case !valid(r):
			wrong++
			why = reason(r)
		case r.NotSustained:
			backlog = append(backlog, float64(r.Backlog))
		}
		if r.Host.Known {
			stolen, other = append(stolen, r.Host.Stolen), append(other, r.Host.Other)
		}
	}
	switch {
	case made == 0:
		return Invalid, "it was not measured"
	case wrong > 0:
		return Invalid, fmt.Sprintf("%d of %d rounds: %s", wrong, made, why)
	case len(backlog)*2 > made:
		why = fmt.Sprintf("%d of %d rounds; %.0f due packets were not sent when the window closed", len(backlog), made, stats.Of(backlog).Median)
		if row.ClientBusy.Median >= clientLimit {
			why += fmt.Sprintf("; the client was busy %.0f %% of the time, so it may be the client that didn't keep up", row.ClientBusy.Median*100)
		}
		return NotSustained, why
	}
	if s := stats.Of(stolen).Median; s > stolenLimit {
		return HostBound, fmt.Sprintf("the hypervisor took %.0f %% of the CPUs' time", s*100)
	}
	if o := stats.Of(other).Median; o > otherLimit {
		return HostBound, fmt.Sprintf("other processes took %.0f %% of the CPUs' time", o*100)
	}
	if row.ClientBusy.Median >= clientLimit {
		return ClientBound, fmt.Sprintf("the client was busy %.0f %% of the time", row.ClientBusy.Median*100)
	}
	return OK, ""
}

func reason(r *result.Run) string {
	switch {
	case r.Failed != "":
		return r.Failed
	case r.Invalid != "":
		return r.Invalid
	}
	return fmt.Sprintf("echoes were wrong on %d connections", r.Mismatches)
}

// compare sets the ratios to the baseline and corrects them together.
func (b *Board) compare(runs [][]*result.Run, base int) {
	others := max(1, len(b.Rows)-1)
	both := func(take func(*result.Run) float64, into func(*Row) *Comparison) {
		var p []float64
		var rows []*Row
		for i := range b.Rows {
			c := into(&b.Rows[i])
			c.Ratio = stats.Paired(figure(runs[i], take), figure(runs[base], take), others)
			c.Corrected = 1
			if i != base {
				p, rows = append(p, c.P), append(rows, &b.Rows[i])
			}
		}
		for k, corrected := range stats.Holm(p) {
			c := into(rows[k])
			c.Corrected, c.Differs = corrected, corrected < stats.Alpha
		}
	}
	both(cost, func(r *Row) *Comparison { return &r.CostRatio })
	both((*result.Run).PerSecond, func(r *Row) *Comparison { return &r.ThroughputRatio })
	var least []float64
	for i := range b.Rows {
		if i != base && b.Rows[i].CostRatio.N > 1 {
			least = append(least, b.Rows[i].CostRatio.Least)
		}
	}
	if len(least) > 0 {
		b.Least = stats.Of(least).Median
	}
}

// mark finds the best by cost and by throughput.
func (b *Board) mark(runs [][]*result.Run) {
	lead(b.Rows, runs, cost,
		func(r Row) bool { return r.Verdict != Invalid && r.Verdict != NotSustained },
		func(r Row) float64 { return r.Cost.Median },
		func(r *Row) { r.Cheapest = true })
	ranked := func(r Row) bool { return r.Verdict == OK }
	if b.Cell.Rate > 0 || slices.ContainsFunc(b.Rows, func(r Row) bool { return !ranked(r) && r.Verdict != Invalid }) {
		return // at a fixed rate all are equally fast, and what limits one run limits its rank too
	}
	lead(b.Rows, runs, func(r *result.Run) float64 { return -r.PerSecond() }, ranked,
		func(r Row) float64 { return -r.Throughput.Median },
		func(r *Row) { r.Fastest = true })
}

// lead marks the row with the least figure and those that can't be told from it, unless that is everybody.
func lead(rows []Row, runs [][]*result.Run, take func(*result.Run) float64, may func(Row) bool, of func(Row) float64, mark func(*Row)) {
	best := -1
	for i, r := range rows {
		if may(r) && !math.IsNaN(of(r)) && (best < 0 || of(r) < of(rows[best])) {
			best = i
		}
	}
	if best < 0 {
		return
	}
	magnitude := func(r *result.Run) float64 { return math.Abs(take(r)) }
	var p []float64
	var with []int
	for i, r := range rows {
		if i != best && may(r) {
			p = append(p, stats.Paired(figure(runs[i], magnitude), figure(runs[best], magnitude), 1).P)
			with = append(with, i)
		}
	}
	corrected := stats.Holm(p)
	if len(p) == 0 || slices.Min(corrected) >= stats.Alpha {
		return
	}
	mark(&rows[best])
	for k, i := range with {
		if corrected[k] >= stats.Alpha {
			mark(&rows[i])
		}
	}
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

// Duration is an estimate's median as a time.
func Duration(e stats.Estimate) time.Duration {
	if math.IsNaN(e.Median) {
		return 0
	}
	return time.Duration(e.Median)
}
