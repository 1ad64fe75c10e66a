package verdict

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"echosrv/bench/result"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// competitor is a made-up contestant: what it costs, and how its runs are spoilt.
type competitor struct {
	name  string
	cost  float64
	spoil func(*result.Run)
}

// file makes a file in which the machine is up to 30 % slower in some rounds, for all alike.
func file(rounds int, cs ...competitor) *result.File {
	random := rand.New(rand.NewPCG(1, 1))
	f := &result.File{Schema: result.Schema, Baseline: cs[0].name, Rounds: rounds, Cells: []result.Cell{{Name: "cell", Connections: 1}}}
	for _, c := range cs {
		f.Contestants = append(f.Contestants, result.Contestant{Name: c.name, Spec: c.name, Threads: 1, GOMAXPROCS: 2, MaxPacket: 10})
	}
	for round := range rounds {
		common := 1 + 0.3*random.Float64()
		for i, c := range cs {
			response := hdrhistogram.New(1, int64(time.Minute), 3)
			response.RecordValue(int64(c.cost * 10)) // with 100,000 packets/s, as many are in flight as cost/1000
			const packets = 100_000
			r := result.Run{
				Contestant: i, Round: round, Order: len(f.Runs), Window: time.Second, Packets: packets,
				Server: result.Usage{Known: true, CPU: time.Duration(packets * c.cost * common * (1 + 0.01*random.NormFloat64())), RSS: 1 << 20},
				Client: result.Usage{Known: true, CPU: time.Second / 2, Threads: []time.Duration{time.Second / 2}},
				Host:   result.Host{Known: true}, Response: result.NewHistogram(response),
			}
			if c.spoil != nil {
				c.spoil(&r)
			}
			f.Runs = append(f.Runs, r)
		}
	}
	return f
}

func row(t *testing.T, b Board, name string) Row {
	t.Helper()
	for _, r := range b.Rows {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no row for %q", name)
	return Row{}
}

func TestRatioIsPairedByRound(t *testing.T) {
	b := Judge(file(8, competitor{name: "base", cost: 1000}, competitor{name: "same", cost: 1000}, competitor{name: "dear", cost: 1100}), 0)
	if r := row(t, b, "same"); r.CostRatio.Differs {
		t.Errorf("equals were told apart: %+v", r.CostRatio)
	}
	r := row(t, b, "dear")
	if !r.CostRatio.Differs || math.Abs(r.CostRatio.Ratio.Ratio-1.1) > 0.02 {
		t.Errorf("10 %% under a machine that varies by 30 %% were not found: %+v", r.CostRatio)
	}
	if r.Cheapest || !row(t, b, "base").Cheapest || !row(t, b, "same").Cheapest {
		t.Error("the two cheapest must be marked together, and nobody else")
	}
	if b.Least > 0.05 || b.Least <= 0 {
		t.Errorf("the least detectable difference is %v", b.Least)
	}
	if b.Rows[2].Name != "dear" {
		t.Errorf("rows are not by cost: %q is third of three", b.Rows[2].Name)
	}
}

func TestNobodyIsMarkedAmongEquals(t *testing.T) {
	b := Judge(file(8, competitor{name: "a", cost: 1000}, competitor{name: "b", cost: 1000}), 0)
	for _, r := range b.Rows {
		if r.Cheapest || r.Fastest {
			t.Errorf("%s is marked, and there is no difference", r.Name)
		}
	}
}

func TestVerdicts(t *testing.T) {
	tests := []struct {
		want  Verdict
		why   string
		spoil func(*result.Run)
	}{
		{OK, "", func(r *result.Run) {}},
		{ClientBound, "99 %", func(r *result.Run) { r.Client.Threads[0] = 990 * time.Millisecond }},
		{HostBound, "hypervisor", func(r *result.Run) { r.Host.Stolen = 0.1 }},
		{HostBound, "other processes", func(r *result.Run) { r.Host.Other = 0.1 }},
		{NotSustained, "500 packets had not", func(r *result.Run) { r.NotSustained, r.Backlog = true, 500 }},
		{NotSustained, "may not be the server", func(r *result.Run) { r.NotSustained, r.Client.Threads[0] = true, time.Second }},
		{Invalid, "a wrong byte", func(r *result.Run) { r.Invalid = "a wrong byte" }},
		{Invalid, "on 3 connections", func(r *result.Run) { r.Mismatches = 3 }},
		{Invalid, "port in use", func(r *result.Run) { r.Failed = "port in use" }},
		{Invalid, "1 of 8", func(r *result.Run) {
			if r.Round == 5 {
				r.Invalid = "once"
			}
		}},
	}
	for _, test := range tests {
		b := Judge(file(8, competitor{name: "base", cost: 1000}, competitor{"x", 900, test.spoil}), 0)
		r := row(t, b, "x")
		if r.Verdict != test.want || !strings.Contains(r.Why, test.why) {
			t.Errorf("verdict %s (%s), want %s (%s)", r.Verdict, r.Why, test.want, test.why)
		}
		if r.Cheapest && (test.want == Invalid || test.want == NotSustained) {
			t.Errorf("a row that is %s was marked as the cheapest", test.want)
		}
	}
}

func TestThroughputIsNotRankedWhenTheClientIsTheLimit(t *testing.T) {
	slower := func(r *result.Run) { r.Packets /= 2 }
	spoilt := func(r *result.Run) { slower(r); r.Client.Threads[0] = time.Second }
	noisy := func(r *result.Run) { r.Packets += uint64(r.Round) }
	if b := Judge(file(8, competitor{"base", 1000, noisy}, competitor{"x", 900, slower}), 0); !row(t, b, "base").Fastest {
		t.Error("the faster of two sound rows must be marked")
	}
	if b := Judge(file(8, competitor{"base", 1000, noisy}, competitor{"x", 900, spoilt}), 0); row(t, b, "base").Fastest {
		t.Error("nobody may be marked as the fastest when the client limited somebody")
	}
}

func TestPercentilesOfUnsustainedRatesAreNotGiven(t *testing.T) {
	b := Judge(file(8, competitor{"base", 1000, func(r *result.Run) { r.NotSustained = true }}), 0)
	if r := row(t, b, "base"); !math.IsNaN(r.P99.Median) || r.Response != nil {
		t.Errorf("p99 is %v", r.P99.Median)
	}
}

func TestWarnings(t *testing.T) {
	f := file(3, competitor{name: "a", cost: 1}, competitor{name: "b", cost: 1})
	f.Contestants[1].Threads = 2
	got := strings.Join(Judge(f, 0).Warnings, "\n")
	for _, want := range []string{"differ in threads (1 and 2)", "there were 3"} {
		if !strings.Contains(got, want) && !strings.Contains(got, strings.ReplaceAll(want, "1 and 2", "2 and 1")) {
			t.Errorf("no warning %q in %q", want, got)
		}
	}
}

func TestEmptyAndDamagedFiles(t *testing.T) {
	f := file(2, competitor{name: "a", cost: 1})
	f.Runs[0].Round = math.MaxInt
	Judge(f, 0)
	f.Runs = nil
	if r := Judge(f, 0).Rows[0]; r.Verdict != Missing {
		t.Errorf("a contestant without a run is %s", r.Verdict)
	}
}

func TestDiff(t *testing.T) {
	before := file(8, competitor{name: "same", cost: 1000}, competitor{name: "worse", cost: 1000}, competitor{name: "gone", cost: 1})
	after := file(8, competitor{name: "same", cost: 1000}, competitor{name: "worse", cost: 1500}, competitor{name: "new", cost: 1})
	after.Manifest.Kernel = "other"
	d, err := Diff(before, after, false)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range d.Changes {
		found[c.Contestant] = true
		want := c.Contestant == "worse" && (c.Figure == "server CPU per packet" || c.Figure == "p99")
		// The percentiles of made-up runs have no scatter, so any change of them is found.
		if c.Differs != want || c.Differs && c.Better {
			t.Errorf("%+v", c)
		}
	}
	if len(found) != 2 {
		t.Errorf("compared were %v", found)
	}
	if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "kernel") {
		t.Errorf("warnings %q", d.Warnings)
	}
}

func TestDiffRefusesOtherMachines(t *testing.T) {
	before, after := file(3, competitor{name: "a", cost: 1}), file(3, competitor{name: "a", cost: 1})
	after.Manifest.CPU = "another"
	if _, err := Diff(before, after, false); !errors.Is(err, ErrEnvironment) {
		t.Errorf("error %v", err)
	}
	if d, err := Diff(before, after, true); err != nil || len(d.Warnings) == 0 {
		t.Errorf("forced: %v, warnings %q", err, d.Warnings)
	}
	after.Cells[0].Name = "other"
	if _, err := Diff(before, after, true); err == nil {
		t.Error("files with nothing in common were compared")
	}
}

// What a verdict forbids in either file isn't compared, and that is said.
func TestDiffLeavesOutWhatVerdictsForbid(t *testing.T) {
	before := file(8, competitor{name: "a", cost: 1000}, competitor{name: "b", cost: 1000}, competitor{name: "c", cost: 1000})
	after := file(8, competitor{name: "a", cost: 1000}, competitor{name: "b", cost: 1000}, competitor{name: "c", cost: 1000})
	for i := range before.Runs {
		if before.Runs[i].Contestant == 0 {
			before.Runs[i].Host.Known, before.Runs[i].Host.Other = true, 0.5
		}
		if after.Runs[i].Contestant == 1 {
			after.Runs[i].Invalid = "echoes were late"
		}
	}
	d, err := Diff(before, after, false)
	if err != nil {
		t.Fatal(err)
	}
	figures := map[string][]string{}
	for _, c := range d.Changes {
		figures[c.Contestant] = append(figures[c.Contestant], c.Figure)
	}
	if len(figures["a"]) == 0 || slices.Contains(figures["a"], "packets/s") || slices.Contains(figures["a"], "p99") || len(figures["b"]) > 0 || !slices.Contains(figures["c"], "p99") {
		t.Errorf("compared were %v", figures)
	}
	warned := strings.Join(d.Warnings, "\n")
	for _, want := range []string{"HOST-BOUND in the old file, so packets/s and p99 are left out: a in ", "INVALID in the new file, so left out: b in "} {
		if !strings.Contains(warned, want) {
			t.Errorf("%q is not in the warnings:\n%s", want, warned)
		}
	}
}

func TestDiffOfCapacities(t *testing.T) {
	search := func(low, high float64, limit string) *result.File {
		f := file(1, competitor{name: "a", cost: 1000})
		f.Kind = result.KindCapacity
		f.Capacity = []result.Capacity{{Objective: time.Millisecond, Low: low, High: high, Limit: limit}}
		return f
	}
	for _, c := range []struct {
		name            string
		before, after   *result.File
		differs, better bool
	}{
		{"the same", search(100, 110, ""), search(100, 110, ""), false, false},
		{"ranges that overlap", search(100, 110, ""), search(105, 115, ""), false, true},
		{"higher", search(100, 110, ""), search(110, 120, ""), true, true},
		{"lower", search(100, 110, ""), search(80, 90, ""), true, false},
		{"at least that much", search(100, 110, ""), search(120, 0, ""), true, true},
		{"it may have been the client", search(100, 110, "the client was busy"), search(120, 130, ""), false, true},
		{"below that much", search(100, 110, ""), search(0, 50, ""), true, false},
	} {
		d, err := Diff(c.before, c.after, false)
		if err != nil || len(d.Changes) != 1 {
			t.Fatalf("%s: %v, %+v", c.name, err, d.Changes)
		}
		if got := d.Changes[0]; got.Differs != c.differs || got.Better != c.better {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	other := search(100, 110, "")
	other.Capacity[0].Objective = time.Second
	if _, err := Diff(search(100, 110, ""), other, false); err == nil || !strings.Contains(err.Error(), "the limit for p99 was 1ms and is 1s") {
		t.Errorf("different objectives: %v", err)
	}
	nothing := search(0, 0, "it gave no valid run")
	if _, err := Diff(search(100, 110, ""), nothing, false); err == nil || !strings.Contains(err.Error(), "it gave no valid run") {
		t.Errorf("a search that found nothing: %v", err)
	}
}

func TestDiffOfMemory(t *testing.T) {
	idle := func(bytes int64) *result.File {
		f := file(8, competitor{name: "a", cost: 1000})
		f.Kind = result.KindMemory
		for i := range f.Runs {
			f.Runs[i] = result.Run{Round: i, Established: 100, Server: result.Usage{RSSBefore: 1 << 20, RSS: 1<<20 + 100*bytes + int64(i)}}
		}
		return f
	}
	d, err := Diff(idle(300), idle(200), false)
	if err != nil || len(d.Changes) != 1 {
		t.Fatalf("%v, %+v", err, d.Changes)
	}
	if c := d.Changes[0]; !c.Differs || !c.Better || c.Figure != "bytes per idle connection" || math.Round(c.New.Median) != 200 {
		t.Errorf("%+v", c)
	}
}

func TestLittlesLaw(t *testing.T) {
	if got := strings.Join(Judge(file(8, competitor{name: "a", cost: 1000}), 0).Warnings, ""); got != "" {
		t.Errorf("one connection, 100,000 packets/s of 10 us each are right, yet: %s", got)
	}
	if got := strings.Join(Judge(file(8, competitor{name: "a", cost: 2000}), 0).Warnings, ""); !strings.Contains(got, "200 % of what was in flight") {
		t.Errorf("twice as many as there were: %q", got)
	}
}
