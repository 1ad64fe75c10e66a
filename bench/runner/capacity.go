package runner

import (
	"context"
	"fmt"
	"math"
	"time"

	"echosrv/bench/result"
)

// Objective is what a rate must keep to count.
type Objective struct {
	// P99 of response time, counted from when a packet was due.
	P99 time.Duration
	// Precision is the relative distance between the highest rate kept and the lowest not kept at which
	// the search ends, such as 0.05.
	Precision float64
}

// The bounds of the rates that are tried, in packets/s.
const (
	leastRate = 100
	mostRate  = 20e6
)

// trials are the most runs at one rate: the majority decides, so that one disturbance doesn't end a search.
const trials = 3

// startShare of what a closed loop reached is the first rate that is tried.
const startShare = 0.5

// Capacity looks for each contestant's highest rate that keeps the objective. The plan has one cell, an
// open loop whose rate is chosen here; Rounds has no meaning.
func Capacity(ctx context.Context, p Plan, o Objective) (*result.File, error) {
	base := p.Cells[0]
	p.Rounds = 1
	closed := base
	closed.Rate, closed.Arrivals, closed.Name = 0, "", ""
	p.Cells = []result.Cell{closed}
	r, err := start(p)
	if err != nil {
		return nil, err
	}
	r.file.Baseline = ""
	for i := range p.Contestants {
		if ctx.Err() != nil {
			break
		}
		answer := r.capacity(ctx, i, base, o)
		r.file.Capacity = append(r.file.Capacity, answer)
	}
	return r.finish(ctx), nil
}

func (r *runner) capacity(ctx context.Context, contestant int, base result.Cell, o Objective) result.Capacity {
	answer := result.Capacity{Contestant: contestant, Objective: o.P99}
	first, err := r.measure(ctx, 0, contestant)
	if err != nil {
		first.Failed = err.Error()
	}
	if ctx.Err() != nil {
		return answer
	}
	r.keep(&first, 0)
	if first.Failed+first.Invalid != "" || first.Packets == 0 {
		answer.Limit = "it gave no valid run: " + first.Failed + first.Invalid
		return answer
	}
	s := newSearch(first.PerSecond()*startShare, leastRate, mostRate, 1+o.Precision)
	for !s.done() && ctx.Err() == nil {
		cell := base
		cell.Rate = math.Round(s.rate)
		cell.Name = Name(cell)
		step, limit := r.try(ctx, contestant, cell, o)
		if ctx.Err() != nil {
			break
		}
		answer.Steps = append(answer.Steps, step)
		if !step.Kept {
			answer.Limit = limit
		}
		s.tell(step.Kept)
	}
	answer.Low, answer.High = s.low, s.high
	return answer
}

// From these shares on it may not have been the server that missed an objective.
const (
	clientBusy = 0.95 // of the client's busiest thread
	hostBusy   = 0.10 // of the measured CPUs, by other processes or the hypervisor
)

// blame says in a sentence what else than the server may have made a run miss; "" if nothing did.
func blame(run *result.Run, rate float64) string {
	switch {
	case run.ClientBusy() >= clientBusy:
		return fmt.Sprintf("the client was busy %.0f %% of the time at %.0f packets/s, so the server may be able to do more", run.ClientBusy()*100, rate)
	case run.Host.Other+run.Host.Stolen >= hostBusy:
		return fmt.Sprintf("others took %.0f %% of the CPUs' time at %.0f packets/s, so the server may be able to do more", (run.Host.Other+run.Host.Stolen)*100, rate)
	}
	return ""
}

// try makes runs at one rate until the majority of trials is decided. Limit is what else than the server
// may have made it miss.
func (r *runner) try(ctx context.Context, contestant int, cell result.Cell, o Objective) (step result.Step, limit string) {
	step.Rate = cell.Rate
	r.file.Cells = append(r.file.Cells, cell)
	index := len(r.file.Cells) - 1
	kept, missed := 0, 0
	for round := 0; kept <= trials/2 && missed <= trials/2; round++ {
		run, err := r.measure(ctx, index, contestant)
		if ctx.Err() != nil {
			return step, limit
		}
		if err != nil {
			run.Failed = err.Error()
		}
		step.Runs = append(step.Runs, r.keep(&run, round))
		r.done++
		r.progress(index, contestant, &run)
		if why := miss(&run, o); why != "" {
			step.Why = why
			limit = blame(&run, cell.Rate)
			missed++
			continue
		}
		kept++
	}
	if step.Kept = kept > missed; step.Kept {
		step.Why = ""
	}
	return step, limit
}

// miss says why a run didn't keep the objective; "" if it did.
func miss(run *result.Run, o Objective) string {
	switch {
	case run.Failed != "":
		return run.Failed
	case run.NotSustained:
		return fmt.Sprintf("NOT-SUSTAINED, %d due packets were not sent", run.Backlog)
	case run.Invalid != "":
		return run.Invalid
	}
	if p99 := run.Response.At(99); p99 > o.P99 {
		return fmt.Sprintf("p99 was %v", p99.Round(time.Microsecond))
	}
	return ""
}
