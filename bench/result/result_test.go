package result

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"
)

func histogram(values ...int64) *Histogram {
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	for _, v := range values {
		h.RecordValue(v)
	}
	return NewHistogram(h)
}

func sample() *File {
	return &File{
		Schema: Schema, Kind: KindCompare, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Baseline: "a", Rounds: 2,
		Manifest:    Manifest{OS: "linux", Arch: "amd64", Go: "go1.26", CPU: "A CPU", CPUs: 2},
		Cells:       []Cell{{Name: "50x1x1024", Connections: 50, Depth: 1, Sizes: "1024", Duration: time.Second, ClientThreads: 1}},
		Contestants: []Contestant{{Name: "a", Spec: "a", Threads: 1}, {Name: "b/2 c", Command: []string{"b", "{port}"}}},
		Runs: []Run{
			{Window: time.Second, Packets: 1000, Bytes: 1024000, Server: Usage{Known: true, CPU: 5 * time.Millisecond, RSS: 1 << 20},
				Client: Usage{Known: true, CPU: time.Millisecond, Threads: []time.Duration{time.Second / 2}}, Response: histogram(100_000, 200_000)},
			{Contestant: 1, Failed: "it, \"quoted\", didn't start"},
		},
	}
}

func TestFilesAreReadBack(t *testing.T) {
	want := sample()
	path := filepath.Join(t.TempDir(), "r.json")
	if err := Save(path, want.Encode); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b *Histogram) bool { return (a == nil) == (b == nil) && (a == nil || a.Equals(b.Histogram)) })
	if d := cmp.Diff(want, got, same); d != "" {
		t.Error(d)
	}
}

func TestReadSaysWhatIsWrong(t *testing.T) {
	var b bytes.Buffer
	if err := sample().Encode(&b); err != nil {
		t.Fatal(err)
	}
	good := b.String()
	tests := map[string]struct{ text, want string }{
		"empty":             {"", "not a result"},
		"other JSON":        {`{"a": 1}`, "not a result"},
		"newer":             {strings.Replace(good, `"schema": 1`, `"schema": 99`, 1), "schema 99 is unknown"},
		"negative schema":   {`{"schema": -1}`, "schema -1 is unknown"},
		"cut":               {good[:len(good)/2], "not a result"},
		"cell":              {strings.Replace(good, `"cell": 0`, `"cell": 7`, 1), "cell 7 of 1"},
		"contestant":        {strings.Replace(good, `"contestant": 1`, `"contestant": -1`, 1), "contestant -1 of 2"},
		"negative time":     {strings.Replace(good, `"window_ns": 1000000000`, `"window_ns": -5`, 1), "negative"},
		"wrong type":        {strings.Replace(good, `"packets": 1000`, `"packets": "many"`, 1), "damaged"},
		"damaged histogram": {strings.Replace(good, `"response": "HISTF`, `"response": "HISTXXXX`, 1), "histogram"},
	}
	for name, test := range tests {
		if test.text == good {
			t.Fatalf("%s: the test changes nothing", name)
		}
		if _, err := Parse([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	var b bytes.Buffer
	sample().Encode(&b)
	f.Add(b.Bytes())
	f.Add([]byte(`{"schema": 1, "runs": [{"response": "HISTFAAAAA"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Parse(b)
		if err != nil {
			return
		}
		for _, encode := range []func(io.Writer) error{file.CSV, file.BenchText, file.HistogramLog} {
			encode(io.Discard)
		}
	})
}

func TestSaveReplacesAsAWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r.json")
	if err := os.WriteFile(path, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := Save(path, func(w io.Writer) error { w.Write([]byte("half")); return broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "before" {
		t.Errorf("a failed write left %q", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files left behind: %v", entries)
	}
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	if err := sample().CSV(&b); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(lines) != 3 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	got := map[string]string{}
	for i, name := range lines[0] {
		got[name] = lines[1][i]
	}
	for name, want := range map[string]string{
		"contestant": "a", "packets_per_second": "1000", "server_cpu_ns_per_packet": "5000", "cell": "50x1x1024", "failed": "",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestBenchTextIsWhatBenchstatReads(t *testing.T) {
	var b bytes.Buffer
	if err := sample().BenchText(&b); err != nil {
		t.Fatal(err)
	}
	reader := benchfmt.NewReader(&b, "test")
	found := 0
	for reader.Scan() {
		switch r := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Errorf("benchstat would stumble: %v", r)
		case *benchfmt.Result:
			found++
			if cost, ok := r.Value("server-sec/packet"); !ok || cost != 5e-6 { // benchstat tidies ns to sec
				t.Errorf("server-sec/packet is %v, %v", cost, ok)
			}
			if r.GetConfig("goos") != "linux" {
				t.Errorf("goos is %q", r.GetConfig("goos"))
			}
		}
	}
	if found != 1 {
		t.Errorf("%d results; a run that failed has none", found)
	}
}

func TestHistogramLogIsReadBack(t *testing.T) {
	var b bytes.Buffer
	if err := sample().HistogramLog(&b); err != nil {
		t.Fatal(err)
	}
	h, err := hdrhistogram.NewHistogramLogReader(&b).NextIntervalHistogram()
	if err != nil || h == nil {
		t.Fatalf("histogram %v, %v", h, err)
	}
	if h.TotalCount() != 2 || h.Tag() != "a|50x1x1024" {
		t.Errorf("%d values, tag %q", h.TotalCount(), h.Tag())
	}
}

func TestMerge(t *testing.T) {
	sum := Merge(nil, histogram(1000), histogram(3000, 3000), &Histogram{})
	if sum.TotalCount() != 3 || sum.At(100) < 2990 {
		t.Errorf("%d values, the longest %v", sum.TotalCount(), sum.At(100))
	}
	if Merge(nil, nil) != nil || Merge().At(50) != 0 {
		t.Error("nothing merged is nothing")
	}
}
