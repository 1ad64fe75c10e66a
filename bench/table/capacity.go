package table

import (
	"fmt"
	"io"
	"math"
	"strings"

	"echosrv/bench/result"
	"echosrv/bench/verdict"
)

// Capacity writes the answers of a search for capacity.
func Capacity(w io.Writer, f *result.File, style Style) error {
	var b strings.Builder
	if len(f.Capacity) > 0 {
		fmt.Fprintf(&b, "%s\n\n", style.dress(bold, fmt.Sprintf("Highest rate with p99 of response time at most %v; %s", f.Capacity[0].Objective, load(f.Cells[0]))))
	}
	rows := [][]string{{"engine", "packets/s", "kept", "not kept", "p99 when kept", "server ns/packet", "server CPUs", "rates tried"}}
	for _, c := range f.Capacity {
		rows = append(rows, capacityLine(f, c))
	}
	for _, c := range f.Contestants[min(len(f.Capacity), len(f.Contestants)):] {
		rows = append(rows, []string{c.Name, "not measured", none, none, none, none, none, none})
	}
	write(&b, rows, map[int]bool{0: true}, func(row, _ int, text string) string {
		if row == 0 {
			return style.dress(bold, text)
		}
		return text
	})
	b.WriteByte('\n')
	for _, c := range f.Capacity {
		name := f.Contestants[c.Contestant].Name
		if c.Limit != "" {
			fmt.Fprintf(&b, "%s: %s.\n", name, c.Limit)
		}
		for _, s := range c.Steps {
			if !s.Kept && s.Rate == c.High {
				fmt.Fprintf(&b, "%s did not keep %s packets/s: %s.\n", name, Count(s.Rate), s.Why)
			}
		}
	}
	notes(&b, f, style)
	_, err := io.WriteString(w, b.String())
	return err
}

func capacityLine(f *result.File, c result.Capacity) []string {
	line := []string{f.Contestants[c.Contestant].Name, none, none, none, none, none, none, fmt.Sprint(len(c.Steps))}
	line[1] = Kept(c)
	if c.High > 0 {
		line[3] = Count(c.High)
	}
	if c.Low <= 0 {
		return line
	}
	line[2] = Count(c.Low)
	for _, s := range c.Steps {
		if s.Rate == c.Low {
			keptLine(f, s, line)
		}
	}
	return line
}

// Kept writes the highest rate that a contestant kept.
func Kept(c result.Capacity) string {
	e, found := verdict.Capacity(c)
	switch {
	case !found:
		return none
	case math.IsInf(e.High, 0):
		return "at least " + Count(e.Low)
	case e.Low <= 0:
		return "below " + Count(e.High)
	}
	return fmt.Sprintf("%s ±%.0f %%", Count(e.Median), (e.High-e.Low)/2/e.Median*100)
}

// keptLine fills in what was measured at the rate that was kept.
func keptLine(f *result.File, s result.Step, line []string) {
	for _, i := range s.Runs {
		if i < 0 || i >= len(f.Runs) || f.Runs[i].Response == nil {
			continue
		}
		r := &f.Runs[i]
		line[4] = Time(float64(r.Response.At(99)))
		if cost, known := r.CPUPerPacket(); known {
			line[5] = Count(cost)
			line[6] = fmt.Sprintf("%.2f", float64(r.Server.CPU)/float64(r.Window))
		}
	}
}

// load describes a cell's load without its rate.
func load(c result.Cell) string {
	return fmt.Sprintf("%d connections with up to %d in flight each, %s, %s arrivals", c.Connections, c.Depth, payload(c.Sizes), orElse(c.Arrivals, "constant"))
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// Ended says in a sentence how a partial result ended, and how far it had come.
func Ended(f *result.File) string {
	text := fmt.Sprintf("%s after %d runs", strings.TrimSuffix(f.Reason, "."), len(f.Runs))
	if f.Kind != result.KindCapacity { // nobody knows how many it takes
		text += fmt.Sprintf(" of %d", f.Rounds*len(f.Contestants)*len(f.Cells))
	}
	return text + "."
}

// notes writes what must be known of the whole file.
func notes(b *strings.Builder, f *result.File, style Style) {
	for _, n := range f.Notes {
		fmt.Fprintf(b, "Note: %s\n", n)
	}
	if f.Partial {
		fmt.Fprintln(b, style.dress(yellow, "PARTIAL: "+Ended(f)))
	}
}
