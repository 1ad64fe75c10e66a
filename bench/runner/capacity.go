package runner

import (
	"context"
	"fmt"
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
	limits := map[float64]string{} // by the rate that was missed
	s := newSearch(first.PerSecond()*startShare, leastRate, mostRate, 1+o.Precision)
	for !s.done() && ctx.Err() == nil {
		cell := base
		cell.Rate = s.rate
		cell.Name = Name(cell)
		step, limit, unfit := r.try(ctx, contestant, cell, o)
		if ctx.Err() != nil {
			break
		}
		answer.Steps = append(answer.Steps, step)
		if !step.Kept {
			limits[step.Rate] = limit
		}
		s.tell(step.Kept)
		if unfit {
			break // lower rates would say as little about the server
		}
	}
	answer.Low, answer.High, answer.Limit = s.low, s.high, limits[s.high]
	return answer
}

// From these shares on it may not have been the server that missed an objective.
const (
	clientBusy = 0.95 // of the client's busiest thread
	hostBusy   = 0.05 // of the measured CPUs, by other processes or the hypervisor
)

// repeats is how many more runs a rate gets that was missed while others had the CPUs.
const repeats = 4

// disturbed says that others had the CPUs, so that a run that missed a rate says little about the server. They
// are no excuse for not even half of it, unless they had half of the time.
func disturbed(run *result.Run, rate float64) bool {
	taken := run.Host.Other + run.Host.Stolen
	return taken >= hostBusy && (taken >= 0.5 || run.PerSecond() >= rate/2)
}

// blame says in a sentence what else than the server may have made a run miss; "" if nothing did.
func blame(run *result.Run, rate float64) string {
	switch {
	case run.ClientBusy() >= clientBusy:
		return fmt.Sprintf("the client was busy %.0f %% of the time at %.0f packets/s, so the server may be able to do more", run.ClientBusy()*100, rate)
	case disturbed(run, rate):
		return fmt.Sprintf("others took %.0f %% of the CPUs' time at %.0f packets/s, so the server may be able to do more", (run.Host.Other+run.Host.Stolen)*100, rate)
	}
	return ""
}

// try makes runs at one rate until the majority of trials is decided. Limit is what else than the server
// may have made it miss; unfit, that others had the CPUs in run after run.
func (r *runner) try(ctx context.Context, contestant int, cell result.Cell, o Objective) (step result.Step, limit string, unfit bool) {
	step.Rate = cell.Rate
	r.file.Cells = append(r.file.Cells, cell)
	index := len(r.file.Cells) - 1
	kept, missed, spare := 0, 0, repeats
	for round := 0; kept <= trials/2 && missed <= trials/2; round++ {
		run, err := r.measure(ctx, index, contestant)
		if ctx.Err() != nil {
			return step, limit, false
		}
		if err != nil {
			run.Failed = err.Error()
		}
		step.Runs = append(step.Runs, r.keep(&run, round))
		r.done++
		r.progress(index, contestant, &run)
		if why := miss(&run, o); why != "" {
			if disturbed(&run, cell.Rate) && spare > 0 {
				spare--
				continue
			}
			step.Why = why
			if blamed := blame(&run, cell.Rate); blamed != "" {
				limit = blamed
			}
			unfit = unfit || disturbed(&run, cell.Rate)
			missed++
			continue
		}
		kept++
	}
	if step.Kept = kept > missed; step.Kept {
		step.Why, unfit = "", false
	}
	return step, limit, unfit
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
