package table

import (
	"fmt"
	"io"
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
	for _, c := range d.Changes {
		change := "~"
		if c.Differs {
			change = fmt.Sprintf("%+.1f %%", (c.New.Median/c.Old.Median-1)*100)
		}
		rows = append(rows, []string{c.Cell, c.Contestant, c.Figure, figure(c, c.Old), figure(c, c.New), change, P(c.P)})
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
	fmt.Fprintf(&b, "\n~ can't be told apart: p is at least 0.05, corrected for %d comparisons. Rounds of two files are not paired, so only large changes are found.\n", len(d.Changes))
	_, err := io.WriteString(w, b.String())
	return err
}

// figure writes one side of a change in the unit of its figure.
func figure(c verdict.Change, e stats.Estimate) string {
	format := Count
	switch c.Unit {
	case verdict.Nanoseconds:
		format = Time
	case verdict.Bytes:
		format = Size
	}
	return format(e.Median) + spread(e)
}
