package result

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// HistogramLog writes the response times of every run as a HdrHistogram interval log, one line for each
// run, tagged with contestant and cell, which HistogramLogAnalyzer and the other tools of that family
// read. Values in it are ns.
func (f *File) HistogramLog(w io.Writer) error {
	log := hdrhistogram.NewHistogramLogWriter(w)
	start := f.Started.UnixMilli()
	err := errors.Join(
		log.OutputLogFormatVersion(),
		log.OutputComment(fmt.Sprintf("echosrv bench %s: response times in ns, one line for each run", f.Kind)),
		log.OutputStartTime(start),
		log.OutputLegend(),
	)
	if err != nil {
		return err
	}
	log.SetBaseTime(start)
	clean := strings.NewReplacer(",", ";", " ", "_", "\n", "_").Replace
	for _, r := range f.Runs {
		if r.Response == nil || r.Response.TotalCount() == 0 {
			continue
		}
		h := r.Response.Clone()
		h.SetTag(clean(f.Contestants[r.Contestant].Name + "|" + f.Cells[r.Cell].Name))
		h.SetStartTimeMs(r.Started.UnixMilli())
		h.SetEndTimeMs(r.Started.Add(max(r.Window, time.Millisecond)).UnixMilli())
		if err := log.OutputIntervalHistogram(h); err != nil {
			return err
		}
	}
	return nil
}
