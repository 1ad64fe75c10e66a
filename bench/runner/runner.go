// Package runner makes the runs of a measurement: for each it starts a fresh server as a child process,
// pinned to its own CPUs, loads it, reads both sides' clocks at the edges of the measured window, and
// ends it. It knows servers only by the command line that starts them.
//
// The route of a comparison:
//
//	runner.go   the plan, and its rounds in random order
//	server.go   a child process: its start, its address, its end whatever happens
//	place.go    which CPUs the two sides get
//	measure.go  one run, and what is read around it
//	manifest.go where and with what it all happened
package runner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"echosrv/bench/result"
)

// Contestant is a server that takes part.
type Contestant struct {
	result.Contestant
	// Command is how to start it for a cell, on these CPUs.
	Command func(cell result.Cell, cpus []int) Command
}

// Plan is a measurement before it is made.
type Plan struct {
	Kind        result.Kind
	Cells       []result.Cell
	Contestants []Contestant
	Baseline    string
	Rounds      int
	// Seed of the order.
	Seed      uint64
	Placement Placement
	// Calibrate: look for the client's ceiling in each cell before the first round.
	Calibrate bool
	// Observe is told of every run when it is done; nil: nobody is.
	Observe func(Progress)
}

// Progress is where a measurement stands.
type Progress struct {
	// Total and Left are zero where nobody knows how many runs there will be.
	Done, Total int
	Left        time.Duration
	// What was just measured, and in which setting.
	Contestant, Cell string
	Run              *result.Run
}

// maxFailures in sequence after which a contestant is left out of the remaining rounds, so that a server
// that can't start doesn't cost its timeout in each.
const maxFailures = 2

type runner struct {
	plan     Plan
	file     *result.File
	failures []int // in sequence, by contestant
	met      []bool
	began    time.Time
	done     int
	total    int
}

// slot is a place in the order of runs.
type slot struct{ round, cell, contestant int }

// Run makes the measurement. When ctx ends it stops the servers and returns what there is, marked partial.
// The error is for plans that can't be; servers that fail are in the file.
func Run(ctx context.Context, p Plan) (*result.File, error) {
	r, err := start(p)
	if err != nil {
		return nil, err
	}
	r.total = p.Rounds * len(p.Cells) * len(p.Contestants)
	if p.Calibrate {
		r.calibrate(ctx)
	}
	for _, s := range order(p) {
		if ctx.Err() != nil {
			break
		}
		r.make(ctx, s)
	}
	return r.finish(ctx), nil
}

// start confines this process, which is the client, and opens the file.
func start(p Plan) (*runner, error) {
	for i, cell := range p.Cells {
		config, err := Load(cell, nil)
		if err != nil {
			return nil, err
		}
		if err := config.RaiseFileLimit(); err != nil {
			return nil, err
		}
		if cell.Name == "" {
			p.Cells[i].Name = Name(cell)
		}
	}
	if p.Rounds < 1 || len(p.Contestants) == 0 || len(p.Cells) == 0 {
		return nil, errors.New("nothing to measure: at least one round, one contestant and one setting are needed")
	}
	manifest := collect(p.Placement)
	if err := confineSelf(p.Placement.Client); err != nil {
		return nil, err
	}
	f := &result.File{
		Schema: result.Schema, Kind: p.Kind, Started: time.Now(), Baseline: p.Baseline, Rounds: p.Rounds,
		Manifest: manifest, Cells: p.Cells, Notes: slices.Clone(p.Placement.Notes),
	}
	for _, c := range p.Contestants {
		f.Contestants = append(f.Contestants, c.Contestant)
	}
	n := len(p.Contestants)
	return &runner{plan: p, file: f, failures: make([]int, n), met: make([]bool, n), began: time.Now()}, nil
}

// order interleaves: every round visits all contestants of a cell once, in random order, before the next
// cell, so that what changes slowly on the machine meets all of them alike.
func order(p Plan) []slot {
	random := rand.New(rand.NewPCG(p.Seed, 0))
	var slots []slot
	for round := range p.Rounds {
		for _, cell := range random.Perm(len(p.Cells)) {
			for _, contestant := range random.Perm(len(p.Contestants)) {
				slots = append(slots, slot{round, cell, contestant})
			}
		}
	}
	return slots
}

// make makes the run of one slot and keeps it, unless it was interrupted.
func (r *runner) make(ctx context.Context, s slot) {
	r.done++
	c := &r.file.Contestants[s.contestant]
	if r.failures[s.contestant] >= maxFailures {
		return
	}
	run, err := r.measure(ctx, s.cell, s.contestant)
	if ctx.Err() != nil {
		return
	}
	r.failures[s.contestant]++
	if err != nil {
		run.Failed = err.Error()
	} else {
		r.failures[s.contestant] = 0
	}
	r.keep(&run, s.round)
	if r.failures[s.contestant] == maxFailures {
		r.note("%s failed twice in sequence and was left out of the rest: %s", c.Name, run.Failed)
	}
	r.progress(s.cell, s.contestant, &run)
}

// keep puts a run into the file and returns its index.
func (r *runner) keep(run *result.Run, round int) int {
	run.Round, run.Order = round, len(r.file.Runs)
	r.file.Runs = append(r.file.Runs, *run)
	return run.Order
}

func (r *runner) progress(cell, contestant int, run *result.Run) {
	if r.plan.Observe == nil {
		return
	}
	each := time.Since(r.began) / time.Duration(max(1, r.done))
	r.plan.Observe(Progress{
		Done: r.done, Total: r.total, Left: each * time.Duration(max(0, r.total-r.done)),
		Contestant: r.file.Contestants[contestant].Name, Cell: r.file.Cells[cell].Name, Run: run,
	})
}

// calibration is how long the client's ceiling is looked for in each cell.
const calibration = 300 * time.Millisecond

// calibrate finds about the most that the client could drive: the baseline's rate, divided by how busy the
// client's busiest loop was. It also warms the caches of the machine for the first round.
func (r *runner) calibrate(ctx context.Context) {
	baseline := max(0, slices.IndexFunc(r.file.Contestants, func(c result.Contestant) bool { return c.Name == r.plan.Baseline }))
	for i := range r.file.Cells {
		cell := r.file.Cells[i]
		r.file.Cells[i].Duration = min(cell.Duration, calibration)
		run, err := r.measure(ctx, i, baseline)
		r.file.Cells[i] = cell
		if busy := run.ClientBusy(); err == nil && busy > 0 {
			r.file.Cells[i].Ceiling = run.PerSecond() / min(1, busy)
		}
	}
	r.began = time.Now()
}

// introduce records what a contestant announced, and that every process got the CPUs it was to get.
func (r *runner) introduce(contestant int, s *Server) {
	c := &r.file.Contestants[contestant]
	if s.Engine != "" {
		c.Model, c.Library = s.Model, s.Library
		c.Threads, c.GOMAXPROCS, c.MaxPacket = s.Threads, s.GOMAXPROCS, s.MaxPacket
	}
	if r.met[contestant] {
		return
	}
	r.met[contestant] = true
	for _, pid := range s.Processes() {
		c.CPUs = allowed(pid)
		if want := format(r.plan.Placement.Server); want != "" && c.CPUs != "" && c.CPUs != want {
			r.note("%s runs on CPUs %s and not on %s as asked, so it can't be compared", c.Name, c.CPUs, want)
		}
	}
}

func (r *runner) note(format string, args ...any) {
	r.file.Notes = append(r.file.Notes, fmt.Sprintf(format, args...))
}

// cpus are those that both sides use; none: all.
func (r *runner) cpus() []int {
	all := slices.Concat(r.plan.Placement.Server, r.plan.Placement.Client)
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *runner) finish(ctx context.Context) *result.File {
	r.file.Elapsed = time.Since(r.file.Started)
	if ctx.Err() != nil {
		r.file.Partial, r.file.Reason = true, context.Cause(ctx).Error()
	}
	return r.file
}
