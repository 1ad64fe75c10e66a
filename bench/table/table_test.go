package table

import (
	"bytes"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"echosrv/bench/internal/example"
	"echosrv/bench/result"
	"echosrv/bench/verdict"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (go test ./bench/table -update writes it anew):\n%s", name, d)
	}
}

func show(t *testing.T, f *result.File, write func(io.Writer, *result.File, Style) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, f, Style{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCompare(t *testing.T) {
	golden(t, "compare.txt", show(t, example.Compare(), Compare))
}

func TestPartial(t *testing.T) {
	f := example.Compare()
	f.Partial, f.Reason, f.Runs = true, "it was interrupted", f.Runs[:7]
	golden(t, "partial.txt", show(t, f, Compare))
}

func TestColorOnlyAddsEscapes(t *testing.T) {
	var b bytes.Buffer
	if err := Compare(&b, example.Compare(), Style{Color: true}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, code := range []string{bold, green, yellow, red, reset} {
		if !strings.Contains(text, code) {
			t.Errorf("the code %q is missing", code)
		}
		text = strings.ReplaceAll(text, code, "")
	}
	if plain := string(show(t, example.Compare(), Compare)); text != plain {
		t.Error("without its escapes the text differs from the plain one")
	}
}

func TestRun(t *testing.T) {
	f := example.Compare()
	r := f.Runs[0]
	r.Errors = []result.Error{{Cause: "closed", Count: 2, Example: "connection 7: the server closed it"}}
	var b bytes.Buffer
	if err := Run(&b, f.Cells[0], &r, Style{}); err != nil {
		t.Fatal(err)
	}
	cell := f.Cells[0]
	cell.Rate = 1e6
	r.NotSustained, r.Backlog, r.Errors = true, 1234, nil
	b.WriteByte('\n')
	if err := Run(&b, cell, &r, Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "run.txt", b.Bytes())
}

// sweepFile has two settings without the contestant c. In the second, goroutine and epoll change places.
func sweepFile() *result.File {
	f := example.Compare()
	f.Kind = result.KindSweep
	f.Runs = slices.DeleteFunc(f.Runs, func(r result.Run) bool { return r.Contestant == 3 })
	second := f.Cells[0]
	second.Connections, second.Name = 1000, "1000x1x1024"
	f.Cells = append(f.Cells, second)
	for _, r := range f.Runs[:len(f.Runs):len(f.Runs)] {
		r.Cell = 1
		if r.Contestant < 2 {
			r.Contestant = 1 - r.Contestant
		}
		f.Runs = append(f.Runs, r)
	}
	return f
}

func TestSweep(t *testing.T)  { golden(t, "sweep.txt", show(t, sweepFile(), Sweep)) }
func TestStress(t *testing.T) { golden(t, "stress.txt", show(t, sweepFile(), Stress)) }
func TestMemory(t *testing.T) { golden(t, "memory.txt", show(t, sweepFile(), Memory)) }

func TestCapacity(t *testing.T) {
	f := example.Compare()
	f.Kind = result.KindCapacity
	step := func(rate float64, why string) result.Step {
		return result.Step{Rate: rate, Runs: []int{0, 1}, Kept: why == "", Why: why}
	}
	f.Capacity = []result.Capacity{
		{Contestant: 0, Objective: 2 * time.Millisecond, Low: 100e3, High: 104e3, Steps: []result.Step{step(100e3, ""), step(104e3, "p99 was 5ms")}},
		{Contestant: 1, Objective: 2 * time.Millisecond, High: 100, Steps: []result.Step{step(100, "p99 was 9ms")}, Limit: "others took 40 % of the CPUs' time"},
		{Contestant: 2, Objective: 2 * time.Millisecond, Low: 200e3, Steps: []result.Step{step(200e3, "")}},
	}
	golden(t, "capacity.txt", show(t, f, Capacity))
}

func TestDiff(t *testing.T) {
	before, after := example.Compare(), example.Compare()
	after.Manifest.Kernel = "6.2 #1"
	for i := range after.Runs {
		if r := &after.Runs[i]; r.Contestant == 1 {
			r.Server.CPU = r.Server.CPU * 3 / 2
		}
	}
	d, err := verdict.Diff(before, after, false)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Diff(&b, d, Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "diff.txt", b.Bytes())
}

func TestFormats(t *testing.T) {
	nan := math.NaN()
	for got, want := range map[string]string{
		Count(0): "0", Count(0.01234): "0.0123", Count(99.96): "100", Count(201345): "201,000", Count(1234567): "1,230,000", Count(-4321): "-4,320", Count(nan): "-",
		Time(950): "950 ns", Time(1234): "1.23 us", Time(999_600): "1.00 ms", Time(12.34e6): "12.3 ms", Time(2.5e9): "2.50 s", Time(nan): "-",
		Size(512): "512 B", Size(1536): "1.50 KiB", Size(9 << 20): "9.00 MiB", Size(3 << 30): "3.00 GiB", Size(nan): "-",
		Percent(0.456): "46 %", Percent(nan): "-", P(0.0001): "<0.001", P(0.0412): "0.041",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
