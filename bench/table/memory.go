package table

import (
	"fmt"
	"io"
	"strings"

	"echosrv/bench/result"
	"echosrv/bench/stats"
	"echosrv/bench/verdict"
)

// Memory writes what an idle connection costs at each count.
func Memory(w io.Writer, f *result.File, style Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", style.dress(bold, "Resident memory of the server per idle connection, in bytes: growth since its start, divided by the connections."))
	header := []string{"engine"}
	for _, c := range f.Cells {
		header = append(header, c.Name)
	}
	header = append(header, "kernel, per connection", "RSS when empty")
	rows := [][]string{header}
	for i, c := range f.Contestants {
		rows = append(rows, memoryLine(f, i, c.Name))
	}
	write(&b, rows, map[int]bool{0: true}, func(row, _ int, text string) string {
		if row == 0 {
			return style.dress(bold, text)
		}
		return text
	})
	b.WriteString("\nThe kernel's part is what TCP buffers of both ends hold, counted in pages for the whole machine; the sockets themselves are not in it.\n")
	invalid(&b, f)
	notes(&b, f, style)
	_, err := io.WriteString(w, b.String())
	return err
}

func memoryLine(f *result.File, contestant int, name string) []string {
	line := []string{name}
	var kernel, empty []float64
	for cell := range f.Cells {
		for _, r := range f.Runs {
			if r.Contestant != contestant || r.Cell != cell || r.Failed+r.Invalid != "" || r.Established == 0 {
				continue
			}
			empty = append(empty, float64(r.Server.RSSBefore))
			if cell == len(f.Cells)-1 {
				kernel = append(kernel, float64(r.Host.SocketBytes)/float64(r.Established))
			}
		}
		line = append(line, Count(verdict.IdleBytes(f, cell, contestant).Median))
	}
	return append(line, Count(stats.Of(kernel).Median), Size(stats.Of(empty).Median))
}

// invalid says for each contestant and setting how many rounds may not be used, and why the first of them.
func invalid(b *strings.Builder, f *result.File) {
	for cell := range f.Cells {
		for i, c := range f.Contestants {
			made, wrong, why := 0, 0, ""
			for _, r := range f.Runs {
				if r.Contestant != i || r.Cell != cell {
					continue
				}
				made++
				if text := r.Failed + r.Invalid; text != "" {
					wrong++
					why = orElse(why, text)
				}
			}
			if wrong > 0 {
				fmt.Fprintf(b, "INVALID %s, %s, %d of %d rounds: %s.\n", c.Name, f.Cells[cell].Name, wrong, made, strings.TrimSuffix(why, "."))
			}
		}
	}
}
