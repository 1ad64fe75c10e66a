package load

import (
	"cmp"
	"slices"
	"time"
)

// sustainedShare is how much of what is due in the window must be answered in it.
const sustainedShare = 0.99

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
	var answeredDue int64
	failures := make(map[Cause]*Failure)
	for _, l := range r.loops {
		m := l.meter
		result.add(m)
		result.LoopCPU = append(result.LoopCPU, l.cpu[1]-l.cpu[0])
		answeredDue += m.answeredDue
		for cause, f := range m.failures {
			sum := failures[cause]
			if sum == nil {
				sum = &Failure{Cause: cause}
				failures[cause] = sum
			}
			sum.Count += f.Count
			sum.Examples = append(sum.Examples, f.Examples[:min(len(f.Examples), mostExamples-len(sum.Examples))]...)
		}
	}
	for _, f := range failures {
		result.Failures = append(result.Failures, *f)
	}
	slices.SortFunc(result.Failures, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Cause, b.Cause))
	})
	if r.config.Rate == 0 {
		result.Response.Merge(result.Service)
	}
	result.Active.Asked, result.Idle.Asked, result.Slow.Asked = r.config.Connections, r.config.Idle, r.config.Slow
	result.Sustained = float64(answeredDue) >= sustainedShare*float64(result.Due) &&
		float64(result.Churned.Established) >= sustainedShare*float64(result.Churned.Asked) &&
		(r.config.Rate == 0 || result.Unanswered == 0)
	return result
}

func (r *Result) add(m *meter) {
	r.Packets += m.packets
	r.Bytes += m.bytes
	r.Due += m.due
	r.Backlog += m.backlog
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
