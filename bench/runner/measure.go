package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"echosrv/bench/load"
	"echosrv/bench/proc"
	"echosrv/bench/result"
)

// slack is how much longer than planned a run may take before it is ended.
const slack = 5 * time.Second

// meter reads the clocks of both sides when the measured window opens and when it closes.
type meter struct {
	server, client []int // process ids
	cpus           []int // that both use
	edges          [2]edge
	err            error
}

type edge struct {
	server, client proc.Usage
	host           proc.Host
}

// at reads one edge. The CPU clocks come last when the window opens and first when it closes, so that the
// window holds the load and not the reading of slower files.
func (m *meter) at(e load.Edge) {
	if e == load.Opens {
		m.slow(0)
		m.clocks(0)
	} else {
		m.clocks(1)
		m.slow(1)
	}
}

func (m *meter) clocks(i int) {
	var err1, err2 error
	m.edges[i].server.CPU, err1 = proc.CPUTime(m.server)
	m.edges[i].client.CPU, err2 = proc.CPUTime(m.client)
	m.err = errors.Join(m.err, err1, err2)
}

func (m *meter) slow(i int) {
	e := &m.edges[i]
	cpu := e.server.CPU
	var err1, err2 error
	e.server, err1 = proc.Read(m.server)
	e.server.CPU = cpu
	e.host, err2 = proc.ReadHost()
	m.err = errors.Join(m.err, err1, err2)
}

// fill puts what was read into a run.
func (m *meter) fill(r *result.Run, before proc.Usage, host proc.Host) {
	if m.err != nil {
		return
	}
	opened, closed := m.edges[0], m.edges[1]
	r.Server = result.Usage{
		CPU: closed.server.CPU - opened.server.CPU, Known: true,
		Threads:     threads(opened.server, closed.server),
		Voluntary:   closed.server.Voluntary - opened.server.Voluntary,
		Involuntary: closed.server.Involuntary - opened.server.Involuntary,
		RSSBefore:   before.RSS, RSS: closed.server.RSS,
	}
	r.Client.CPU, r.Client.Known = closed.client.CPU-opened.client.CPU, true
	machine := proc.Between(opened.host, closed.host, m.cpus)
	ours := float64(r.Server.CPU+r.Client.CPU) / (float64(r.Window) * float64(max(1, len(m.cpus))))
	r.Host = result.Host{Known: true, Stolen: machine.Stolen, Other: max(0, machine.Busy-ours),
		SocketBytes: max(0, closed.host.SocketBytes-host.SocketBytes)}
}

// threads are the CPU times between two readings of the threads that were there at both, without those that
// did nothing, busiest first.
func threads(before, after proc.Usage) []time.Duration {
	var spent []time.Duration
	for tid, end := range after.Threads {
		if begin, lived := before.Threads[tid]; lived && end > begin {
			spent = append(spent, end-begin)
		}
	}
	slices.SortFunc(spent, func(a, b time.Duration) int { return int(b - a) })
	return spent
}

// measure makes one run: a fresh server, the load of the cell, everything read at the window's edges.
func (r *runner) measure(ctx context.Context, cell, contestant int) (result.Run, error) {
	run := result.Run{Cell: cell, Contestant: contestant, Started: time.Now()}
	c := r.plan.Contestants[contestant]
	server, err := Start(ctx, c.Command(r.file.Cells[cell], r.plan.Placement.Server))
	if err != nil {
		return run, err
	}
	defer server.Stop()
	r.introduce(contestant, server)
	config, err := Load(r.file.Cells[cell], r.plan.Placement.Client)
	if err != nil {
		return run, err
	}
	config.Address, config.Raw = server.Address, c.Raw
	return run, r.load(ctx, server, config, &run)
}

func (r *runner) load(ctx context.Context, server *Server, config load.Config, run *result.Run) error {
	pids := server.Processes()
	m := &meter{server: pids, client: []int{os.Getpid()}, cpus: r.cpus()}
	before, _ := proc.Read(pids)
	host, _ := proc.ReadHost()
	sampling, stop := context.WithCancel(ctx)
	defer stop()
	series := make(chan []result.Sample, 1)
	config.Window = func(e load.Edge) {
		m.at(e)
		if e == load.Opens {
			go func() { series <- sample(sampling, m.edges[0].host) }()
		} else {
			stop()
			run.Series = <-series
		}
	}
	limit := config.Ramp + config.Warmup + config.Duration + config.ConnectTimeout + config.DrainTimeout + slack
	bounded, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the run was ended after %v", limit))
	defer cancel()
	got, err := load.Run(bounded, config)
	if err != nil {
		return withLastWords(err, server)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	outcome(run, got)
	m.fill(run, before, host)
	if words, ended := server.Ended(); ended {
		run.Invalid = "the server ended during the run: " + words
	}
	return nil
}

func withLastWords(err error, s *Server) error {
	if words, ended := s.Ended(); ended && words != "" {
		return fmt.Errorf("%w; the server's last words were: %s", err, words)
	}
	return err
}

// outcome puts what the client counted into a run.
func outcome(run *result.Run, got *load.Result) {
	run.Window, run.Packets, run.Bytes = got.Window, uint64(got.Packets), uint64(got.Bytes)
	for _, p := range []load.Population{got.Active, got.Idle, got.Slow, got.Churned} {
		run.Asked += p.Asked
		run.Established += p.Established
		run.Lost += p.Lost
	}
	run.Mismatches = uint64(got.Mismatches())
	for _, f := range got.Failures {
		e := result.Error{Cause: string(f.Cause), Count: uint64(f.Count)}
		if len(f.Examples) > 0 {
			e.Example = f.Examples[0]
		}
		run.Errors = append(run.Errors, e)
	}
	run.Invalid = got.Invalid()
	if run.Invalid == "" && got.Partial {
		run.Invalid = got.Ended
	}
	run.NotSustained, run.Backlog = !got.Sustained, uint64(got.Backlog)
	run.Client = result.Usage{CPU: got.ClientCPU, Known: true, Threads: got.LoopCPU}
	run.Response = result.NewHistogram(got.Response)
	if got.Due > 0 {
		run.Service, run.Lateness = result.NewHistogram(got.Service), result.NewHistogram(got.Lateness)
	}
}

// sampleEvery is the step of the series: some points even in a short window, a cost that can't be seen.
const sampleEvery = 100 * time.Millisecond

// sample reads the machine's counters until ctx ends.
func sample(ctx context.Context, opened proc.Host) []result.Sample {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	var series []result.Sample
	last := opened
	for {
		select {
		case <-ctx.Done():
			return series
		case <-ticker.C:
		}
		now, err := proc.ReadHost()
		if err != nil || opened.At.IsZero() {
			return series
		}
		took := now.At.Sub(last.At).Seconds()
		s := result.Sample{
			At:             now.At.Sub(opened.At),
			NetworkBytes:   float64(now.NetworkBytes-last.NetworkBytes) / took,
			NetworkPackets: float64(now.NetworkPackets-last.NetworkPackets) / took,
		}
		for _, n := range slices.Sorted(maps.Keys(now.CPUs)) {
			s.Busy = append(s.Busy, proc.Between(last, now, []int{n}).Busy)
		}
		series, last = append(series, s), now
	}
}
