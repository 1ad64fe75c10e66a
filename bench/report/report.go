// Package report writes a result file as one self-contained HTML page: no script, no font, nothing to
// fetch. It begins with the conclusions in words, then come charts, tables and the circumstances.
//
//	report.go   the page and its sections
//	words.go    the conclusions as sentences
//	chart.go    bars with intervals, lines with axes
//	page.html   the template, styles included
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
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

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// view is what the template shows.
type view struct {
	Title   string
	When    string
	Machine string
	Partial string
	Notes   []string
	// Text is the table as the terminal shows it, for measurements that aren't comparisons.
	Text     string
	Panels   []panel
	Summary  []string
	Sections []section
	Facts    []fact
}

// section is one setting.
type section struct {
	Heading, Setting string
	Summary          []string
	Cost, Rate       bars
	Ratio            bars
	Latency          plot
	Series           []during
	Rows             []row
	Warnings         []string
}

// row is a line of the table of figures.
type row struct {
	Name, Model, Threads, Cost, Ratio, P, Rate, P50, P99, P999, Max, Switches, RSS, Sockets, ClientCPU, Verdict, Why string
	Class                                                                                                            string
}

// during is what the machine did while one contestant was measured.
type during struct {
	Name                   string
	CPU, Bytes, PacketRate plot
}

type fact struct{ Name, Value string }

// Write writes the page for a file.
func Write(w io.Writer, f *result.File) error {
	v := view{
		Title:   fmt.Sprintf("echosrv bench: %s", f.Kind),
		When:    f.Started.Format("2 January 2006, 15:04 MST") + ", " + table.Seconds(f.Elapsed),
		Machine: machine(f.Manifest),
		Notes:   f.Notes,
		Facts:   facts(f),
	}
	if f.Partial {
		v.Partial = "This result is partial: " + table.Ended(f)
	}
	if f.Kind == result.KindCompare || f.Kind == result.KindRun {
		for _, b := range verdict.Boards(f) {
			v.Sections = append(v.Sections, newSection(f, b))
		}
	} else {
		text, err := plain(f)
		if err != nil {
			return err
		}
		v.Text, v.Panels = text, panels(f)
	}
	if err := page.Execute(w, v); err != nil {
		return fmt.Errorf("failed to write the report: %w", err)
	}
	return nil
}

// plain is the text that a terminal would show.
func plain(f *result.File) (string, error) {
	show := map[result.Kind]func(io.Writer, *result.File, table.Style) error{
		result.KindCapacity: table.Capacity, result.KindMemory: table.Memory, result.KindSweep: table.Sweep,
	}[f.Kind]
	if show == nil {
		return "", fmt.Errorf("results of the kind %q have no report; compare, run, capacity, memory and sweep have", f.Kind)
	}
	var b strings.Builder
	err := show(&b, f, table.Style{})
	return b.String(), err
}

func newSection(f *result.File, b verdict.Board) section {
	s := section{Heading: b.Cell.Name, Setting: table.Setting(f, b.Cell), Summary: conclusions(b), Warnings: b.Warnings}
	s.Cost = costBars(b.Rows)
	s.Rate = newBars(rowValues(byRate(b.Rows), func(r verdict.Row) stats.Estimate { return r.Throughput }, func(r verdict.Row) bool { return r.Fastest }))
	if b.Baseline != "" {
		s.Ratio = newRatios(b)
	}
	s.Latency = latencyPlot(b.Rows)
	cell := slices.Index(f.Cells, b.Cell)
	for _, r := range b.Rows {
		s.Rows = append(s.Rows, newRow(r, b.Baseline))
		if d, ok := newDuring(f, cell, r); ok {
			s.Series = append(s.Series, d)
		}
	}
	return s
}

func byRate(rows []verdict.Row) []verdict.Row {
	sorted := slices.Clone(rows)
	slices.SortStableFunc(sorted, func(a, b verdict.Row) int {
		switch {
		case a.Throughput.Median > b.Throughput.Median || math.IsNaN(b.Throughput.Median) && !math.IsNaN(a.Throughput.Median):
			return -1
		case a.Throughput.Median < b.Throughput.Median || math.IsNaN(a.Throughput.Median) && !math.IsNaN(b.Throughput.Median):
			return 1
		}
		return 0
	})
	return sorted
}

func newRow(r verdict.Row, baseline string) row {
	text := row{
		Name: r.Name, Model: r.Model, Threads: "-",
		Cost: interval(r.Cost, table.Count), Ratio: table.Ratio(r.CostRatio, r.Name == baseline && r.Rounds > 0), P: "-",
		Rate: interval(r.Throughput, table.Count),
		P50:  interval(r.P50, table.Time), P99: interval(r.P99, table.Time), P999: table.Time(r.P999.Median), Max: table.Time(r.Max.Median),
		Switches: table.Count(r.Switches.Median), RSS: table.Size(r.RSS.Median), Sockets: table.Size(r.Sockets.Median),
		ClientCPU: table.Percent(r.ClientBusy.Median), Verdict: string(r.Verdict), Why: r.Why,
		Class: map[verdict.Verdict]string{verdict.OK: "good", verdict.Invalid: "bad"}[r.Verdict],
	}
	if r.Threads > 0 {
		text.Threads = fmt.Sprint(r.Threads)
	}
	if r.Name != baseline && r.CostRatio.N > 1 {
		text.P = table.P(r.CostRatio.Corrected)
	}
	return text
}

// interval writes an estimate with the bounds of its interval.
func interval(e stats.Estimate, format func(float64) string) string {
	if !e.Bounded() {
		return format(e.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", format(e.Median), format(e.Low), format(e.High))
}

// newDuring takes the series of the run in the middle by cost; false if there is none.
func newDuring(f *result.File, cell int, r verdict.Row) (during, bool) {
	var runs []*result.Run
	for i := range f.Runs {
		if run := &f.Runs[i]; run.Contestant == r.Index && run.Cell == cell && len(run.Series) > 1 && run.Failed+run.Invalid == "" {
			runs = append(runs, run)
		}
	}
	if len(runs) == 0 {
		return during{}, false
	}
	slices.SortStableFunc(runs, func(a, b *result.Run) int { return int(a.Server.CPU - b.Server.CPU) })
	series := runs[len(runs)/2].Series
	d := during{Name: r.Name}
	cores := 0
	for _, s := range series {
		cores = max(cores, len(s.Busy))
	}
	d.CPU = seriesPlot(series, cores, func(s result.Sample, core int) float64 {
		if core < len(s.Busy) {
			return s.Busy[core] * 100
		}
		return 0
	}, 100, func(v float64) string { return fmt.Sprintf("%.0f %%", v) })
	for i := range d.CPU.Lines {
		d.CPU.Lines[i].Name = coreName(f.Manifest, i)
	}
	d.Bytes = seriesPlot(series, 1, func(s result.Sample, _ int) float64 { return s.NetworkBytes / 1e6 }, 0, func(v float64) string { return table.Count(v) + " MB/s" })
	d.PacketRate = seriesPlot(series, 1, func(s result.Sample, _ int) float64 { return s.NetworkPackets / 1e3 }, 0, func(v float64) string { return table.Count(v) + " k/s" })
	return d, true
}

// coreName says what ran on a CPU.
func coreName(m result.Manifest, cpu int) string {
	switch {
	case slices.Contains(m.ServerCPUs, cpu) && !slices.Contains(m.ClientCPUs, cpu):
		return fmt.Sprintf("CPU %d, server", cpu)
	case slices.Contains(m.ClientCPUs, cpu) && !slices.Contains(m.ServerCPUs, cpu):
		return fmt.Sprintf("CPU %d, client", cpu)
	}
	return fmt.Sprintf("CPU %d", cpu)
}

func machine(m result.Manifest) string {
	parts := []string{fmt.Sprintf("%d CPUs", m.CPUs)}
	if m.CPU != "" {
		parts = append(parts, m.CPU)
	}
	if kernel, _, _ := strings.Cut(m.Kernel, " "); kernel != "" {
		parts = append(parts, m.OS+" "+kernel)
	} else {
		parts = append(parts, m.OS)
	}
	return strings.Join(append(parts, m.Arch, m.Go), ", ")
}

// facts are the circumstances, in a fixed order.
func facts(f *result.File) []fact {
	m := f.Manifest
	all := []fact{
		{"command", strings.Join(m.Command, " ")}, {"machine", m.Hostname}, {"kernel", m.Kernel}, {"CPU", m.CPU},
		{"memory", table.Size(float64(m.Memory))}, {"Go", m.Go}, {"version", m.Version},
		{"server's CPUs", fmt.Sprint(m.ServerCPUs)}, {"client's CPUs", fmt.Sprint(m.ClientCPUs)}, {"open files", fmt.Sprint(m.FileLimit)},
	}
	for _, c := range f.Contestants {
		text := c.Spec
		if len(c.Command) > 0 {
			text = strings.Join(c.Command, " ")
		}
		if c.Threads > 0 {
			text += fmt.Sprintf("; %d threads, GOMAXPROCS %d, packet limit %d bytes, CPUs %s", c.Threads, c.GOMAXPROCS, c.MaxPacket, c.CPUs)
		}
		all = append(all, fact{"contestant " + c.Name, text})
	}
	for _, key := range slices.Sorted(maps.Keys(m.Sysctls)) {
		all = append(all, fact{key, m.Sysctls[key]})
	}
	for _, key := range slices.Sorted(maps.Keys(m.Modules)) {
		all = append(all, fact{key, m.Modules[key]})
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.Value == "" })
}

// last is the time of a series' last sample.
func last(series []result.Sample) time.Duration { return series[len(series)-1].At }
