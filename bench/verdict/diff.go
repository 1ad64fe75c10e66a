package verdict

import (
	"errors"
	"fmt"
	"slices"

	"echosrv/bench/result"
	"echosrv/bench/stats"
)

// Difference is what changed between two files.
type Difference struct {
	// Warnings say where the two were measured in different circumstances.
	Warnings []string
	Changes  []Change
}

// Change is one figure of one contestant in one setting.
type Change struct {
	Cell, Contestant, Figure string
	Unit                     Unit
	Old, New                 stats.Estimate
	// P is corrected for all changes of the difference.
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
)

// ErrEnvironment is wrapped where two files come from machines that can't be compared.
var ErrEnvironment = errors.New("the two were measured on different machines")

// Diff compares two files by the names of settings and contestants. It refuses files from different
// platforms or CPU models, unless force is set; other differences of the circumstances are warnings.
func Diff(before, after *result.File, force bool) (Difference, error) {
	var d Difference
	serious, minor := circumstances(before, after)
	if len(serious) > 0 && !force {
		return d, fmt.Errorf("%w: %s", ErrEnvironment, serious[0])
	}
	d.Warnings = append(serious, minor...)
	for i, cell := range before.Cells {
		k := slices.IndexFunc(after.Cells, func(c result.Cell) bool { return c.Name == cell.Name })
		if k < 0 {
			continue
		}
		if load(cell) != load(after.Cells[k]) {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s has different windows, threads or seeds in the two files", cell.Name))
		}
		d.cell(before, after, i, k)
	}
	if len(d.Changes) == 0 {
		return d, errors.New("the two files have no setting with a contestant in common")
	}
	var p []float64
	for _, c := range d.Changes {
		p = append(p, c.P)
	}
	for i, corrected := range stats.Holm(p) {
		d.Changes[i].P, d.Changes[i].Differs = corrected, corrected < stats.Alpha
	}
	return d, nil
}

// load is a cell without what its measurement found.
func load(c result.Cell) result.Cell {
	c.Ceiling = 0
	return c
}

// figures that are compared, with whether less is better.
var figures = []struct {
	name string
	unit Unit
	take func(*result.Run) float64
	less bool
}{
	{"server CPU per packet", Nanoseconds, cost, true},
	{"packets/s", Plain, (*result.Run).PerSecond, false},
	{"p99", Nanoseconds, response(99), true},
	{"RSS", Bytes, func(r *result.Run) float64 { return unless(r.Server.RSS == 0, float64(r.Server.RSS)) }, true},
}

func (d *Difference) cell(before, after *result.File, i, k int) {
	oldRuns, newRuns := rounds(before, i), rounds(after, k)
	for c, contestant := range before.Contestants {
		n := slices.IndexFunc(after.Contestants, func(other result.Contestant) bool { return other.Name == contestant.Name })
		if n < 0 {
			continue
		}
		for _, f := range figures {
			was, is := known(figure(oldRuns[c], f.take)), known(figure(newRuns[n], f.take))
			if len(was) == 0 || len(is) == 0 {
				continue
			}
			change := Change{Cell: before.Cells[i].Name, Contestant: contestant.Name, Figure: f.name, Unit: f.unit, Old: stats.Of(was), New: stats.Of(is)}
			change.P = stats.Unpaired(was, is)
			change.Better = change.New.Median < change.Old.Median == f.less
			d.Changes = append(d.Changes, change)
		}
	}
}

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
	for _, f := range []*result.File{before, after} {
		if f.Partial {
			minor = append(minor, "one of the two is partial: "+f.Reason)
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
