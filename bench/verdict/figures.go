package verdict

import (
	"math"
	"slices"
	"time"

	"echosrv/bench/result"
	"echosrv/bench/stats"
)

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
