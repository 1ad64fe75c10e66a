// Package selftest lets the bench prove itself: it measures servers whose behaviour is known and checks
// that it says so. Each proof passes or fails with a sentence of figures.
package selftest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"echosrv/bench/liar"
	"echosrv/bench/result"
	"echosrv/bench/runner"
	"echosrv/bench/stats"
	"echosrv/bench/verdict"
)

// Bench is what the proofs use.
type Bench struct {
	// Server is how to start a liar as a child process.
	Server func(lie liar.Lie, work time.Duration, cpus []int) runner.Command
	// Placement of servers and client.
	Placement runner.Placement
	// Repeats of the comparison of equals.
	Repeats int
	// Seed of the order of rounds.
	Seed uint64
}

// Proof is one thing that the bench claims of itself.
type Proof struct {
	Name string
	// Claim is what is proved, as a sentence.
	Claim string
	// Run gives the figures, and an error if the claim doesn't hold.
	Run func(context.Context, Bench) (figures string, err error)
}

// Proofs are all there are, in the order in which they are made.
func Proofs() []Proof {
	var all []Proof
	for _, lie := range liar.Lies() {
		all = append(all, Proof{
			Name:  "lie: " + string(lie),
			Claim: fmt.Sprintf("a server that gets one packet in %d wrong is caught and named", liar.Every),
			Run:   func(ctx context.Context, b Bench) (string, error) { return b.lie(ctx, lie) },
		})
	}
	return append(all,
		Proof{"stopped server", "percentiles count the time that a stopped server made packets wait", stopped},
		Proof{"CPU time", "time that the server spends on each packet is found in its CPU time", work},
		Proof{"slowdown", "a server made 5 % dearer is told from itself, or the bench says that it can't", slowdown},
		Proof{"equals", "comparing a server with itself finds nothing, beyond the error rate", equals},
	)
}

// setting is a short load that all proofs use.
func setting() result.Cell {
	return result.Cell{Connections: 16, Depth: 4, Sizes: "256", Duration: 250 * time.Millisecond, Warmup: 120 * time.Millisecond, ClientThreads: 1, Seed: 1}
}

func (b Bench) contestant(name string, lie liar.Lie, work time.Duration) runner.Contestant {
	return runner.Contestant{
		Contestant: result.Contestant{Name: name, Spec: name},
		Command:    func(_ result.Cell, cpus []int) runner.Command { return b.Server(lie, work, cpus) },
	}
}

func (b Bench) compare(ctx context.Context, cell result.Cell, rounds int, seed uint64, cs ...runner.Contestant) (*result.File, error) {
	f, err := runner.Run(ctx, runner.Plan{
		Kind: result.KindCompare, Cells: []result.Cell{cell}, Contestants: cs, Baseline: cs[0].Name, Rounds: rounds,
		Seed: seed, Placement: b.Placement,
	})
	if err != nil {
		return nil, err
	}
	if f.Partial {
		return nil, context.Cause(ctx)
	}
	return f, nil
}

func (b Bench) lie(ctx context.Context, lie liar.Lie) (string, error) {
	f, err := b.compare(ctx, setting(), 1, b.Seed, b.contestant("liar", lie, 0))
	if err != nil {
		return "", err
	}
	row := verdict.Judge(f, 0).Rows[0]
	if row.Verdict != verdict.Invalid || f.Runs[0].Mismatches == 0 {
		return "", fmt.Errorf("the verdict was %s with %d mismatches", row.Verdict, f.Runs[0].Mismatches)
	}
	named := map[liar.Lie]string{liar.Drop: "dropped", liar.Duplicate: "duplicated", liar.Corrupt: "corrupted", liar.Pad: "wrong length", liar.Reorder: "reordered"}[lie]
	for _, e := range f.Runs[0].Errors {
		if e.Cause == named {
			return fmt.Sprintf("INVALID, %s on %d connections", e.Cause, e.Count), nil
		}
	}
	return "", fmt.Errorf("it was caught but not named: %s", row.Why)
}

// work compares servers that spend a time and twice that time on every packet. Both are busy without
// pause, so that neither has a larger share of wake-ups or larger bursts than the other.
func work(ctx context.Context, b Bench) (string, error) {
	const spent = 20 * time.Microsecond
	const tolerance = 0.15
	f, err := b.compare(ctx, setting(), 5, b.Seed, b.contestant("once", liar.Honest, spent), b.contestant("twice", liar.Honest, 2*spent))
	if err != nil {
		return "", err
	}
	found := cost(f, 1) - cost(f, 0)
	figures := fmt.Sprintf("%d ns more were spent on each packet and %.0f ns were found", spent.Nanoseconds(), found)
	if !(math.Abs(found-float64(spent)) <= tolerance*float64(spent)) {
		return "", fmt.Errorf("%s; %.0f %% are allowed", figures, tolerance*100)
	}
	return figures, nil
}

// cost is the median CPU time per packet of a contestant; NaN if it gave none.
func cost(f *result.File, contestant int) float64 {
	for _, row := range verdict.Judge(f, 0).Rows {
		if row.Index == contestant {
			return row.Cost.Median
		}
	}
	return math.NaN()
}

// slowdown makes a server dearer by a known share of what it costs now.
func slowdown(ctx context.Context, b Bench) (string, error) {
	const share, rounds = 0.05, 10
	// The base spends a time of its own on every packet, so that what is put in is small against it and
	// not lost in the grain of the clock that it is measured with.
	const base = 10 * time.Microsecond
	f, err := b.compare(ctx, setting(), 2, b.Seed, b.contestant("base", liar.Honest, base))
	if err != nil {
		return "", err
	}
	before := cost(f, 0)
	if math.IsNaN(before) {
		return "", fmt.Errorf("the cost of the base is not known: %s", f.Runs[0].Invalid+f.Runs[0].Failed)
	}
	added := time.Duration(before * share)
	f, err = b.compare(ctx, setting(), rounds, b.Seed, b.contestant("base", liar.Honest, base), b.contestant("slower", liar.Honest, base+added))
	if err != nil {
		return "", err
	}
	board := verdict.Judge(f, 0)
	i := slices.IndexFunc(board.Rows, func(r verdict.Row) bool { return r.Name == "slower" })
	r := board.Rows[i].CostRatio
	figures := fmt.Sprintf("%v were added to %.0f ns; found %.3f (%.3f to %.3f), p = %.4f; the least that could have been found is %.1f %%", added, before, r.Ratio.Ratio, r.Low, r.High, r.Corrected, r.Least*100)
	switch {
	case r.Differs && r.Ratio.Ratio > 1:
		return "found: " + figures, nil
	case !r.Differs && r.Least > share:
		return "not found, and said so: " + figures, nil
	}
	return "", fmt.Errorf("%s", figures)
}

// equals compares a server with itself, again and again.
func equals(ctx context.Context, b Bench) (string, error) {
	const rounds = 6
	cell := setting()
	cell.Duration = 150 * time.Millisecond
	var found []string
	for i := range b.Repeats {
		f, err := b.compare(ctx, cell, rounds, b.Seed+uint64(i), b.contestant("one", liar.Honest, 0), b.contestant("other", liar.Honest, 0))
		if err != nil {
			return "", err
		}
		for _, r := range verdict.Judge(f, 0).Rows {
			if r.Verdict == verdict.Invalid {
				return "", fmt.Errorf("an honest server was called invalid: %s", r.Why)
			}
			if r.CostRatio.Differs {
				found = append(found, fmt.Sprintf("%.3f with p = %.3f", r.CostRatio.Ratio.Ratio, r.CostRatio.Corrected))
			}
		}
	}
	most := allowed(b.Repeats)
	figures := fmt.Sprintf("%d differences in %d comparisons, %d are allowed at an error rate of %.0f %%", len(found), b.Repeats, most, stats.Alpha*100)
	if len(found) > 0 {
		figures += " (" + strings.Join(found, ", ") + ")"
	}
	if len(found) > most {
		return "", fmt.Errorf("%s", figures)
	}
	return figures, nil
}

// allowed is the number of false findings in n comparisons that a sound bench exceeds in less than one of
// forty selftests.
func allowed(n int) int {
	below, chance := 0.0, math.Pow(1-stats.Alpha, float64(n))
	for k := 0; ; k++ {
		below += chance
		if below >= 1-0.025 || k == n {
			return k
		}
		chance *= float64(n-k) / float64(k+1) * stats.Alpha / (1 - stats.Alpha)
	}
}
