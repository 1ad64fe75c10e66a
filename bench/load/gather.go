package load

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const (
	// sustainedShare is how much of what is due in the window must be answered in it.
	sustainedShare = 0.99
	// sustainedSlack is how long what is due may be late on top of it: a server that was asked to nothing
	// before the window owes its first echoes when it opens, and its last when it closes.
	sustainedSlack = 10 * time.Millisecond
)

// gather adds up what the loops measured, once all have ended.
func (r *run) gather(w *watch) *Result {
	result := &Result{
		Window: time.Duration(r.closed.Load() - r.opened.Load()), ClientCPU: w.cpu[1] - w.cpu[0], Samples: w.samples,
		Response: newHistogram(), Service: newHistogram(), Lateness: newHistogram(), Connect: newHistogram(),
		Partial: w.ended != "", Ended: w.ended,
	}
	if r.opened.Load() == 0 {
		result.Window = 0
	}
	var answered int64
	for _, l := range r.loops {
		result.add(l.meter)
		result.LoopCPU = append(result.LoopCPU, l.cpu[1]-l.cpu[0])
		answered += l.meter.answered
	}
	result.Failures = r.failures()
	if r.config.Rate == 0 {
		result.Response.Merge(result.Service)
	}
	if result.Partial && result.GoneAway > 0 {
		result.Ended += fmt.Sprintf("; the server sent a GOAWAY to %d", result.GoneAway)
	}
	result.Active.Asked, result.Idle.Asked, result.Slow.Asked = r.config.Connections, r.config.Idle, r.config.Slow
	result.Sustained = keptUp(float64(answered), float64(result.Due), r.config.Rate) &&
		keptUp(float64(result.Churned.Established), float64(result.Churned.Asked), r.config.Churn) &&
		(r.config.Rate == 0 || result.Unanswered+result.Unsent == 0)
	return result
}

// failures adds up what went wrong in all loops, most frequent first.
func (r *run) failures() []Failure {
	sums := make(map[Cause]*Failure)
	for _, l := range r.loops {
		for cause, f := range l.meter.failures {
			sum := sums[cause]
			if sum == nil {
				sum = &Failure{Cause: cause}
				sums[cause] = sum
			}
			sum.Count += f.Count
			sum.Examples = append(sum.Examples, f.Examples[:min(len(f.Examples), mostExamples-len(sum.Examples))]...)
		}
	}
	var all []Failure
	for _, f := range sums {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Cause, b.Cause))
	})
	return all
}

// keptUp compares what was done with what was due, at a rate per second.
func keptUp(done, due, rate float64) bool {
	return done >= sustainedShare*due-rate*sustainedSlack.Seconds()-1
}

func (r *Result) add(m *meter) {
	r.Packets += m.packets
	r.Bytes += m.bytes
	r.Due += m.due
	r.Backlog += m.backlog
	r.Unsent += m.unsent
	r.Unanswered += m.unanswered
	r.GoneAway += m.gone
	r.Response.Merge(m.response)
	r.Service.Merge(m.service)
	r.Lateness.Merge(m.lateness)
	r.Connect.Merge(m.connect)
	for role, p := range map[role]*Population{active: &r.Active, idle: &r.Idle, slow: &r.Slow, churned: &r.Churned} {
		q := m.populations[role]
		p.Asked += q.Asked
		p.Established += q.Established
		p.Lost += q.Lost
		p.Sent += q.Sent
		p.Received += q.Received
	}
}
