package table

import (
	"fmt"
	"io"
	"math"
	"strings"

	"echosrv/bench/stats"
	"echosrv/bench/verdict"
)

// Diff writes what changed between two files.
func Diff(w io.Writer, d verdict.Difference, style Style) error {
	var b strings.Builder
	for _, warning := range d.Warnings {
		fmt.Fprintln(&b, style.dress(yellow, "Warning: "+warning))
	}
	rows := [][]string{{"setting", "engine", "figure", "old", "new", "change", "p"}}
	tested := 0
	for _, c := range d.Changes {
		p := none
		if c.Unit != verdict.Range {
			p = P(c.P)
			tested++
		}
		rows = append(rows, []string{c.Cell, c.Contestant, c.Figure, figure(c, c.Old), figure(c, c.New), change(c), p})
	}
	write(&b, rows, map[int]bool{0: true, 1: true, 2: true}, func(row, column int, text string) string {
		switch {
		case row == 0:
			return style.dress(bold, text)
		case column == 5 && d.Changes[row-1].Differs && d.Changes[row-1].Better:
			return style.dress(green, text)
		case column == 5 && d.Changes[row-1].Differs:
			return style.dress(red, text)
		}
		return text
	})
	if tested > 0 {
		fmt.Fprintf(&b, "\n~ can't be told apart: p is at least %.2f, corrected for %s. Rounds of two files are not paired, so only large changes are found.\n", stats.Alpha, number(tested, "comparison"))
	} else {
		b.WriteString("\n~ can't be told apart: the ranges, from the highest rate that was kept to the lowest that was not, overlap.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// change says how much the new value differs; of ranges, which way.
func change(c verdict.Change) string {
	switch {
	case !c.Differs:
		return "~"
	case c.Unit != verdict.Range:
		return fmt.Sprintf("%+.1f %%", (c.New.Median/c.Old.Median-1)*100)
	case math.IsInf(c.New.Median, 0) || math.IsInf(c.Old.Median, 0):
		return map[bool]string{true: "higher", false: "lower"}[c.New.Low > c.Old.Low]
	}
	return fmt.Sprintf("%+.0f %%", (c.New.Median/c.Old.Median-1)*100)
}

// figure writes one side of a change in the unit of its figure.
func figure(c verdict.Change, e stats.Estimate) string {
	switch {
	case c.Unit == verdict.Range && math.IsInf(e.High, 0):
		return "at least " + Count(e.Low)
	case c.Unit == verdict.Range && e.Low <= 0:
		return "below " + Count(e.High)
	case c.Unit == verdict.Range:
		return Count(e.Low) + " to " + Count(e.High)
	}
	format := Count
	switch c.Unit {
	case verdict.Nanoseconds:
		format = Time
	case verdict.Bytes:
		format = Size
	}
	return format(e.Median) + spread(e)
}
