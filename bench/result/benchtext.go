package result

import (
	"io"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// BenchText writes the runs in the Go benchmark format, one line for each, so that benchstat can compare
// files: "benchstat -col /engine f.txt". Units are such that less is better, except packets/s, for which
// it says so.
func (f *File) BenchText(w io.Writer) error {
	out := benchfmt.NewWriter(w)
	head := &benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: "packets/s", Key: "better"}, OrigUnit: "packets/s", Value: "higher"}
	if err := out.Write(head); err != nil {
		return err
	}
	for i := range f.Runs {
		r := &f.Runs[i]
		if r.Failed != "" || r.Packets == 0 {
			continue
		}
		line := benchfmt.Result{Iters: int(r.Packets), Name: benchName(f, r), Values: benchValues(r)}
		line.SetConfig("goos", f.Manifest.OS)
		line.SetConfig("goarch", f.Manifest.Arch)
		line.SetConfig("pkg", "echosrv")
		if f.Manifest.CPU != "" {
			line.SetConfig("cpu", f.Manifest.CPU)
		}
		for i := range line.Config {
			line.Config[i].File = true
		}
		if err := out.Write(&line); err != nil {
			return err
		}
	}
	return nil
}

// benchName is the setting and contestant as sub-benchmark keys, which benchstat can group by.
func benchName(f *File, r *Run) benchfmt.Name {
	clean := strings.NewReplacer(" ", "_", "/", "_", "\t", "_", "\n", "_").Replace
	return benchfmt.Name("Echo/cell=" + clean(f.Cells[r.Cell].Name) + "/engine=" + clean(f.Contestants[r.Contestant].Name))
}

func benchValues(r *Run) []benchfmt.Value {
	values := []benchfmt.Value{}
	if cost, known := r.CPUPerPacket(); known {
		values = append(values, benchfmt.Value{Value: cost, Unit: "server-ns/packet"})
	}
	values = append(values, benchfmt.Value{Value: r.PerSecond(), Unit: "packets/s"})
	for _, p := range []float64{50, 99} {
		if r.Response != nil {
			unit := "p" + strconv.FormatFloat(p, 'g', -1, 64) + "-ns"
			values = append(values, benchfmt.Value{Value: float64(r.Response.At(p)), Unit: unit})
		}
	}
	if r.Server.RSS > 0 {
		values = append(values, benchfmt.Value{Value: float64(r.Server.RSS), Unit: "rss-bytes"})
	}
	return values
}
