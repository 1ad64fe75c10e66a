package report

import (
	"fmt"
	"math"
	"strings"

	"echosrv/bench/result"
	"echosrv/bench/stats"
	"echosrv/bench/table"
	"echosrv/bench/verdict"
)

// bars is a chart of one horizontal bar for each contestant. Lengths are percent of the chart's width.
type bars struct {
	Bars []bar
	// Reference is where a line stands for a ratio of one; negative: nowhere.
	Reference float64
}

type bar struct {
	Name, Label string
	Length      float64
	// Low and High bound the interval; equal where there is none.
	Low, High float64
	Best      bool
	// Dot: the value is a place and not a length.
	Dot bool
}

// room is the percent of the width that the longest interval may take; the rest is for nothing.
const room = 98

// value is what one bar shows.
type value struct {
	name, label string
	stats.Estimate
	best bool
}

// rowValues are the values of a board's rows.
func rowValues(rows []verdict.Row, of func(verdict.Row) stats.Estimate, best func(verdict.Row) bool) (values []value) {
	for _, r := range rows {
		values = append(values, value{r.Name, interval(of(r), table.Count), of(r), best(r)})
	}
	return values
}

func newBars(values []value) bars {
	most := 0.0
	for _, v := range values {
		if v.Bounded() {
			most = max(most, v.High)
		} else if !math.IsNaN(v.Median) {
			most = max(most, v.Median)
		}
	}
	chart := bars{Reference: -1}
	if most <= 0 {
		return chart
	}
	for _, v := range values {
		if math.IsNaN(v.Median) {
			continue
		}
		b := bar{Name: v.name, Label: v.label, Length: v.Median / most * room, Best: v.best}
		if v.Bounded() {
			b.Low, b.High = v.Low/most*room, v.High/most*room
		}
		chart.Bars = append(chart.Bars, b)
	}
	return chart
}

// newRatios places ratios to the baseline on a logarithmic axis that has 1 in the middle.
func newRatios(b verdict.Board) bars {
	reach := math.Log(1.1)
	for _, r := range b.Rows {
		if c := r.CostRatio; c.N > 1 {
			reach = max(reach, math.Abs(math.Log(c.Low)), math.Abs(math.Log(c.High)))
		}
	}
	reach = min(reach, math.Log(100))
	place := func(ratio float64) float64 {
		return min(100, max(0, 50+math.Log(ratio)/reach*49))
	}
	chart := bars{Reference: 50}
	for _, r := range b.Rows {
		if c := r.CostRatio; c.N > 1 && r.Name != b.Baseline {
			chart.Bars = append(chart.Bars, bar{Name: r.Name, Label: table.Ratio(c, false), Length: place(c.Ratio.Ratio), Low: place(c.Low), High: place(c.High), Dot: true, Best: c.Differs})
		}
	}
	return chart
}

// plot is a chart of lines. Coordinates are percent of the plot's area, y from the top.
type plot struct {
	Lines        []lineOf
	XTicks       []tick
	YTicks       []tick
	XName, YName string
}

type lineOf struct {
	Name   string
	Color  int // of the palette, from 0
	Points string
}

type tick struct {
	At   float64
	Text string
}

// palette is the number of colours that the page's styles define.
const palette = 8

// percentiles of the latency chart, as the number of nines on the axis.
var percentiles = []float64{0, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99}

// latencyPlot draws response time by percentile: x is the share of packets that took longer, y the time,
// both logarithmic.
func latencyPlot(rows []verdict.Row) plot {
	p := plot{XName: "percentile", YName: "response time"}
	x := func(percent float64) float64 { return -math.Log10(1-percent/100) / 4 * 100 }
	low, high := math.Inf(1), 0.0
	for _, r := range rows {
		if r.Response.At(50) > 0 {
			low = min(low, float64(max(1, r.Response.At(0))))
			high = max(high, float64(r.Response.At(percentiles[len(percentiles)-1])))
		}
	}
	if high <= 0 {
		return plot{}
	}
	scale := newLogScale(low, high)
	for i, r := range rows {
		if r.Response.At(50) <= 0 {
			continue
		}
		var points []string
		for _, percent := range percentiles {
			points = append(points, fmt.Sprintf("%.2f,%.2f", x(percent), scale.y(float64(r.Response.At(percent)))))
		}
		p.Lines = append(p.Lines, lineOf{Name: r.Name, Color: i % palette, Points: strings.Join(points, " ")})
	}
	for _, percent := range []float64{50, 90, 99, 99.9, 99.99} {
		p.XTicks = append(p.XTicks, tick{x(percent), fmt.Sprintf("p%g", percent)})
	}
	p.YTicks = scale.ticks()
	return p
}

// logScale places times on a logarithmic axis between two powers of ten.
type logScale struct{ low, high float64 }

func newLogScale(low, high float64) logScale {
	s := logScale{math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))}
	if s.high <= s.low {
		s.high = s.low * 10
	}
	return s
}

// y is the place of a time in percent from the top.
func (s logScale) y(ns float64) float64 {
	return 100 - math.Log(max(s.low, ns)/s.low)/math.Log(s.high/s.low)*100
}

func (s logScale) ticks() (ticks []tick) {
	for v := s.low; v <= s.high*1.01; v *= 10 {
		ticks = append(ticks, tick{s.y(v), short(v)})
	}
	return ticks
}

// short writes a power of ten of ns.
func short(ns float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}} {
		if ns >= u.size*0.99 {
			return fmt.Sprintf("%.0f %s", ns/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f ns", ns)
}

// seriesPlot draws values over the time of a run, from zero to most; most of 0 fits the data.
func seriesPlot(series []result.Sample, lines int, value func(result.Sample, int) float64, most float64, format func(float64) string) plot {
	end := last(series)
	if most == 0 {
		for _, s := range series {
			most = max(most, value(s, 0))
		}
		most *= 1.1
	}
	if most <= 0 || end <= 0 {
		return plot{}
	}
	p := plot{XTicks: []tick{{0, "0"}, {100, fmt.Sprintf("%.1f s", end.Seconds())}}, YTicks: []tick{{100, "0"}, {0, format(most)}}}
	for i := range lines {
		var points []string
		for _, s := range series {
			x, y := float64(s.At)/float64(end)*100, 100-min(1, value(s, i)/most)*100
			points = append(points, fmt.Sprintf("%.2f,%.2f", x, y))
		}
		p.Lines = append(p.Lines, lineOf{Color: i % palette, Points: strings.Join(points, " ")})
	}
	return p
}
