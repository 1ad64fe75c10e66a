package table

import (
	"fmt"
	"io"
	"strings"

	"echosrv/bench/result"
)

// Run writes one run without a comparison, as the run command shows it.
func Run(w io.Writer, c result.Cell, r *result.Run, style Style) error {
	var b strings.Builder
	line := func(label, text string) { fmt.Fprintf(&b, "%-12s %s\n", label, text) }
	seconds := r.Window.Seconds()
	line("window", fmt.Sprintf("%v after %v", r.Window.Round(1e6), c.Warmup))
	line("connections", fmt.Sprintf("%d of %d established, %d lost", r.Established, r.Asked, r.Lost))
	if seconds > 0 {
		line("packets/s", Count(r.PerSecond()))
		line("MB/s", fmt.Sprintf("%s of payload each way", Count(float64(r.Bytes)/seconds/1e6)))
	}
	if r.NotSustained {
		line("rate", style.dress(yellow, fmt.Sprintf("NOT-SUSTAINED: %s packets/s were asked for, and %d due packets were not sent when the window closed", Count(c.Rate), r.Backlog)))
	} else {
		latency(&b, r.Response, "latency")
		latency(&b, r.Service, "service")
		latency(&b, r.Lateness, "sender late")
	}
	line("client CPU", fmt.Sprintf("%s of the busiest thread, %s per packet", Percent(r.ClientBusy()), Time(float64(r.Client.CPU)/float64(max(1, r.Packets)))))
	if r.Invalid != "" {
		line("INVALID", style.dress(red, r.Invalid))
	}
	line("errors", errorsText(r.Errors))
	_, err := io.WriteString(w, b.String())
	return err
}

func latency(b *strings.Builder, h *result.Histogram, label string) {
	if h == nil || h.TotalCount() == 0 {
		return
	}
	fmt.Fprintf(b, "%-12s", label)
	for _, p := range []float64{50, 90, 99, 99.9} {
		fmt.Fprintf(b, " p%g %s,", p, Time(float64(h.At(p))))
	}
	fmt.Fprintf(b, " max %s\n", Time(float64(h.Slowest())))
}

func errorsText(errors []result.Error) string {
	if len(errors) == 0 {
		return "none; every echo was checked"
	}
	var parts []string
	for _, e := range errors {
		text := fmt.Sprintf("%d %s", e.Count, e.Cause)
		if e.Example != "" {
			text += " (" + e.Example + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n             ")
}
