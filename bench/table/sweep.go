package table

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"echosrv/bench/result"
	"echosrv/bench/stats"
	"echosrv/bench/verdict"
)

// Sweep writes the map of who is cheapest in each setting, and where along an axis that changes.
func Sweep(w io.Writer, f *result.File, style Style) error {
	var b strings.Builder
	boards := verdict.Boards(f)
	fmt.Fprintf(&b, "%s\n\n", style.dress(bold, "Server CPU time per packet in ns. * the cheapest of a setting and those that can't be told from it; no star: nobody can be told apart."))
	header := []string{"setting"}
	for _, c := range f.Contestants {
		header = append(header, c.Name)
	}
	rows := [][]string{append(header, "cheapest", "verdicts")}
	for _, board := range boards {
		rows = append(rows, sweepLine(f, board))
	}
	write(&b, rows, map[int]bool{0: true, len(header): true, len(header) + 1: true}, func(row, column int, text string) string {
		switch {
		case row == 0:
			return style.dress(bold, text)
		case strings.HasPrefix(text, "* "):
			return style.dress(green, text)
		}
		return text
	})
	b.WriteByte('\n')
	crossovers(&b, boards)
	invalid(&b, f)
	notes(&b, f, style)
	_, err := io.WriteString(w, b.String())
	return err
}

func sweepLine(f *result.File, board verdict.Board) []string {
	costs := make([]string, len(f.Contestants))
	verdicts := map[verdict.Verdict]int{}
	for _, r := range board.Rows {
		costs[r.Index] = starred(r.Cheapest, Count(r.Cost.Median))
		verdicts[r.Verdict]++
	}
	var said []string
	for _, v := range []verdict.Verdict{verdict.OK, verdict.ClientBound, verdict.HostBound, verdict.NotSustained, verdict.Invalid, verdict.Missing} {
		if n := verdicts[v]; n > 0 {
			said = append(said, fmt.Sprintf("%d %s", n, v))
		}
	}
	return slices.Concat([]string{board.Cell.Name}, costs, []string{orElse(strings.Join(leaders(board), ", "), "~"), strings.Join(said, ", ")})
}

// leaders are the names of the cheapest, "" if nobody can be told from the rest.
func leaders(board verdict.Board) []string {
	var names []string
	for _, r := range board.Rows {
		if r.Cheapest {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names
}

// axis is one of the dimensions of a sweep.
type axis struct {
	name  string
	value func(result.Cell) string
}

var axes = []axis{
	{"connections", func(c result.Cell) string { return fmt.Sprint(c.Connections) }},
	{"size", func(c result.Cell) string { return c.Sizes }},
	{"depth", func(c result.Cell) string { return fmt.Sprint(c.Depth) }},
	{"threads", func(c result.Cell) string { return fmt.Sprint(c.ServerThreads) }},
	{"work", func(c result.Cell) string { return c.Work.String() }},
}

// others is a cell's place on every axis but one.
func (a axis) others(c result.Cell) string {
	var parts []string
	for _, other := range axes {
		if other.name != a.name {
			parts = append(parts, other.name+" "+other.value(c))
		}
	}
	return strings.Join(parts, ", ")
}

// crossovers names the neighbours on an axis whose cheapest have nobody in common.
func crossovers(b *strings.Builder, boards []verdict.Board) {
	found := false
	for _, a := range axes {
		last := map[string]verdict.Board{}
		for _, board := range boards {
			key := a.others(board.Cell)
			before, seen := last[key]
			last[key] = board
			was, is := leaders(before), leaders(board)
			if !seen || len(was) == 0 || len(is) == 0 || slices.ContainsFunc(is, func(n string) bool { return slices.Contains(was, n) }) {
				continue
			}
			found = true
			fmt.Fprintf(b, "Between %s %s and %s (%s) the cheapest changes from %s to %s.\n", a.name, a.value(before.Cell), a.value(board.Cell), key, strings.Join(was, ", "), strings.Join(is, ", "))
		}
	}
	if !found {
		b.WriteString("The cheapest changes between no two neighbouring settings, as far as it can be told.\n")
	}
}

// Stress writes the table of the original design's stress test: throughput and CPU by number of
// connections. CPU is in percent of one CPU, as that report gave it.
func Stress(w io.Writer, f *result.File, style Style) error {
	var b strings.Builder
	rows := [][]string{{"engine", "connections", "KB/s", "packets/s", "total CPU", "CPU per thread", "client CPU", "p99"}}
	for i, c := range f.Contestants {
		for cell := range f.Cells {
			rows = append(rows, stressLine(f, i, cell, c.Name))
		}
	}
	write(&b, rows, map[int]bool{0: true}, func(row, _ int, text string) string {
		if row == 0 {
			return style.dress(bold, text)
		}
		return text
	})
	b.WriteString("\nCPU is of the server, in percent of one CPU; per thread, those that used most. KB are 1000 bytes of payload, one way.\n")
	invalid(&b, f)
	notes(&b, f, style)
	_, err := io.WriteString(w, b.String())
	return err
}

func stressLine(f *result.File, contestant, cell int, name string) []string {
	var kilobytes, rate, total, client, p99 []float64
	var threads []string
	for i := range f.Runs {
		r := &f.Runs[i]
		if r.Contestant != contestant || r.Cell != cell || r.Failed+r.Invalid != "" || r.Window <= 0 {
			continue
		}
		kilobytes = append(kilobytes, float64(r.Bytes)/r.Window.Seconds()/1000)
		rate = append(rate, r.PerSecond())
		p99 = append(p99, float64(r.Response.At(99)))
		client = append(client, float64(r.Client.CPU)/float64(r.Window))
		total = append(total, math.NaN())
		if r.Server.Known {
			total[len(total)-1] = float64(r.Server.CPU) / float64(r.Window)
		}
		threads = perThread(r)
	}
	median := func(v []float64) float64 { return stats.Of(v).Median }
	return []string{name, fmt.Sprint(f.Cells[cell].Connections), Count(median(kilobytes)), Count(median(rate)),
		Percent(median(total)), orElse(strings.Join(threads, " "), none), Percent(median(client)), Time(median(p99))}
}

// mostThreads of a server are shown one by one.
const mostThreads = 4

// perThread is the CPU of the busiest threads, in percent of one CPU.
func perThread(r *result.Run) []string {
	var shares []string
	for _, t := range r.Server.Threads {
		if len(shares) == mostThreads || t < r.Window/100 {
			break
		}
		shares = append(shares, Percent(float64(t)/float64(r.Window)))
	}
	return shares
}
