package verdict

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"echosrv/bench/result"
	"echosrv/bench/stats"
)

// Difference is what changed between two files.
type Difference struct {
	// Warnings say where the two were measured in different circumstances, and what can't be compared.
	Warnings []string
	Changes  []Change
}

// Change is one figure of one contestant in one setting.
type Change struct {
	Cell, Contestant, Figure string
	Unit                     Unit
	// Old and New are medians with their intervals; of a Range, what lies between its bounds.
	Old, New stats.Estimate
	// P is corrected for all changes of the difference; NaN for a Range.
	P       float64
	Differs bool
	// Better: the new value is the better one, whether or not it Differs.
	Better bool
}

// Unit is what a figure counts.
type Unit int

// The units there are.
const (
	Plain Unit = iota
	Nanoseconds
	Bytes
	// Range is a figure known to lie between two bounds, 0 and infinity among them. Two differ if nothing is
	// in both.
	Range
)

// ErrEnvironment is wrapped where two files come from machines that can't be compared.
var ErrEnvironment = errors.New("the two were measured on different machines")

// Diff compares two files of one kind by the names of settings and contestants. It refuses files from different
// platforms or CPU models, unless force is set; other differences of the circumstances are warnings.
func Diff(before, after *result.File, force bool) (Difference, error) {
	var d Difference
	if family(before.Kind) != family(after.Kind) {
		return d, fmt.Errorf("one is a result of bench %s, the other of bench %s: they hold different figures", before.Kind, after.Kind)
	}
	serious, minor := circumstances(before, after)
	if len(serious) > 0 && !force {
		return d, fmt.Errorf("%w: %s", ErrEnvironment, serious[0])
	}
	d.Warnings = append(serious, minor...)
	if before.Kind == result.KindCapacity {
		if err := d.capacities(before, after); err != nil {
			return d, err
		}
	} else {
		d.settings(before, after)
	}
	if len(d.Changes) == 0 {
		return d, errors.New(strings.Join(append([]string{"the two files have no setting with figures of the same contestant in common"}, d.Warnings...), "; "))
	}
	return d, nil
}

// family is one kind of those that hold the same figures.
func family(k result.Kind) result.Kind {
	switch k {
	case result.KindRun, result.KindSweep:
		return result.KindCompare
	}
	return k
}

// settings compares cell by cell.
func (d *Difference) settings(before, after *result.File) {
	var barred barred
	for i, cell := range before.Cells {
		k := slices.IndexFunc(after.Cells, func(c result.Cell) bool { return c.Name == cell.Name })
		if k < 0 {
			continue
		}
		if load(cell) != load(after.Cells[k]) {
			d.warnf("%s has different windows, threads or seeds in the two files", cell.Name)
		}
		d.cell(before, after, i, k, &barred)
	}
	d.Warnings = append(d.Warnings, barred.warnings()...)
	var p []float64
	for _, c := range d.Changes {
		p = append(p, c.P)
	}
	for i, corrected := range stats.Holm(p) {
		d.Changes[i].P, d.Changes[i].Differs = corrected, corrected < stats.Alpha
	}
}

func (d *Difference) warnf(format string, args ...any) {
	d.Warnings = append(d.Warnings, fmt.Sprintf(format, args...))
}

// load is a cell without what its measurement found.
func load(c result.Cell) result.Cell {
	c.Ceiling = 0
	return c
}

// compared is a figure that is compared.
type compared struct {
	name string
	unit Unit
	take func(*result.Run) float64
	less bool // less is better
	// both: it is the client's and the machine's as well, so a verdict other than OK forbids it.
	both bool
}

// figuresOf says what is compared in files of a kind.
func figuresOf(kind result.Kind) []compared {
	if kind == result.KindMemory {
		return []compared{{"bytes per idle connection", Plain, idleBytes, true, false}}
	}
	return []compared{
		{"server CPU per packet", Nanoseconds, cost, true, false},
		{"packets/s", Plain, (*result.Run).PerSecond, false, true},
		{"p99", Nanoseconds, response(99), true, true},
		{"RSS", Bytes, func(r *result.Run) float64 { return unless(r.Server.RSS == 0, float64(r.Server.RSS)) }, true, false},
	}
}

// cell compares one setting, the i-th before and the k-th after.
func (d *Difference) cell(before, after *result.File, i, k int, barred *barred) {
	oldRuns, newRuns := rounds(before, i), rounds(after, k)
	oldRows, newRows := byIndex(Judge(before, i)), byIndex(Judge(after, k))
	for c, contestant := range before.Contestants {
		n := slices.IndexFunc(after.Contestants, func(other result.Contestant) bool { return other.Name == contestant.Name })
		if n < 0 {
			continue
		}
		worst := OK
		if before.Kind != result.KindMemory { // whose connections are idle, so that nothing limits them
			worst = barred.note(before.Cells[i].Name, oldRows[c], newRows[n])
		}
		if worst == Invalid || worst == Missing {
			continue
		}
		for _, f := range figuresOf(before.Kind) {
			was, is := known(figure(oldRuns[c], f.take)), known(figure(newRuns[n], f.take))
			if len(was) == 0 || len(is) == 0 || f.both && worst != OK {
				continue
			}
			change := Change{Cell: before.Cells[i].Name, Contestant: contestant.Name, Figure: f.name, Unit: f.unit, Old: stats.Of(was), New: stats.Of(is)}
			change.P = stats.Unpaired(was, is)
			change.Better = change.New.Median < change.Old.Median == f.less
			d.Changes = append(d.Changes, change)
		}
	}
}

// byIndex are the rows of a board in the order of the file's contestants.
func byIndex(b Board) []Row {
	slices.SortFunc(b.Rows, func(x, y Row) int { return cmp.Compare(x.Index, y.Index) })
	return b.Rows
}

// barred collects the rows of the old and the new file whose verdict forbids figures.
type barred [2]map[Verdict][]string

// note returns the worst verdict of two rows.
func (b *barred) note(cell string, was, is Row) Verdict {
	worst := OK
	for side, r := range []Row{was, is} {
		if r.Verdict == OK {
			continue
		}
		b.add(side, r.Verdict, fmt.Sprintf("%s in %s", r.Name, cell))
		if worst == OK || r.Verdict == Invalid || r.Verdict == Missing {
			worst = r.Verdict
		}
	}
	return worst
}

func (b *barred) add(side int, v Verdict, row string) {
	if b[side] == nil {
		b[side] = map[Verdict][]string{}
	}
	b[side][v] = append(b[side][v], row)
}

func (b *barred) warnings() (all []string) {
	for side, name := range []string{"old", "new"} {
		for _, v := range []Verdict{Missing, Invalid, NotSustained, HostBound, ClientBound} {
			left := "packets/s and p99 are left out"
			if v == Invalid || v == Missing {
				left = "left out"
			}
			if rows := b[side][v]; len(rows) > 0 {
				all = append(all, fmt.Sprintf("%s in the %s file, so %s: %s", v, name, left, strings.Join(rows, ", ")))
			}
		}
	}
	return all
}

// capacities compares what two searches for capacity found.
func (d *Difference) capacities(before, after *result.File) error {
	if len(before.Cells) == 0 || len(after.Cells) == 0 {
		return nil
	}
	setting := before.Cells[0].Name
	if load(before.Cells[0]) != load(after.Cells[0]) {
		return errors.New("the two searches had different loads: connections, depth, sizes, windows, threads or seeds")
	}
	for _, was := range before.Capacity {
		name := before.Contestants[was.Contestant].Name
		k := slices.IndexFunc(after.Capacity, func(c result.Capacity) bool { return after.Contestants[c.Contestant].Name == name })
		if k < 0 {
			continue
		}
		is := after.Capacity[k]
		if was.Objective != is.Objective {
			return fmt.Errorf("the limit for p99 was %v and is %v: capacities under different limits can't be compared", was.Objective, is.Objective)
		}
		for _, side := range []struct {
			name  string
			limit string
		}{{"old", was.Limit}, {"new", is.Limit}} {
			if side.limit != "" {
				d.warnf("%s in the %s file: %s", name, side.name, side.limit)
			}
		}
		before, found1 := Capacity(was)
		after, found2 := Capacity(is)
		if !found1 || !found2 {
			continue // and it was said why
		}
		d.Changes = append(d.Changes, Change{
			Cell: setting, Contestant: name, Figure: fmt.Sprintf("packets/s at p99 <= %v", was.Objective),
			Unit: Range, Old: before, New: after, P: math.NaN(),
			Better: after.Low > before.Low, Differs: after.Low >= before.High || before.Low >= after.High,
		})
	}
	return nil
}

// Capacity is what a search for capacity found, as a range with its middle; High is infinite if no rate was
// missed, or not by fault of the server. It is false if nothing is known.
func Capacity(c result.Capacity) (stats.Estimate, bool) {
	e := stats.Estimate{Low: c.Low, High: c.High, N: max(1, len(c.Steps))}
	if c.High <= 0 || c.Limit != "" {
		e.High = math.Inf(1)
	}
	e.Median = (e.Low + e.High) / 2
	return e, e.Low > 0 || !math.IsInf(e.High, 0)
}

// IdleBytes is how much a contestant's resident memory grew for each connection of a cell.
func IdleBytes(f *result.File, cell, contestant int) stats.Estimate {
	return stats.Of(known(figure(rounds(f, cell)[contestant], idleBytes)))
}

func idleBytes(r *result.Run) float64 { return unless(r.Established == 0, r.IdleBytes()) }

// circumstances lists what differs between two manifests: serious differences make figures incomparable.
func circumstances(before, after *result.File) (serious, minor []string) {
	a, b := before.Manifest, after.Manifest
	differ := func(list *[]string, what string, old, new any) {
		if o, n := fmt.Sprint(old), fmt.Sprint(new); o != n {
			*list = append(*list, fmt.Sprintf("%s was %s and is %s", what, o, n))
		}
	}
	differ(&serious, "the platform", a.OS+"/"+a.Arch, b.OS+"/"+b.Arch)
	differ(&serious, "the CPU", a.CPU, b.CPU)
	differ(&serious, "the number of CPUs", a.CPUs, b.CPUs)
	differ(&minor, "the machine", a.Hostname, b.Hostname)
	differ(&minor, "the kernel", a.Kernel, b.Kernel)
	differ(&minor, "the Go release", a.Go, b.Go)
	differ(&minor, "the server's CPUs", a.ServerCPUs, b.ServerCPUs)
	differ(&minor, "the client's CPUs", a.ClientCPUs, b.ClientCPUs)
	for _, key := range keys(a.Sysctls, b.Sysctls) {
		differ(&minor, key, a.Sysctls[key], b.Sysctls[key])
	}
	for _, key := range keys(a.Modules, b.Modules) {
		differ(&minor, "the module "+key, a.Modules[key], b.Modules[key])
	}
	for _, side := range []struct {
		name string
		file *result.File
	}{{"old", before}, {"new", after}} {
		if side.file.Partial {
			minor = append(minor, fmt.Sprintf("the %s file is partial: %s", side.name, side.file.Reason))
		}
	}
	return serious, minor
}

func keys(a, b map[string]string) []string {
	var all []string
	for _, m := range []map[string]string{a, b} {
		for k := range m {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
