package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"echosrv/bench/result"
	"echosrv/bench/stats"
	"echosrv/bench/table"
	"echosrv/bench/verdict"
)

// panel is a chart of a measurement that isn't a comparison in one setting: bars or lines.
type panel struct {
	Title, Caption string
	Bars           bars
	Plot           plot
}

// panels are the charts of a sweep, a search for capacity or a measurement of memory; those with nothing to
// show are left out.
func panels(f *result.File) (all []panel) {
	switch f.Kind {
	case result.KindSweep:
		for _, b := range verdict.Boards(f) {
			all = append(all, panel{Title: b.Cell.Name + ": server CPU time per packet, ns", Bars: costBars(b.Rows)})
		}
	case result.KindMemory:
		for cell := range f.Cells {
			all = append(all, memoryPanel(f, cell))
		}
	case result.KindCapacity:
		all = append(all, capacityPanel(f), ratesPanel(f))
	}
	return slices.DeleteFunc(all, func(p panel) bool { return len(p.Bars.Bars) == 0 && len(p.Plot.Lines) == 0 })
}

func costBars(rows []verdict.Row) bars {
	return newBars(rowValues(rows, func(r verdict.Row) stats.Estimate { return r.Cost }, func(r verdict.Row) bool { return r.Cheapest }))
}

func memoryPanel(f *result.File, cell int) panel {
	var values []value
	for i, c := range f.Contestants {
		e := verdict.IdleBytes(f, cell, i)
		values = append(values, value{name: c.Name, label: interval(e, table.Count), Estimate: e})
	}
	return panel{Title: f.Cells[cell].Name + ": resident bytes per connection", Bars: newBars(values)}
}

// capacityPanel shows the rates that were kept; the whisker reaches to the one that was not.
func capacityPanel(f *result.File) panel {
	p := panel{Title: "Highest rate kept, packets/s", Caption: "More is better. The interval reaches from the highest rate that was kept to the lowest that was not."}
	var values []value
	for _, c := range f.Capacity {
		e, found := verdict.Capacity(c)
		if !found {
			continue
		}
		if math.IsInf(e.High, 0) {
			e.Median = e.Low
		}
		values = append(values, value{name: f.Contestants[c.Contestant].Name, label: table.Kept(c), Estimate: e})
	}
	slices.SortStableFunc(values, func(a, b value) int { return cmp.Compare(b.Median, a.Median) })
	p.Bars = newBars(values)
	return p
}

// ratesPanel shows the 99th percentile at each rate that was tried and answered, and the limit as a line.
func ratesPanel(f *result.File) panel {
	p := panel{Title: "p99 of response time by rate", Caption: "The median of the runs at each rate; those that were not sustained have no percentile. Time is logarithmic."}
	most, high, low := 0.0, 0.0, math.Inf(1)
	tried := map[int]map[float64][]float64{} // p99s by contestant and rate
	for _, r := range f.Runs {
		if r.Failed+r.Invalid != "" || r.NotSustained || r.Response == nil || f.Cells[r.Cell].Rate <= 0 {
			continue
		}
		rate, p99 := f.Cells[r.Cell].Rate, float64(r.Response.At(99))
		if p99 <= 0 {
			continue
		}
		if tried[r.Contestant] == nil {
			tried[r.Contestant] = map[float64][]float64{}
		}
		tried[r.Contestant][rate] = append(tried[r.Contestant][rate], p99)
		most, high, low = max(most, rate), max(high, p99), min(low, p99)
	}
	if most <= 0 {
		return p
	}
	var objective float64
	if len(f.Capacity) > 0 {
		objective = float64(f.Capacity[0].Objective)
		high, low = max(high, objective), min(low, objective)
	}
	scale := newLogScale(low, high)
	p.Plot = plot{XName: "packets/s", YName: "p99", YTicks: scale.ticks()}
	for _, share := range []float64{0, 0.25, 0.5, 0.75} {
		p.Plot.XTicks = append(p.Plot.XTicks, tick{share * 100, table.Count(most*share) + "/s"})
	}
	for i, c := range f.Contestants {
		var points []string
		for _, rate := range slices.Sorted(maps.Keys(tried[i])) {
			points = append(points, fmt.Sprintf("%.2f,%.2f", rate/most*100, scale.y(stats.Of(tried[i][rate]).Median)))
		}
		if len(points) > 0 {
			p.Plot.Lines = append(p.Plot.Lines, lineOf{Name: c.Name, Color: i % palette, Points: strings.Join(points, " ")})
		}
	}
	if objective > 0 {
		p.Plot.Lines = append(p.Plot.Lines, lineOf{Name: fmt.Sprintf("limit, %v", time.Duration(objective)), Color: palette - 1,
			Points: fmt.Sprintf("0,%.2[1]f 100,%.2[1]f", scale.y(objective))})
	}
	return p
}
