package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"echosrv/bench/stats"
	"echosrv/bench/table"
	"echosrv/bench/verdict"
)

// conclusions says in sentences what a board shows and what it doesn't.
func conclusions(b verdict.Board) []string {
	var s []string
	say := func(format string, args ...any) { s = append(s, fmt.Sprintf(format, args...)) }
	cheapest(b, say)
	if b.Baseline != "" {
		against(b, say)
	}
	throughput(b, say)
	for _, v := range []verdict.Verdict{verdict.Missing, verdict.Invalid, verdict.NotSustained, verdict.HostBound, verdict.ClientBound} {
		if with := named(b.Rows, func(r verdict.Row) bool { return r.Verdict == v }); len(with) > 0 {
			say("%s: %s. %s", v, and(with), meaning[v])
		}
	}
	return s
}

// meaning says what a verdict keeps a reader from.
var meaning = map[verdict.Verdict]string{
	verdict.Missing:      "It was ended before.",
	verdict.Invalid:      "No figure of theirs may be used.",
	verdict.NotSustained: "They did not keep up with the rate, so their percentiles would describe the length of the run and are not given.",
	verdict.HostBound:    "Other programs used the CPUs that were measured on: throughput and latency are theirs as well; CPU time per packet suffers least.",
	verdict.ClientBound:  "The client was the limit: throughput and latency are the client's; CPU time per packet is the server's.",
}

func cheapest(b verdict.Board, say func(string, ...any)) {
	lead := named(b.Rows, func(r verdict.Row) bool { return r.Cheapest })
	first := slices.IndexFunc(b.Rows, func(r verdict.Row) bool { return r.Cheapest })
	measured := named(b.Rows, func(r verdict.Row) bool { return !math.IsNaN(r.Cost.Median) })
	switch {
	case len(lead) == 1:
		say("%s is the cheapest: %s ns of the server's CPU time for each packet.", lead[0], interval(b.Rows[first].Cost, table.Count))
	case len(lead) > 1:
		say("%s are the cheapest and can't be told apart: from %s ns of the server's CPU time for each packet.", and(lead), interval(b.Rows[first].Cost, table.Count))
	case len(measured) > 1:
		say("Nobody can be called the cheapest: %s can't be told apart by the server's CPU time for each packet.", and(measured))
	case len(measured) == 1:
		say("%s spends %s ns of CPU time for each packet.", measured[0], interval(b.Rows[0].Cost, table.Count))
	}
}

// against compares everybody with the baseline.
func against(b verdict.Board, say func(string, ...any)) {
	var less, more, same []string
	for _, r := range b.Rows {
		if r.Name == b.Baseline || r.CostRatio.N < 2 || r.Verdict == verdict.Invalid {
			continue
		}
		text := fmt.Sprintf("%s (%.2f times, %.2f to %.2f)", r.Name, r.CostRatio.Ratio.Ratio, r.CostRatio.Low, r.CostRatio.High)
		switch {
		case !r.CostRatio.Differs:
			same = append(same, r.Name)
		case r.CostRatio.Ratio.Ratio < 1:
			less = append(less, text)
		default:
			more = append(more, text)
		}
	}
	if len(less) > 0 {
		say("Cheaper than %s: %s.", b.Baseline, and(less))
	}
	if len(more) > 0 {
		say("Dearer than %s: %s.", b.Baseline, and(more))
	}
	if len(same) > 0 {
		say("Not to be told from %s: %s. A difference below %s would not have been found here (p < %.2f, corrected for %d comparisons).",
			b.Baseline, and(same), table.Least(b.Least), stats.Alpha, len(b.Rows)-1)
	}
}

func throughput(b verdict.Board, say func(string, ...any)) {
	lead := named(b.Rows, func(r verdict.Row) bool { return r.Fastest })
	switch {
	case b.Cell.Rate > 0:
		say("All were given the same %s packets/s, so latency may be compared and throughput is no result.", table.Count(b.Cell.Rate))
	case len(lead) > 0:
		say("The highest throughput is that of %s. Latencies were measured at different rates and are not ranked.", and(lead))
	case len(b.Rows) > 1:
		say("Throughput is not ranked here.")
	}
}

func named(rows []verdict.Row, which func(verdict.Row) bool) (names []string) {
	for _, r := range rows {
		if which(r) {
			names = append(names, r.Name)
		}
	}
	return names
}

// and joins words to a list.
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
