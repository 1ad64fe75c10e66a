package verdict

import (
	"math"
	"slices"

	"echosrv/bench/result"
	"echosrv/bench/stats"
)

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
		func(r Row) bool { return r.Verdict != Invalid && r.Verdict != Missing && r.Verdict != NotSustained },
		func(r Row) float64 { return r.Cost.Median },
		func(r *Row) { r.Cheapest = true })
	ranked := func(r Row) bool { return r.Verdict == OK }
	if b.Cell.Rate > 0 || slices.ContainsFunc(b.Rows, func(r Row) bool { return !ranked(r) && r.Verdict != Invalid && r.Verdict != Missing }) {
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
