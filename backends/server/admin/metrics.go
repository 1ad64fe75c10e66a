package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"echosrv/backends/server"
	"echosrv/protocol"
)

// Metric is one of the server's own metrics; those of the Go runtime and of the process come beside them.
type Metric struct {
	Name, Help string
	// Label is the name of the label that tells the series apart, "" if there is one series only.
	Label string

	kind prometheus.ValueType
	read func(server.Statistics, emit)
}

// delayMetric is a histogram and therefore not in the table of counters and gauges.
var delayMetric = Metric{Name: "echosrv_read_to_write_seconds", Help: "Time from the read of a packet until the socket took its echo, of about one packet in 128."}

var infoMetric = Metric{Name: "echosrv_info", Help: "Always 1; the labels engine, threads and gomaxprocs say what runs."}

// emit takes the value of a series; label is "" in a metric without one.
type emit func(label string, value float64)

// Metrics are all of them, in the order of the documentation.
func Metrics() []Metric {
	return append(plainMetrics(), delayMetric, infoMetric)
}

// plainMetrics are the counters and gauges.
func plainMetrics() []Metric { return append(trafficMetrics(), stateMetrics()...) }

func counter(name, help string, read func(server.Statistics) uint64) Metric {
	return Metric{Name: name, Help: help, kind: prometheus.CounterValue,
		read: func(s server.Statistics, out emit) { out("", float64(read(s))) }}
}

// activity is a counter that only engines with loops of their own have.
func activity(name, help string, read func(server.Activity) uint64) Metric {
	return Metric{Name: name, Help: help + " Only with engines written here.", kind: prometheus.CounterValue,
		read: func(s server.Statistics, out emit) {
			if s.Activity.Known {
				out("", float64(read(s.Activity)))
			}
		}}
}

func gauge(name, help string, read func(server.Statistics) int64) Metric {
	return Metric{Name: name, Help: help, kind: prometheus.GaugeValue,
		read: func(s server.Statistics, out emit) { out("", float64(read(s))) }}
}

func trafficMetrics() []Metric {
	return []Metric{
		counter("echosrv_connections_total", "Connections accepted.", func(s server.Statistics) uint64 { return s.Opened }),
		{Name: "echosrv_connections_closed_total", Help: "Connections that ended, by cause.", Label: "cause", kind: prometheus.CounterValue,
			read: func(s server.Statistics, out emit) {
				for _, r := range server.CloseReasons() {
					out(r.String(), float64(s.Closes[r]))
				}
			}},
		counter("echosrv_packets_received_total", "Whole packets received.", func(s server.Statistics) uint64 { return s.PacketsIn }),
		counter("echosrv_received_bytes_total", "Bytes received.", func(s server.Statistics) uint64 { return s.BytesIn }),
		counter("echosrv_sent_bytes_total", "Bytes that the sockets took.", func(s server.Statistics) uint64 { return s.BytesOut }),
		{Name: "echosrv_packets_dropped_total", Help: "Packets that were not answered, by cause: overflow of the outbox, or partial, their end never arrived.", Label: "cause",
			kind: prometheus.CounterValue, read: func(s server.Statistics, out emit) {
				out("overflow", float64(s.Dropped))
				out("partial", float64(s.Partial))
			}},
		{Name: "echosrv_errors_total", Help: "ERROR packets sent, by code.", Label: "code", kind: prometheus.CounterValue,
			read: func(s server.Statistics, out emit) {
				for code := protocol.CodeMalformed; int(code) < len(s.Errors); code++ {
					out(strings.ReplaceAll(code.String(), " ", "-"), float64(s.Errors[code]))
				}
			}},
		counter("echosrv_connections_refused_total", "Connections above max-connections.", func(s server.Statistics) uint64 { return s.Refused }),
		counter("echosrv_outbox_packets_total", "Replies that went through an outbox: a socket did not take them at once, or mode async held them.", func(s server.Statistics) uint64 { return s.Kept }),
		counter("echosrv_read_pauses_total", "Times that a connection was not read for a while because its outbox was full.", func(s server.Statistics) uint64 { return s.Pauses }),
		counter("echosrv_rate_pauses_total", "Times that a connection was not read for a while because a rate was exceeded.", func(s server.Statistics) uint64 { return s.Throttled }),
		activity("echosrv_engine_turns_total", "Turns of the event loops.", func(a server.Activity) uint64 { return a.Turns }),
		activity("echosrv_engine_reads_total", "Reads from sockets.", func(a server.Activity) uint64 { return a.Reads }),
		activity("echosrv_engine_writes_total", "Writes to sockets.", func(a server.Activity) uint64 { return a.Writes }),
		counter("echosrv_flushes_total", "Batches sent in mode async.", func(s server.Statistics) uint64 { return s.Flushes }),
	}
}

func stateMetrics() []Metric {
	return []Metric{
		gauge("echosrv_connections_open", "Connections now open.", func(s server.Statistics) int64 { return int64(s.Open) }),
		gauge("echosrv_outbox_bytes", "Bytes of replies that wait in all outboxes.", func(s server.Statistics) int64 { return int64(s.Queued) }),
		gauge("echosrv_buffers_in_use", "Buffers that hold unfinished packets and waiting replies.", func(s server.Statistics) int64 { return s.Pool.InUse }),
		{Name: "echosrv_buffer_bytes", Help: "Capacity of the buffers in use, and of those kept for reuse.", Label: "state", kind: prometheus.GaugeValue,
			read: func(s server.Statistics, out emit) {
				out("in-use", float64(s.Pool.InUseBytes))
				out("idle", float64(s.Pool.IdleBytes))
			}},
		counter("echosrv_buffer_gets_total", "Buffers handed out by the pool.", func(s server.Statistics) uint64 { return s.Pool.Gets }),
		counter("echosrv_buffer_allocations_total", "Buffers handed out that had to be made.", func(s server.Statistics) uint64 { return s.Pool.Allocations }),
		gauge("echosrv_draining", "1 while the server waits for its clients to finish.", func(s server.Statistics) int64 {
			if s.Draining {
				return 1
			}
			return 0
		}),
		counter("echosrv_cut_off_total", "Connections that the server's stop ended before they had finished.", func(s server.Statistics) uint64 { return s.CutOff }),
		counter("echosrv_unanswered_total", "Of these, connections that had not taken all their replies, or were held back by a limit.", func(s server.Statistics) uint64 { return s.Unanswered }),
		{Name: "echosrv_config_changes_total", Help: "Configurations read or sent while running, by result: changed or refused.", Label: "result", kind: prometheus.CounterValue,
			read: func(s server.Statistics, out emit) {
				out("changed", float64(s.ConfigChanges))
				out("refused", float64(s.ConfigRefusals))
			}},
	}
}

// collector reads the server's statistics when it is asked, so that counting costs what the sessions and
// engines do anyway.
type collector struct {
	server  *server.Server
	metrics []Metric
	descs   []*prometheus.Desc
	delay   *prometheus.Desc
}

func newCollector(s *server.Server) *collector {
	c := &collector{server: s, metrics: plainMetrics(), delay: prometheus.NewDesc(delayMetric.Name, delayMetric.Help, nil, nil)}
	for _, m := range c.metrics {
		var labels []string
		if m.Label != "" {
			labels = []string{m.Label}
		}
		c.descs = append(c.descs, prometheus.NewDesc(m.Name, m.Help, labels, nil))
	}
	return c
}

// Describe is part of prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
	out <- c.delay
}

// Collect is part of prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	stats := c.server.Statistics()
	for i, m := range c.metrics {
		m.read(stats, func(label string, value float64) {
			var labels []string
			if m.Label != "" {
				labels = []string{label}
			}
			out <- prometheus.MustNewConstMetric(c.descs[i], m.kind, value, labels...)
		})
	}
	d := stats.Delays
	out <- prometheus.MustNewConstHistogram(c.delay, d.Count, d.Sum.Seconds(), d.Buckets())
}

// metricsHandler answers Prometheus from a registry of its own: nothing that a library registers for the
// whole process gets in.
func metricsHandler(s *server.Server) http.Handler {
	registry := prometheus.NewRegistry()
	d := s.Description()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: infoMetric.Name, Help: infoMetric.Help,
		ConstLabels: prometheus.Labels{"engine": d.Engine, "threads": strconv.Itoa(d.Threads), "gomaxprocs": strconv.Itoa(d.GOMAXPROCS)},
	})
	info.Set(1)
	registry.MustRegister(newCollector(s), info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}
