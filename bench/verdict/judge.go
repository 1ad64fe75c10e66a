package verdict

import (
	"fmt"

	"echosrv/bench/result"
	"echosrv/bench/stats"
)

// From these shares on a limit is reached.
const (
	clientLimit = 0.95 // of its busiest thread
	stolenLimit = 0.02 // of the measured CPUs' time
	otherLimit  = 0.05 // of the measured CPUs' time
	littleLimit = 0.1  // distance from 1 of Row.InFlight
)

// judge gives the verdict for a contestant's runs in a cell.
func judge(runs []*result.Run, row Row) (Verdict, string) {
	wrong, why := 0, ""
	var backlog []float64
	for _, r := range runs {
		if r == nil {
			continue
		}
		switch {
		case !valid(r):
			wrong++
			why = reason(r)
		case r.NotSustained:
			backlog = append(backlog, float64(r.Backlog))
		}
	}
	limit, because := otherLimits(runs, row)
	switch {
	case row.Made == 0:
		return Missing, ""
	case wrong > 0:
		return Invalid, fmt.Sprintf("%d of %d rounds: %s", wrong, row.Made, why)
	case len(backlog)*2 > row.Made && limit == OK:
		return NotSustained, unsustained(backlog, row.Made)
	case len(backlog)*2 > row.Made:
		return NotSustained, unsustained(backlog, row.Made) + "; it may not be the server that didn't keep up: " + because
	}
	return limit, because
}

// unsustained describes rounds that didn't keep up with their rate.
func unsustained(backlog []float64, made int) string {
	text := fmt.Sprintf("in %d of %d rounds less than 99 %% of what was due was answered in the window", len(backlog), made)
	if waiting := stats.Of(backlog).Median; waiting > 0 {
		text += fmt.Sprintf(", and %.0f packets had not even been sent", waiting)
	}
	return text
}

// otherLimits says what else than the server limited a contestant's runs; OK if nothing did.
func otherLimits(runs []*result.Run, row Row) (Verdict, string) {
	var stolen, other []float64
	for _, r := range runs {
		if r != nil && r.Host.Known {
			stolen, other = append(stolen, r.Host.Stolen), append(other, r.Host.Other)
		}
	}
	if s := stats.Of(stolen).Median; s > stolenLimit {
		return HostBound, fmt.Sprintf("the hypervisor took %.0f %% of the CPUs' time", s*100)
	}
	if o := stats.Of(other).Median; o > otherLimit {
		return HostBound, fmt.Sprintf("other processes took %.0f %% of the CPUs' time", o*100)
	}
	if row.ClientBusy.Median >= clientLimit {
		return ClientBound, fmt.Sprintf("the client was busy %.0f %% of the time", row.ClientBusy.Median*100)
	}
	return OK, ""
}

func reason(r *result.Run) string {
	switch {
	case r.Failed != "":
		return r.Failed
	case r.Invalid != "":
		return r.Invalid
	}
	return fmt.Sprintf("echoes were wrong on %d connections", r.Mismatches)
}
