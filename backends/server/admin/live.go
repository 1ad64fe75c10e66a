package admin

import (
	"bytes"
	"net/http"
	"time"

	"github.com/arl/statsviz"

	"echosrv/backends/server"
)

// liveCharts are the server's own series beside those of the Go runtime: goroutines and scheduler against
// packets per second.
func liveCharts(s *server.Server) (*statsviz.Server, error) {
	plots := []statsviz.TimeSeriesPlotConfig{
		{Name: "echosrv-packets", Title: "Packets", YAxisTitle: "packets/s", InfoText: "Whole packets received, and packets discarded because replies were not read.",
			Series: []statsviz.TimeSeries{
				series("received", ".4s", perSecond(func() uint64 { return s.Statistics().PacketsIn })),
				series("discarded", ".4s", perSecond(func() uint64 { return s.Statistics().Dropped })),
				series("through the outbox", ".4s", perSecond(func() uint64 { return s.Statistics().Kept })),
			}},
		{Name: "echosrv-bytes", Title: "Bytes", YAxisTitle: "bytes/s", InfoText: "Bytes received, and bytes that the sockets took.",
			Series: []statsviz.TimeSeries{
				series("received", ".4s", perSecond(func() uint64 { return s.Statistics().BytesIn })),
				series("sent", ".4s", perSecond(func() uint64 { return s.Statistics().BytesOut })),
			}},
		{Name: "echosrv-connections", Title: "Connections", YAxisTitle: "connections", InfoText: "Connections open.",
			Series: []statsviz.TimeSeries{
				series("open", "d", func() float64 { return float64(s.Statistics().Open) }),
			}},
		{Name: "echosrv-buffers", Title: "Buffers", YAxisTitle: "bytes", InfoText: "Buffers that hold unfinished packets and waiting replies, the replies among that, and buffers kept for reuse.",
			Series: []statsviz.TimeSeries{
				series("in use", ".4s", func() float64 { return float64(s.Statistics().Pool.InUseBytes) }),
				series("outboxes", ".4s", func() float64 { return float64(s.Statistics().Queued) }),
				series("idle", ".4s", func() float64 { return float64(s.Statistics().Pool.IdleBytes) }),
			}},
	}
	var options []statsviz.Option
	for _, config := range plots {
		plot, err := config.Build()
		if err != nil {
			return nil, err
		}
		options = append(options, statsviz.TimeseriesPlot(plot))
	}
	return statsviz.NewServer(options...)
}

// liveRoot is where statsviz serves its page.
const liveRoot = "/debug/statsviz/"

// order brings to the top what statsviz puts below two dozen charts of the runtime: first the goroutines and
// how long they wait for a processor, beside the packets, then the server's other charts.
const order = `<style>#plots>#goroutines,#plots>#runnable-time,#plots>#echosrv-packets{order:-2}#plots>[id^=echosrv]{order:-1}</style></head>`

// ordered serves the page of index with that order.
func ordered(index http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, conditional := range []string{"Range", "If-Range", "If-Modified-Since", "If-None-Match"} {
			r.Header.Del(conditional) // they would be about the page as it was
		}
		page := &held{ResponseWriter: w}
		index.ServeHTTP(page, r)
		w.Header().Del("Content-Length")
		w.Write(bytes.Replace(page.body.Bytes(), []byte("</head>"), []byte(order), 1))
	}
}

// held keeps what a handler writes.
type held struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (h *held) WriteHeader(int)             {}
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }

func series(name, format string, value func() float64) statsviz.TimeSeries {
	return statsviz.TimeSeries{Name: name, Unitfmt: format, GetValue: value}
}

// perSecond turns a counter into its growth per second since the last time it was asked.
func perSecond(count func() uint64) func() float64 {
	last, at := count(), time.Now()
	return func() float64 {
		now, value := time.Now(), count()
		rate := float64(value-last) / now.Sub(at).Seconds()
		last, at = value, now
		return rate
	}
}
