// Package table writes results as text for a terminal or a file. Plain means without colour: the words
// and figures are the same.
package table

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"echosrv/bench/result"
	"echosrv/bench/stats"
	"echosrv/bench/verdict"
)

// Style is how text is dressed.
type Style struct {
	// Color: escape sequences for bold and colour may be used.
	Color bool
}

// The escape sequences in use (ECMA-48, select graphic rendition).
const (
	bold   = "\x1b[1m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	reset  = "\x1b[0m"
)

func (s Style) dress(code, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return code + text + reset
}

// Compare writes a table for each cell of a file and what must be known to read it.
func Compare(w io.Writer, f *result.File, style Style) error {
	var b strings.Builder
	for i, board := range verdict.Boards(f) {
		if i > 0 {
			b.WriteByte('\n')
		}
		compareCell(&b, f, board, style)
	}
	notes(&b, f, style)
	_, err := io.WriteString(w, b.String())
	return err
}

func compareCell(b *strings.Builder, f *result.File, board verdict.Board, style Style) {
	fmt.Fprintf(b, "%s\n\n", style.dress(bold, Setting(f, board.Cell)))
	rows := [][]string{{"engine", "threads", "server ns/packet", "ratio to " + board.Baseline, "packets/s", "p50", "p99", "switches/packet", "RSS", "client CPU", "verdict", "model"}}
	for _, r := range board.Rows {
		rows = append(rows, line(r, board.Baseline))
	}
	const costColumn, rateColumn, verdictColumn, modelColumn = 2, 4, 10, 11
	left := map[int]bool{0: true, verdictColumn: true, modelColumn: true}
	write(b, rows, left, func(row, column int, text string) string {
		switch {
		case row == 0:
			return style.dress(bold, text)
		case column == verdictColumn:
			return style.dress(verdictColor(board.Rows[row-1].Verdict), text)
		case column == costColumn && board.Rows[row-1].Cheapest, column == rateColumn && board.Rows[row-1].Fastest:
			return style.dress(green, text)
		}
		return text
	})
	b.WriteByte('\n')
	explain(b, board)
}

func verdictColor(v verdict.Verdict) string {
	switch v {
	case verdict.OK:
		return green
	case verdict.Invalid:
		return red
	}
	return yellow
}

// line is the row of one contestant.
func line(r verdict.Row, baseline string) []string {
	threads := none
	if r.Threads > 0 {
		threads = fmt.Sprint(r.Threads)
	}
	model := r.Model
	if model == "" {
		model = none
	}
	return []string{
		r.Name, threads,
		starred(r.Cheapest, Count(r.Cost.Median)+spread(r.Cost)),
		Ratio(r.CostRatio, r.Name == baseline && r.Rounds > 0),
		starred(r.Fastest, Count(r.Throughput.Median)+spread(r.Throughput)),
		Time(r.P50.Median), Time(r.P99.Median), Count(r.Switches.Median), Size(r.RSS.Median), Percent(r.ClientBusy.Median),
		string(r.Verdict), model,
	}
}

func starred(best bool, text string) string {
	if best {
		return "* " + text
	}
	return text
}

// Ratio writes a comparison: the ratio with its interval, "~" in front where it can't be told from 1.
func Ratio(c verdict.Comparison, baseline bool) string {
	switch {
	case baseline:
		return "1"
	case c.N == 0:
		return none
	case c.N == 1:
		return fmt.Sprintf("~ %.2f", c.Ratio.Ratio)
	}
	text := fmt.Sprintf("%.2f (%.2f-%.2f)", c.Ratio.Ratio, c.Low, c.High)
	if !c.Differs {
		return "~ " + text
	}
	return text
}

// Setting describes a cell in a sentence.
func Setting(f *result.File, c result.Cell) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", c.Name, number(c.Connections, "connection"))
	if c.Rate > 0 {
		fmt.Fprintf(&b, ", %s packets/s in all (%s arrivals)", Count(c.Rate), c.Arrivals)
	} else {
		fmt.Fprintf(&b, " with %d in flight each", max(1, c.Depth))
	}
	fmt.Fprintf(&b, ", %s; %s of %v after %v", payload(c.Sizes), number(f.Rounds, "round"), c.Duration, c.Warmup)
	if m := f.Manifest; len(m.ServerCPUs) > 0 {
		fmt.Fprintf(&b, "; server on CPU %s, client on CPU %s", list(m.ServerCPUs), list(m.ClientCPUs))
	}
	var procs, limits []string
	for _, t := range f.Contestants {
		if t.GOMAXPROCS > 0 {
			procs, limits = append(procs, fmt.Sprint(t.GOMAXPROCS)), append(limits, fmt.Sprint(t.MaxPacket))
		}
	}
	if len(procs) > 0 {
		fmt.Fprintf(&b, "; GOMAXPROCS %s, packet limit %s bytes", same(procs), same(limits))
	}
	return b.String() + "."
}

// number writes a count with its noun.
func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func same(values []string) string {
	slices.Sort(values)
	return strings.Join(slices.Compact(values), " or ")
}

func list(cpus []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(cpus), " ", ","), "[]")
}

// explain says in sentences what the marks mean and why verdicts are what they are.
func explain(b *strings.Builder, board verdict.Board) {
	for _, w := range board.Warnings {
		fmt.Fprintf(b, "Warning: %s\n", w)
	}
	for _, r := range board.Rows {
		if r.Why != "" {
			fmt.Fprintf(b, "%s %s: %s.\n", r.Verdict, r.Name, strings.TrimSuffix(r.Why, "."))
		}
	}
	if slices.ContainsFunc(board.Rows, func(r verdict.Row) bool { return r.Cheapest || r.Fastest }) {
		fmt.Fprintf(b, "* the best of the column and those that can't be told from it.\n")
	}
	alike := slices.ContainsFunc(board.Rows, func(r verdict.Row) bool {
		return r.Name != board.Baseline && r.CostRatio.N > 0 && !r.CostRatio.Differs
	})
	if alike {
		fmt.Fprintf(b, "~ can't be told from %s: p >= %.2f, corrected for %s. ", board.Baseline, stats.Alpha, number(len(board.Rows)-1, "comparison"))
	}
	if len(board.Rows) > 1 && slices.ContainsFunc(board.Rows, func(r verdict.Row) bool { return r.Rounds > 0 }) {
		fmt.Fprintf(b, "The least difference in CPU time that could have been found here is %s.\n", Least(board.Least))
	}
	if ceiling := board.Cell.Ceiling; ceiling > 0 {
		fmt.Fprintf(b, "The client's own ceiling, found before the first round, is about %s packets/s.", Count(ceiling))
		if slices.ContainsFunc(board.Rows, func(r verdict.Row) bool { return r.Throughput.Median > ceiling }) {
			b.WriteString(" More was reached later: the machine was slower then, so take the verdicts for what limited a run.")
		}
		b.WriteByte('\n')
	}
}

// write aligns columns, those in left to the left and the others to the right, and dresses what is aligned.
func write(b *strings.Builder, rows [][]string, left map[int]bool, dress func(row, column int, text string) string) {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, r := range rows {
		for i, cell := range r {
			if i > 0 {
				b.WriteString("  ")
			}
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case !left[i]:
				b.WriteString(space + dress(n, i, cell))
			case i == len(r)-1:
				b.WriteString(dress(n, i, cell))
			default:
				b.WriteString(dress(n, i, cell) + space)
			}
		}
		b.WriteByte('\n')
	}
}

// Pass dresses a word that says whether something passed.
func Pass(word string, passed bool, style Style) string {
	if passed {
		return style.dress(green, word)
	}
	return style.dress(red, word)
}
